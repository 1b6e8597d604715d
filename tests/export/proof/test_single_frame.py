"""A graph with independent frames that fails the proof is limited to one frame a step; no other graph is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from export.errors import ContractError
from export.format.card import Card, Latent, Method
from export.format.graph import one_frame
from export.format.io import load, save
from export.proof.chunk_equality import Difference, Proof, prove
from export.proof.single_frame import fix_to_one_frame
from export.torch_export import TorchMethod, export
from realtime.engine.decoder import Decoder
from tests.reference import RATE

LATENTS, HOP = 3, 8
FAILED = Proof((Difference("decode", "decode.output", "cut into chunks of 7", 3e-5, 2),))


class Alone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.wide = nn.Linear(LATENTS, HOP)

    def forward(self, latent: Tensor) -> tuple[Tensor]:
        return (torch.tanh(self.wide(latent.transpose(1, 2))).reshape(1, 1, -1),)


class Together(nn.Module):
    """A running sum: each frame depends on the previous ones."""

    def forward(self, latent: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        total = past + torch.cumsum(latent[:, :1], dim=2)
        return torch.tanh(total).repeat_interleave(HOP, dim=2), total[:, :, -1:]


def written(path: Path, module: nn.Module, *states: Tensor) -> tuple[onnx.ModelProto, Card]:
    part = TorchMethod(module, Method(hop=HOP, output="audio"), states, settle_seconds=0.0)
    export(path, name="small", sample_rate=RATE, methods={"decode": part}, latent=Latent.plain(LATENTS))
    return load(path)


def test_independent_frames_are_limited_to_one_a_step(tmp_path: Path) -> None:
    model, card = written(tmp_path / "alone.onnx", Alone())
    latents = np.random.default_rng(0).standard_normal((LATENTS, 20)).astype(np.float32)
    before = Decoder(tmp_path / "alone.onnx").render(latents)
    assert not one_frame(model, "decode")
    assert fix_to_one_frame(model, card, FAILED)
    assert one_frame(model, "decode")
    assert prove(model, card).holds
    save(tmp_path / "single.onnx", model, card)
    np.testing.assert_array_equal(Decoder(tmp_path / "single.onnx").render(latents), before)


def test_dependent_frames_are_unchanged(tmp_path: Path) -> None:
    model, card = written(tmp_path / "together.onnx", Together(), torch.zeros(1, 1, 1))
    assert not fix_to_one_frame(model, card, FAILED)
    assert not one_frame(model, "decode")


def test_a_graph_that_passes_is_unchanged(tmp_path: Path) -> None:
    model, card = written(tmp_path / "alone.onnx", Alone())
    assert not fix_to_one_frame(model, card, prove(model, card))
    assert not one_frame(model, "decode")


def test_a_graph_that_mixes_the_frames_of_a_chunk_is_not_limited(tmp_path: Path) -> None:
    class Around(Alone):
        def forward(self, latent: Tensor) -> tuple[Tensor]:
            before = torch.cat([latent[:, :, :1], latent[:, :, :-1]], dim=2)
            return super().forward(latent + 1e-3 * before)

    with pytest.raises(ContractError, match="does not stream"):
        written(tmp_path / "around.onnx", Around())
