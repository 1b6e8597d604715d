"""Stacks of layers: delays add up across ratios, parallel branches are aligned, and chunks don't matter."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from export.format.card import Latent
from export.format.graph import split
from export.format.io import load
from export.proof.chunk_equality import run_chunks
from export.streaming.conv1d_streaming import CausalConv1d, Conv1d, ConvTranspose1d
from export.streaming.layer_base import StreamingError, whole_signals
from export.streaming.recurrent_layers import GRU, LSTM
from export.streaming.resample import Resample
from export.streaming.stack import Branches, Chain, Delay, Pointwise, Residual
from export.streaming.stft import ISTFT, STFT
from export.streaming_method import streaming_method
from export.torch_export import export
from tests.export.streaming.stacks import TOLERANCE, assert_streams, measured_delay, offline, random_stack, streamed

RATE = 44_100


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 100_000), sizes=st.lists(st.integers(1, 9), max_size=12))
def test_any_stack_streams_with_the_delay_it_states(seed: int, sizes: list[int]) -> None:
    stack = random_stack(seed)
    steps = 100 + 6 * stack.delay // stack.gives
    assert_streams(stack, torch.randn(1, 3, steps * stack.takes), sizes, [1] * 30)
    assert measured_delay(stack, 3, steps=steps) == stack.delay


def test_delays_add_up_over_ratios() -> None:
    torch.manual_seed(0)
    down = Conv1d(2, 2, 8, stride=4, padding=2)  # waits for two of eight samples: a step of four
    assert (down.takes, down.gives, down.delay, down.ratio) == (4, 1, 1, Fraction(1, 4))
    chain = Chain(Conv1d(2, 2, 7), down, ConvTranspose1d(2, 2, 6, stride=3, padding=2))
    assert isinstance(chain.layers[1], Delay), "3 samples are no whole step of 4: one more is waited for"
    assert chain.layers[1].delay == 1
    assert (chain.takes, chain.gives) == (4, 3)
    assert chain.delay == (4 // 4 + 1) * 3 + 2
    assert measured_delay(chain, 2) == chain.delay
    assert_streams(chain, torch.randn(1, 2, 400), [1, 5, 2])


def test_branches_of_different_delays_are_aligned() -> None:
    """Three branches that pass everything with different delays sum to three times the input."""
    wide, narrow = Conv1d(1, 1, 9, bias=False), Conv1d(1, 1, 3, dilation=2, bias=False)
    for layer in (wide, narrow):
        nn.init.zeros_(layer.conv.weight)
        layer.conv.weight.data[:, :, layer.conv.kernel_size[0] // 2] = 1.0
    branches = Branches(wide, narrow, Chain(), channels=1)
    assert branches.delay == 4
    x = torch.randn(1, 1, 60)
    made = streamed(branches, x, [3, 1, 8])
    torch.testing.assert_close(made[:, :, 4:], 3 * x[:, :, :-4])
    side = Branches(wide, narrow, join="concatenate")
    made = streamed(side, x, [1, 1, 10])
    assert side.outputs == 2
    torch.testing.assert_close(made[:, :, 4:], torch.cat([x, x], dim=1)[:, :, :-4])


def test_branches_with_a_ratio_are_aligned_at_the_output_rate() -> None:
    torch.manual_seed(0)
    branches = Branches(
        ConvTranspose1d(2, 3, 8, stride=4, padding=2), Chain(Resample(2, 4), Conv1d(2, 3, 5)), join="concatenate"
    )
    assert branches.ratio == 4
    assert branches.outputs == 6
    assert_streams(branches, torch.randn(1, 2, 200), [1] * 20)
    assert measured_delay(branches, 2) == branches.delay


def test_a_residual_delays_its_input_like_its_layers() -> None:
    torch.manual_seed(0)
    layers = [Conv1d(4, 4, 3, dilation=3), nn.LeakyReLU(0.2), Conv1d(4, 4, 1)]
    residual = Residual(*layers)
    x = torch.randn(1, 4, 100)
    body = offline(Chain(*layers), x)
    torch.testing.assert_close(offline(residual, x), x + body)
    assert residual.delay == 3
    assert_streams(residual, x, [1] * 50)


def test_batch_norm_is_a_scale_and_a_shift_in_a_stream() -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(3)
    norm(3 * torch.randn(8, 3, 40) + 2)
    chain = Chain(CausalConv1d(2, 3, 3), norm, nn.Tanh())
    assert_streams(chain, torch.randn(1, 2, 80), [1] * 30, [5, 9])
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = torch.rsqrt(norm.running_var + norm.eps)[:, None]
    x = torch.randn(1, 3, 10)
    torch.testing.assert_close(Pointwise(norm).eval()(x), (x - norm.running_mean[:, None]) * scale)


def test_whole_signals_can_be_run_in_eval_and_streaming_continues_afterwards() -> None:
    torch.manual_seed(0)
    chain = Chain(Conv1d(1, 1, 5), nn.Tanh()).eval()
    x = torch.randn(1, 1, 40)
    with torch.no_grad():
        first = chain(x[:, :, :20])
        with whole_signals(chain):
            assert chain(torch.randn(3, 1, 40)).shape == (3, 1, 40)
        joined = torch.cat([first, chain(x[:, :, 20:])], dim=2)
    torch.testing.assert_close(joined, streamed(chain, x))


def test_a_stack_that_cannot_stream_is_refused_with_the_reason() -> None:
    hidden = nn.Module()
    hidden.inner = Conv1d(1, 1, 3)
    for says, make in (
        ("Conv1d mixes samples", lambda: Chain(nn.Conv1d(2, 2, 3, padding=1))),
        ("AvgPool1d mixes samples", lambda: Chain(nn.AvgPool1d(2))),
        ("InstanceNorm1d mixes samples", lambda: Chain(nn.InstanceNorm1d(2))),
        ("contains streaming layers", lambda: Chain(hidden)),
        ("takes 3 channels, not 2", lambda: Chain(Conv1d(1, 2, 3), Conv1d(3, 1, 3))),
        ("same ratio, not 1, 1/2", lambda: Branches(Conv1d(1, 1, 3), Conv1d(1, 1, 4, stride=2))),
        ("same number of output channels", lambda: Branches(Conv1d(1, 1, 3), Conv1d(1, 2, 3))),
        ("same number of channels", lambda: Branches(Conv1d(1, 1, 3), Conv1d(2, 1, 3))),
        ("at least one branch", Branches),
        ("give `channels`", lambda: Chain(nn.GLU(dim=1))),
        ("at least 1 sample", lambda: Delay(1, 0)),
    ):
        with pytest.raises(StreamingError, match=says) as caught:
            make()
        assert "\n" not in str(caught.value)


# As a model file.


def exported(path: Path, name: str, stack: Chain, *, latents: int) -> tuple[Tensor, np.ndarray, list[np.ndarray]]:
    """Write a stack as a model file; return an input, the stack's output, and the file's outputs for several chunks."""
    part = streaming_method(name, stack)
    export(path, name="stack", sample_rate=RATE, methods={name: part}, latent=Latent.plain(latents))
    model, card = load(path)
    method = card.method(name)
    session = ort.InferenceSession(split(model, name).SerializeToString(), providers=["CPUExecutionProvider"])
    channels = latents if name == "decode" else method.channels
    frames = 48
    x = torch.randn(1, channels, frames * (method.hop if name == "encode" else 1))
    rest = {key: torch.from_numpy(value) for key, value in zip(part.module.names, method.rest, strict=True)}  # type: ignore[arg-type]
    with torch.no_grad():
        expected, *_ = part.module(x, *rest.values())
    cuts = ([frames], [1] * frames, [5, 1, 2, 40])
    outputs = [run_chunks(session, name, method, {f"{name}.input": x.numpy()}, list(sizes))[0] for sizes in cuts]
    return x, expected.numpy(), outputs


@pytest.mark.parametrize(
    ("name", "make", "latents", "hop"),
    [
        ("decode", lambda: Chain(Conv1d(4, 8, 3), ConvTranspose1d(8, 2, 600, stride=300, padding=150)), 4, 300),
        ("decode", lambda: Chain(CausalConv1d(4, 6, 3), GRU(6, 5), ConvTranspose1d(5, 1, 8, stride=8)), 4, 8),
        ("decode", lambda: Chain(LSTM(4, 5, layers=2), ConvTranspose1d(5, 1, 4, stride=3)), 4, 3),
        ("decode", lambda: Chain(Conv1d(4, 2 * 17, 3), ISTFT(32, 8)), 4, 8),
        ("encode", lambda: Chain(STFT(32, 8, channels=2), Conv1d(2 * 2 * 17, 4, 3)), 4, 8),
    ],
)
def test_a_stack_and_its_file_give_the_same(
    tmp_path: Path, name: str, make: Callable[[], Chain], latents: int, hop: int
) -> None:
    torch.manual_seed(0)
    stack = make()
    _, expected, outputs = exported(tmp_path / "stack.onnx", name, stack, latents=latents)
    for made in outputs:
        np.testing.assert_allclose(made, expected, atol=TOLERANCE)
    method = load(tmp_path / "stack.onnx")[1].method(name)
    assert method.hop == hop
    assert method.delay == (stack.delay if name == "decode" else stack.delay * hop)
    assert all(rest.dtype == np.float32 for rest in method.rest)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 100_000), decodes=st.booleans())
def test_any_stack_and_its_file_give_the_same(tmp_path: Path, seed: int, decodes: bool) -> None:
    stack, name = random_stack(seed, up=decodes, down=not decodes), "decode" if decodes else "encode"
    _, expected, outputs = exported(tmp_path / "stack.onnx", name, stack, latents=3)
    for made in outputs:
        np.testing.assert_allclose(made, expected, atol=TOLERANCE * max(1.0, float(np.abs(expected).max())))


def test_the_delay_of_a_file_is_that_of_its_card(tmp_path: Path) -> None:
    """The graph responds to an impulse in one frame as `offline`, `delay` samples later."""
    torch.manual_seed(0)
    stack = Chain(Conv1d(4, 8, 3), nn.Tanh(), ConvTranspose1d(8, 6, 10, stride=5, padding=2), Conv1d(6, 1, 7))
    part = streaming_method("decode", stack)
    export(tmp_path / "late.onnx", name="late", sample_rate=RATE, methods={"decode": part}, latent=Latent.plain(4))
    model, card = load(tmp_path / "late.onnx")
    method = card.method("decode")
    session = ort.InferenceSession(split(model, "decode").SerializeToString(), providers=["CPUExecutionProvider"])
    silent, struck = np.zeros((1, 4, 60), np.float32), np.zeros((1, 4, 60), np.float32)
    struck[:, :, 30] = 1.0
    late, before = (run_chunks(session, "decode", method, {"decode.input": x}, [1] * 60)[0] for x in (struck, silent))
    there, quiet = (offline(stack, torch.from_numpy(x)).numpy() for x in (struck, silent))
    assert method.delay == 3 + 2 + 5
    answer, expected = (late - before)[0, 0, method.delay :], (there - quiet)[0, 0, : -method.delay]
    np.testing.assert_allclose(answer, expected, atol=TOLERANCE)
    assert np.abs(expected).max() > 0.01


def test_a_stack_that_fits_no_method_is_refused() -> None:
    from export.errors import ContractError

    for name, stack, says in (
        ("decode", Chain(Conv1d(2, 2, 4, stride=2)), "doesn't fit 'decode'"),
        ("encode", Chain(ConvTranspose1d(2, 2, 4, stride=2)), "doesn't fit 'encode'"),
        ("transform", Chain(Resample(1, 2)), "doesn't fit 'transform'"),
        ("transform", Chain(Conv1d(1, 2, 3)), "as many channels as it takes"),
        ("decode", Chain(nn.Tanh()), "number of channels of"),
    ):
        with pytest.raises(ContractError, match=says):
            streaming_method(name, stack)
    with pytest.raises(ContractError, match="hop of this 'decode' must be 4 samples"):
        streaming_method("decode", Chain(ConvTranspose1d(2, 2, 4, stride=4)), hop=8)


def test_a_transform_has_the_given_hop(tmp_path: Path) -> None:
    torch.manual_seed(0)
    stack = Chain(STFT(32, 8, channels=2), nn.Conv1d(2 * 34, 2 * 34, 1), ISTFT(32, 8, channels=2))
    part = streaming_method("transform", stack, hop=64)
    path = tmp_path / "transform.onnx"
    export(path, name="transform", sample_rate=RATE, methods={"transform": part}, latent=Latent.plain(0))
    model, card = load(path)
    method = card.method("transform")
    assert (method.hop, method.channels, method.delay) == (64, 2, stack.delay)
    session = ort.InferenceSession(split(model, "transform").SerializeToString(), providers=["CPUExecutionProvider"])
    x = torch.randn(1, 2, 64 * 6)
    made, _ = run_chunks(session, "transform", method, {"transform.input": x.numpy()}, [1, 2, 3])
    expected = offline(stack, x).numpy()
    inside = slice(64, x.shape[2] - stack.delay)
    late = made[:, :, stack.delay :]
    np.testing.assert_allclose(late[:, :, inside], expected[:, :, inside], atol=TOLERANCE)


def test_the_documented_example_writes_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[3] / "docs" / "layers.md").read_text()
    example = text.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "layers.md", "exec"), {})
    method = load(tmp_path / "decoder.onnx")[1].method("decode")
    assert (method.hop, method.channels) == (300, 2)
    assert method.delay == 300 + 150 + 9 + 3
