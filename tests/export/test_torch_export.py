"""Export of torch modules: only models that stream are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from export.errors import ContractError
from export.format.card import Control, Latent, Method
from export.format.graph import split
from export.format.io import load
from export.proof.chunk_equality import run_chunks
from export.runtime.onnx_session import session
from export.torch_export import TorchMethod, export
from realtime.engine.decoder import Decoder
from tests.reference import RATE, reference_decoder


class Leaky(nn.Module):
    """A decaying sum of its input: a cache with a long memory."""

    def forward(self, latent: Tensor, gain: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        now = torch.cat([past, latent], dim=2).sum(dim=2, keepdim=True) * 0 + 0.9 * past + 0.1 * latent[:, :, -1:]
        return (gain * latent).repeat_interleave(8, dim=2)[:, :1], now


class LooksAhead(nn.Module):
    """Pads at each chunk boundary, like exports without caches: it clicks."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv1d(2, 1, 3, padding=1)

    def forward(self, latent: Tensor) -> tuple[Tensor]:
        return (self.conv(latent).repeat_interleave(8, dim=2),)


def write(path: Path, module: nn.Module, states: list[Tensor], *controls: Control) -> None:
    part = TorchMethod(module, Method(hop=8, output="audio", controls=controls), states)
    export(path, name="small", sample_rate=RATE, methods={"decode": part}, latent=Latent.plain(2))


def test_a_module_that_pads_each_chunk_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"output of 'decode' differs by .* when the input is cut") as caught:
        write(tmp_path / "click.onnx", LooksAhead(), [])
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_unused_control_is_refused(tmp_path: Path) -> None:
    class Deaf(nn.Module):
        def forward(self, latent: Tensor, _pitch: Tensor) -> tuple[Tensor]:
            return (latent[:, :1].repeat_interleave(8, dim=2),)

    with pytest.raises(ContractError, match="doesn't use decode.control.pitch"):
        write(tmp_path / "deaf.onnx", Deaf(), [], Control("pitch", 0, -1, 1))


def test_chunked_equals_whole_includes_the_caches(tmp_path: Path) -> None:
    """`Leaky` caches one frame a call, so its cache depends on the chunks although its output doesn't."""
    with pytest.raises(ContractError, match=r"decode\.state\.0 of 'decode' differs"):
        write(tmp_path / "leaky.onnx", Leaky(), [torch.zeros(1, 2, 1)], Control("gain", 1, 0, 2))


def test_the_rest_state_is_stationary(reference_model: Path) -> None:
    model, card = load(reference_model)
    part, method = split(model, "decode"), card.method("decode")
    feeds = {"decode.input": np.zeros((1, card.latent.size, 1), np.float32)}
    _, after = run_chunks(session(part.SerializeToString()), "decode", method, feeds, [1])
    for rest, cache in zip(method.rest, after, strict=True):
        np.testing.assert_allclose(cache, rest, atol=1e-6)
    assert any(np.abs(rest).max() > 1e-3 for rest in method.rest), "the rest state is all zeros"


def test_the_file_equals_the_module(reference_model: Path) -> None:
    torch.manual_seed(1)
    module, decoder = reference_decoder(), Decoder(reference_model)
    latents = torch.randn(1, 16, 40)
    states = [torch.from_numpy(rest) for rest in decoder.method.rest]
    with torch.no_grad():
        expected, *_ = module(latents, *states)
    np.testing.assert_allclose(decoder.render(latents[0].numpy()), expected[0].numpy(), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(edges=st.sets(st.integers(1, 59), max_size=20), seed=st.integers(0, 100))
def test_any_cut_of_the_latents_gives_the_same_audio(reference_model: Path, edges: set[int], seed: int) -> None:
    model, card = load(reference_model)
    import onnxruntime as ort

    whole = ort.InferenceSession(split(model, "decode").SerializeToString(), providers=["CPUExecutionProvider"])
    latents = np.random.default_rng(seed).standard_normal((1, 16, 60)).astype(np.float32)
    sizes = [int(n) for n in np.diff([0, *sorted(edges), 60])]
    method = card.method("decode")
    once, _ = run_chunks(whole, "decode", method, {"decode.input": latents}, [60])
    cut, _ = run_chunks(whole, "decode", method, {"decode.input": latents}, sizes)
    np.testing.assert_allclose(cut, once, atol=1e-5)


def test_two_methods_share_a_file_and_can_be_split(tmp_path: Path) -> None:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(1, 2, 8, stride=8)

        def forward(self, audio: Tensor) -> tuple[Tensor]:
            return (self.conv(audio),)

    class Decoder_(nn.Module):  # noqa: N801
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Conv1d(2, 8, 1)

        def forward(self, latent: Tensor) -> tuple[Tensor]:
            return (self.linear(latent).transpose(1, 2).reshape(1, 1, -1),)

    path = tmp_path / "both.onnx"
    methods = {
        "decode": TorchMethod(Decoder_(), Method(hop=8, output="audio")),
        "encode": TorchMethod(Encoder(), Method(hop=8, output="latent")),
    }
    proof = export(path, name="both", sample_rate=RATE, methods=methods, latent=Latent.plain(2))
    assert proof.holds
    model, card = load(path)
    assert set(card.methods) == {"decode", "encode"}
    for name in card.methods:
        part = split(model, name)
        assert {v.name.split(".")[0] for v in part.graph.input} == {name}
        session(part.SerializeToString())
