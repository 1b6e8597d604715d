"""Each streaming layer: compared with torch, for any chunks, with exactly the stated delay."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from export.streaming.conv1d_streaming import CausalConv1d, Conv1d, ConvTranspose1d
from export.streaming.layer_base import Layer, StreamingError
from export.streaming.recurrent_layers import GRU, LSTM
from export.streaming.resample import Resample
from tests.export.streaming.stacks import TOLERANCE, measured_delay, offline, streamed

CUTS = ([1] * 40, [7, 1, 1, 13, 2], [31, 3])


def signal(channels: int, samples: int, seed: int = 0) -> Tensor:
    return torch.randn(1, channels, samples, generator=torch.Generator().manual_seed(seed))


def assert_late(layer: Layer, x: Tensor, reference: Tensor) -> None:
    """Check that the stream equals the reference `delay` samples later, for any chunks, and measure the delay."""
    for sizes in ([], *CUTS):
        made = streamed(layer, x, sizes)
        assert made.shape == reference.shape
        late = made[:, :, layer.delay :]
        torch.testing.assert_close(late, reference[:, :, : late.shape[2]], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(offline(layer, x), reference, atol=TOLERANCE, rtol=0)
    assert measured_delay(layer, x.shape[1]) == layer.delay


@settings(max_examples=40, deadline=None)
@given(
    kernel=st.integers(1, 7),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    groups=st.sampled_from([1, 2]),
    place=st.floats(0, 1),
)
def test_a_convolution_equals_that_of_torch_delayed(
    kernel: int, stride: int, dilation: int, groups: int, place: float
) -> None:
    torch.manual_seed(kernel)
    reach = dilation * (kernel - 1) + 1
    padding = round(place * (reach - 1))
    layer = Conv1d(4, 6, kernel, stride=stride, dilation=dilation, groups=groups, padding=padding)
    x = signal(4, 48 * stride)
    padded = F.pad(x, (padding, reach))
    with torch.no_grad():
        weight, bias = layer.conv.weight, layer.conv.bias
        reference = F.conv1d(padded, weight, bias, stride=stride, dilation=dilation, groups=groups)[:, :, :48]
    assert layer.delay == max(0, -(-(reach - padding - stride) // stride))
    assert_late(layer, x, reference)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (7, 1, 3), (4, 2, 1), (3, 2, 1), (8, 4, 2)])
def test_a_convolution_with_the_padding_of_torch_equals_that_of_torch(kernel: int, stride: int, padding: int) -> None:
    torch.manual_seed(0)
    plain, layer = nn.Conv1d(2, 3, kernel, stride, padding), Conv1d(2, 3, kernel, stride=stride, padding=padding)
    layer.conv.load_state_dict(plain.state_dict())
    x = signal(2, 40 * stride)
    with torch.no_grad():
        reference = plain(x)
    torch.testing.assert_close(offline(layer, x), reference, atol=TOLERANCE, rtol=0)
    assert_late(layer, x, reference)


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(1, 1, 1), (3, 1, 9), (8, 4, 1), (2, 4, 1), (3, 2, 3)])
def test_a_causal_convolution_has_no_delay_and_no_look_ahead(kernel: int, stride: int, dilation: int) -> None:
    torch.manual_seed(0)
    layer = CausalConv1d(2, 3, kernel, stride=stride, dilation=dilation)
    assert layer.delay == 0
    x = signal(2, 48 * stride)
    reference = offline(layer, x)
    assert_late(layer, x, reference)
    changed = x.clone()
    changed[:, :, 24 * stride :] += 1
    torch.testing.assert_close(offline(layer, changed)[:, :, :24], reference[:, :, :24], atol=TOLERANCE, rtol=0)
    assert not torch.allclose(offline(layer, changed)[:, :, 24], reference[:, :, 24])


@settings(max_examples=25, deadline=None)
@given(stride=st.integers(1, 5), longer=st.integers(-2, 9), place=st.floats(0, 1), groups=st.sampled_from([1, 2]))
def test_a_transposed_convolution_equals_that_of_torch_delayed(
    stride: int, longer: int, place: float, groups: int
) -> None:
    torch.manual_seed(stride)
    kernel = max(1, stride + longer)
    padding = round(place * max(kernel - stride, 0))
    layer = ConvTranspose1d(4, 6, kernel, stride=stride, groups=groups, padding=padding)
    x = signal(4, 48)
    with torch.no_grad():
        full = F.conv_transpose1d(x, layer.conv.weight, layer.conv.bias, stride, groups=groups)
        missing = max(stride - kernel, 0)  # behind the last kernel torch gives nothing
        assert layer.conv.bias is not None
        full = torch.cat([full, layer.conv.bias[:, None].expand(1, 6, missing)], dim=2)
    assert_late(layer, x, full[:, :, padding : padding + 48 * stride])


def test_a_transposed_convolution_with_the_padding_of_torch_equals_that_of_torch() -> None:
    torch.manual_seed(0)
    plain, layer = nn.ConvTranspose1d(3, 2, 8, 4, padding=2), ConvTranspose1d(3, 2, 8, stride=4, padding=2)
    layer.conv.load_state_dict(plain.state_dict())
    x = signal(3, 50)
    with torch.no_grad():
        assert_late(layer, x, plain(x))


@pytest.mark.parametrize(("up", "down"), [(2, 1), (1, 2), (3, 2), (2, 3), (147, 160), (4, 6), (5, 5)])
def test_resampling_keeps_a_tone_and_its_time(up: int, down: int) -> None:
    layer = Resample(1, up, down)
    up, down = layer.gives, layer.takes
    steps = max(1, 2000 // down)
    time = torch.arange(steps * down, dtype=torch.float64)
    cycles = 0.11 * min(1.0, up / down)  # a sample of the input, well below both Nyquist frequencies
    x = torch.sin(2 * torch.pi * cycles * time).float()[None, None]
    wanted = torch.sin(2 * torch.pi * cycles * torch.arange(steps * up, dtype=torch.float64) * down / up).float()
    made = offline(layer, x)[0, 0]
    inside = slice(len(made) // 4, -len(made) // 4)
    assert (made - wanted)[inside].abs().max() < 1e-3
    assert_late_in_the_middle(layer, x)


def assert_late_in_the_middle(layer: Layer, x: Tensor) -> None:
    reference = offline(layer, x)
    for sizes in ([], *CUTS):
        late = streamed(layer, x, sizes)[:, :, layer.delay :]
        torch.testing.assert_close(late, reference[:, :, : late.shape[2]], atol=TOLERANCE, rtol=0)


def test_resampling_agrees_with_scipy() -> None:
    """The same filter in scipy, with the impulse responses of all phases as its coefficients."""
    from scipy.signal import resample_poly

    layer = Resample(1, 3, 2, crossings=8)
    impulses = torch.zeros(2, 1, 80)
    impulses[0, 0, 40] = impulses[1, 0, 41] = 1.0
    responses = offline(layer, impulses)[:, 0].numpy()
    response = np.zeros(241)  # at three times the input's rate, the middle at 120
    for k in (0, 1):
        for at in range(120):  # output `at` lies at 2 * at thirds of a sample, the impulse at 3 * (40 + k)
            place = 2 * at - 3 * (40 + k) + 120
            if 0 <= place < 241:
                response[place] = responses[k, at]
    x = signal(1, 200)[0, 0].numpy()
    theirs = resample_poly(x, 3, 2, window=response / 3)
    ours = offline(layer, torch.from_numpy(x)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(ours[60:240], theirs[60:240], atol=TOLERANCE)


@pytest.mark.parametrize("kind", [GRU, LSTM])
@pytest.mark.parametrize("layers", [1, 2])
def test_recurrent_layers_continue_from_their_state(kind: type[GRU] | type[LSTM], layers: int) -> None:
    torch.manual_seed(0)
    layer = kind(3, 5, layers=layers)
    x = signal(3, 60)
    with torch.no_grad():
        reference = layer.cells(x.permute(2, 0, 1))[0].permute(1, 2, 0)
    assert_late(layer, x, reference)


def test_in_training_a_batch_of_whole_signals_runs_and_every_weight_is_trained() -> None:
    from export.streaming.stack import Chain, Residual

    torch.manual_seed(0)
    body = Residual(Conv1d(4, 4, 3), nn.LeakyReLU(0.2), Conv1d(4, 4, 1))
    model = Chain(Conv1d(2, 4, 4, stride=2), nn.BatchNorm1d(4), body, ConvTranspose1d(4, 2, 4, stride=2), GRU(2, 3))
    model.train()
    x = torch.randn(5, 2, 64)
    before = {name: buffer.clone() for name, buffer in model.named_buffers() if "running" not in name}
    model(x).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in model.parameters())
    for name, buffer in before.items():
        if "num_batches" not in name:
            assert torch.equal(buffer, dict(model.named_buffers())[name]), name
    assert not any("past" in key or "overlap" in key or "hidden" in key for key in model.state_dict())


def test_layers_that_cannot_stream_are_refused_with_the_reason() -> None:
    for says, make in (
        ("reflect padding", lambda: Conv1d(1, 1, 3, padding_mode="reflect")),
        ("must be 0 to 2 samples", lambda: Conv1d(1, 1, 3, padding=3)),
        ("must be 0 to 4 samples", lambda: ConvTranspose1d(1, 1, 8, stride=4, padding=5)),
        ("at least 1", lambda: Resample(1, 0, 2)),
    ):
        with pytest.raises(StreamingError, match=says):
            make()


def test_input_of_a_wrong_shape_is_refused() -> None:
    layer = Conv1d(2, 2, 4, stride=4).eval()
    with pytest.raises(StreamingError, match=r"takes \[batch, 2, samples\], not \[1, 3, 8\]"):
        layer(torch.zeros(1, 3, 8))
    with pytest.raises(StreamingError, match="multiples of 4 samples, not 6"):
        layer(torch.zeros(1, 2, 6))
    with pytest.raises(StreamingError, match="one signal at a time"):
        layer(torch.zeros(3, 2, 8))
