"""Torch modules with caches become functions with explicit caches, or are refused with the name of the cause."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from export.errors import ContractError
from export.format.card import Control, Latent, Method
from export.format.graph import split
from export.format.io import load
from export.proof.chunk_equality import run_chunks
from export.streaming.explicit_state import with_explicit_state
from export.torch_export import TorchMethod, export


class Stranger(nn.Module):
    """Caches of three kinds with arbitrary names: assigned, written in place, and a ring with its position."""

    apple: Tensor
    pear: Tensor
    window: Tensor
    loudest: Tensor

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.register_buffer("apple", torch.zeros(1, 2, 2))
        self.register_buffer("pear", torch.zeros(1, 2))
        self.register_buffer("window", torch.hann_window(8))
        self.register_buffer("loudest", torch.zeros(()))
        self.conv = nn.Conv1d(2, 8, 3)

    def forward(self, x: Tensor, gain: Tensor) -> Tensor:
        joined = torch.cat([self.apple, x], dim=2)
        self.apple = joined[:, :, -2:]
        made = self.conv(joined)  # [1, 8, frames]
        total = torch.cumsum(x, dim=2) + self.pear[:, :, None]
        self.pear.copy_(total[:, :, -1])
        self.loudest = x.abs().max()  # for a meter: nobody reads it
        made = gain * made * self.window[:, None] + 0.01 * total[:, :1]
        return made.transpose(1, 2).reshape(1, 1, -1)


class Ring(nn.Module):
    """An echo of the frame three steps ago, in a ring with an integer position; one frame a step."""

    ring: Tensor
    place: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ring", torch.zeros(3))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        here = torch.arange(3) == self.place
        old = (self.ring * here).sum()
        self.ring = torch.where(here, x[0, 0, 0], self.ring)
        self.place = (self.place + 1) % 3
        return x + old


def test_only_buffers_that_change_are_states(tmp_path: Path) -> None:
    module = Stranger()
    example = torch.randn(1, 2, 5), torch.ones(1, 1, 1)
    function, states = with_explicit_state(module, example)
    assert function.names == ("apple", "pear")
    assert function.written == ("loudest",)
    assert [tuple(state.shape) for state in states] == [(1, 2, 2), (1, 2)]
    assert all(not state.any() for state in states)
    assert not module.apple.any(), "the module itself was changed"
    gain = Control("gain", 1.0, 0.0, 2.0, per_frame=False)
    part = TorchMethod(function, Method(hop=8, output="audio", controls=(gain,)), states)
    path = tmp_path / "stranger.onnx"
    export(path, name="stranger", sample_rate=48_000, methods={"decode": part}, latent=Latent.plain(2))
    model, card = load(path)
    session = ort.InferenceSession(split(model, "decode").SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).standard_normal((1, 2, 40)).astype(np.float32)
    feeds = {"decode.input": x, "decode.control.gain": np.full((1, 1, 1), 0.5, np.float32)}
    with torch.no_grad():
        expected = torch.cat([module(part, torch.full((1, 1, 1), 0.5)) for part in torch.from_numpy(x).split(10, 2)], 2)
    for sizes in ([40], [1] * 40, [3, 30, 7]):
        made, _ = run_chunks(session, "decode", card.method("decode"), feeds, sizes)
        np.testing.assert_allclose(made, expected.numpy(), atol=1e-5)


def test_a_step_equals_that_of_the_module_for_any_type_of_cache() -> None:
    module = Ring()
    function, states = with_explicit_state(module, torch.randn(1, 1, 1))
    assert function.names == ("ring", "place")
    assert [state.dtype for state in states] == [torch.float32, torch.float32]
    for x in torch.randn(12, 1, 1, 1):
        made, *states = function(x, *states)
        torch.testing.assert_close(made, module(x))
        assert [state.dtype for state in states] == [torch.float32, torch.float32]


def test_a_cache_that_is_filled_later_is_found() -> None:
    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("first", torch.zeros(1, 1, 50))
            self.register_buffer("second", torch.zeros(1, 1, 50))

        def forward(self, x: Tensor) -> Tensor:
            for name in ("first", "second"):
                joined = torch.cat([getattr(self, name), x], dim=2)
                setattr(self, name, joined[:, :, -50:])
                x = joined[:, :, : x.shape[2]]
            return x

    function, _ = with_explicit_state(Late(), torch.zeros(1, 1, 2))
    assert function.names == ("first", "second")


class Counts(nn.Module):
    def __init__(self, value: object) -> None:
        super().__init__()
        self.inner = nn.Identity()
        self.inner.count = value  # type: ignore[assignment]


@pytest.mark.parametrize("kind", ["number", "list", "deque", "tensor", "object"])
def test_an_attribute_that_changes_is_refused_by_name(kind: str) -> None:
    class Box:
        held = 0

        def __init__(self) -> None:
            self.held = 0

    start = {"number": 0, "list": [0], "deque": deque([0]), "tensor": torch.zeros(1), "object": Box()}[kind]

    class Changing(Counts):
        def forward(self, x: Tensor) -> Tensor:
            value: Any = self.inner.count
            if kind == "number":
                self.inner.count = value + 1
            elif kind in ("list", "deque"):
                value.append(1)
            elif kind == "tensor":
                value += 1
            else:
                value.held += 1
            return x

    with pytest.raises(ContractError, match=r"Changing changes its attribute 'inner\.count'.*register_buffer\('count'"):
        with_explicit_state(Changing(start), torch.zeros(1, 1, 4))


def test_other_state_is_refused_by_name() -> None:
    class Grows(nn.Module):
        history: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("history", torch.zeros(1, 1, 0))

        def forward(self, x: Tensor) -> Tensor:
            self.history = torch.cat([self.history, x], dim=2)
            return x + self.history.mean()

    class Trains(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> Tensor:
            self.weight.mul_(0.9)
            return x * self.weight

    class Hisses(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.randn_like(x)

    class Pair(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x, x

    for module, says in (
        (Grows(), r"cache 'history' of Grows changes its shape from \[1, 1, 0\]"),
        (Trains(), "Trains changes its weight 'weight'"),
        (Hisses(), "Hisses is not reproducible"),
        (Pair(), "Pair must return one tensor, not a tuple"),
    ):
        with pytest.raises(ContractError, match=says) as caught:
            with_explicit_state(module, torch.zeros(1, 1, 4))
        assert "\n" not in str(caught.value)


def test_a_module_without_caches_has_none() -> None:
    function, states = with_explicit_state(nn.Conv1d(2, 3, 1), torch.randn(1, 2, 5))
    assert (function.names, states) == ((), [])


class Splits(nn.Module):
    """Its control flow depends on its input."""

    def forward(self, x: Tensor) -> Tensor:
        sign = 1.0 if x.sum() > 0 else -1.0
        return sign * x[:, :1].repeat_interleave(8, dim=2)


class Solves(nn.Module):
    """Uses an operator without a counterpart in ONNX."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.svd(x[:, :1].repeat_interleave(8, dim=2))[1] + x[:, :1].repeat_interleave(8, dim=2)


@pytest.mark.parametrize(("kind", "says"), [(Splits, "data-dependent"), (Solves, "svd")])
def test_modules_that_cannot_be_a_graph_are_refused_with_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: type[nn.Module], says: str
) -> None:
    function, states = with_explicit_state(kind(), torch.randn(1, 2, 5))
    part = TorchMethod(function, Method(hop=8, output="audio"), states)
    with pytest.raises(ContractError, match=rf"'decode' of {kind.__name__} cannot be exported.*{says}") as caught:
        export(tmp_path / "a.onnx", name="a", sample_rate=48_000, methods={"decode": part}, latent=Latent.plain(2))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("cells", [nn.GRU(2, 4, 2, batch_first=True), nn.LSTM(2, 4, bias=False), nn.RNN(2, 4)])
def test_any_recurrent_module_becomes_an_operator(tmp_path: Path, cells: nn.RNNBase) -> None:
    class Recurrent(nn.Module):
        hidden: Tensor
        cell: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.cells = cells
            for name in ("hidden", "cell")[: 2 if isinstance(cells, nn.LSTM) else 1]:
                self.register_buffer(name, torch.zeros(cells.num_layers, 1, 4))

        def forward(self, x: Tensor) -> Tensor:
            order = (0, 2, 1) if self.cells.batch_first else (2, 0, 1)
            held = (self.hidden, self.cell) if isinstance(self.cells, nn.LSTM) else self.hidden
            made, ended = self.cells(x.permute(order), held)
            if isinstance(ended, tuple):
                self.hidden, self.cell = ended
            else:
                self.hidden = ended
            made = made if self.cells.batch_first else made.transpose(0, 1)  # [1, frames, 4]
            return made.reshape(1, 1, -1)

    module = Recurrent()
    function, states = with_explicit_state(module, torch.randn(1, 2, 5))
    path = tmp_path / "recurrent.onnx"
    part = TorchMethod(function, Method(hop=4, output="audio"), states)
    export(path, name="recurrent", sample_rate=48_000, methods={"decode": part}, latent=Latent.plain(2))
    model, card = load(path)
    nodes = {node.op_type for node in model.graph.node}
    assert type(cells).__name__ in nodes
    session = ort.InferenceSession(split(model, "decode").SerializeToString(), providers=["CPUExecutionProvider"])
    x, method = torch.randn(1, 2, 30), card.method("decode")
    with torch.no_grad():
        expected, *_ = function(x, *(torch.from_numpy(rest) for rest in method.rest))
    for sizes in ([30], [1] * 30):
        made, _ = run_chunks(session, "decode", method, {"decode.input": x.numpy()}, sizes)
        np.testing.assert_allclose(made, expected.numpy(), atol=1e-5)


def test_a_bidirectional_module_is_refused(tmp_path: Path) -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells = nn.GRU(2, 4, bidirectional=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.cells(x.permute(2, 0, 1))[0].reshape(1, 1, -1)

    part = TorchMethod(Both(), Method(hop=8, output="audio"))
    with pytest.raises(ContractError, match="bidirectional GRU"):
        export(tmp_path / "a.onnx", name="a", sample_rate=48_000, methods={"decode": part}, latent=Latent.plain(2))
