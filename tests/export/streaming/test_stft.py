"""STFT and inverse, streaming, compared with torch's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from export.format.card import Window
from export.streaming.layer_base import StreamingError
from export.streaming.stack import Chain
from export.streaming.stft import ISTFT, STFT, OverlapAdd, periodic
from tests.export.streaming.stacks import TOLERANCE, measured_delay, offline, streamed

SIZES = [(16, 4), (16, 8), (20, 6), (12, 12), (15, 5)]
CUTS: tuple[list[int], ...] = ([], [1] * 30, [5, 1, 2, 9])


def laid(spectrum: Tensor) -> Tensor:
    """[channels, bins, frames], complex → [1, channels * 2 * bins, frames]."""
    channels, bins, frames = spectrum.shape
    return torch.stack([spectrum.real, spectrum.imag], dim=1).reshape(1, channels * 2 * bins, frames)


@pytest.mark.parametrize(("n_fft", "hop"), SIZES)
@pytest.mark.parametrize("window", ["hann", "blackman"])
def test_the_stft_equals_that_of_torch_delayed(n_fft: int, hop: int, window: Window) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 2, 30 * hop)
    shape = periodic(window, n_fft)
    made = torch.stft(x[0], n_fft, hop, window=shape, center=True, pad_mode="constant", return_complex=True)
    reference = laid(made)[:, :, :30]
    layer = STFT(n_fft, hop, window=window, channels=2)
    torch.testing.assert_close(offline(layer, x), reference, atol=TOLERANCE, rtol=0)
    for sizes in CUTS:
        late = streamed(layer, x, sizes)[:, :, layer.delay :]
        torch.testing.assert_close(late, reference[:, :, : late.shape[2]], atol=TOLERANCE, rtol=0)
    assert measured_delay(layer, 2) == layer.delay


@pytest.mark.parametrize(("n_fft", "hop"), SIZES)
def test_an_stft_that_is_not_centred_ends_with_its_hop_without_delay(n_fft: int, hop: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 1, 30 * hop)
    layer = STFT(n_fft, hop, centred=False)
    assert layer.delay == 0
    frame = x[0, 0, 20 * hop + hop - n_fft : 20 * hop + hop] * periodic("hann", n_fft)
    expected = torch.view_as_real(torch.fft.rfft(frame)).T.reshape(-1)
    for sizes in CUTS:
        torch.testing.assert_close(streamed(layer, x, sizes)[0, :, 20], expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(("n_fft", "hop"), [(16, 4), (16, 8), (20, 6), (32, 5)])
@pytest.mark.parametrize("window", ["hann", "hamming", "sqrt_hann"])
def test_the_inverse_equals_that_of_torch_delayed(n_fft: int, hop: int, window: Window) -> None:
    """At the ends torch divides by fewer windows, so the middle is compared."""
    torch.manual_seed(0)
    frames = torch.randn(1, 2 * 2 * (n_fft // 2 + 1), 40)
    parts = frames.reshape(2, 2, -1, 40)
    complex_ = torch.complex(parts[:, 0], parts[:, 1])
    complex_.imag[:, [0, -1]] = 0.0  # torch.istft may not be given these two
    reference = torch.istft(complex_, n_fft, hop, window=periodic(window, n_fft), center=True)[None]
    layer = ISTFT(n_fft, hop, window=window, channels=2)
    inside = slice(n_fft, 39 * hop - n_fft)
    torch.testing.assert_close(offline(layer, frames)[:, :, inside], reference[:, :, inside], atol=TOLERANCE, rtol=0)
    for sizes in CUTS:
        late = streamed(layer, frames, sizes)[:, :, layer.delay :]
        torch.testing.assert_close(late[:, :, inside], reference[:, :, inside], atol=TOLERANCE, rtol=0)
    assert layer.delay == n_fft // 2
    assert measured_delay(layer, frames.shape[1]) == layer.delay


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize(("n_fft", "hop"), [(16, 4), (32, 8), (30, 10)])
def test_stft_and_inverse_reproduce_a_sound_delayed_by_a_frame_less_a_hop(n_fft: int, hop: int, centred: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 2, 50 * hop)
    chain = Chain(STFT(n_fft, hop, channels=2, centred=centred), ISTFT(n_fft, hop, channels=2, centred=centred))
    lag = n_fft - hop
    if centred:  # here offline knows the time of each frame; else the lag is in the frames themselves
        assert chain.delay == -(-(n_fft // 2 - hop) // hop) * hop + n_fft // 2
        lag = chain.delay
    for sizes in CUTS:
        made = streamed(chain, x, sizes)
        torch.testing.assert_close(made[:, :, lag + n_fft :], x[:, :, n_fft : x.shape[2] - lag], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(("size", "hop", "padding"), [(8, 4, 0), (12, 4, 3), (10, 4, 6), (4, 4, 0)])
def test_overlapping_frames_are_summed(size: int, hop: int, padding: int) -> None:
    torch.manual_seed(0)
    frames = torch.randn(1, 2 * size, 40)
    expected = torch.zeros(2, 39 * hop + size)
    for t in range(40):
        expected[:, t * hop : t * hop + size] += frames[0, :, t].reshape(2, size)
    reference = expected[None, :, padding : padding + 40 * hop]
    layer = OverlapAdd(size, hop, channels=2, padding=padding)
    count = reference.shape[2]
    torch.testing.assert_close(offline(layer, frames)[:, :, :count], reference, atol=TOLERANCE, rtol=0)
    for sizes in CUTS:
        late = streamed(layer, frames, sizes)[:, :, padding:]
        torch.testing.assert_close(late, reference[:, :, : late.shape[2]], atol=TOLERANCE, rtol=0)
    assert measured_delay(layer, 2 * size) == padding


def test_windows_that_leave_gaps_are_refused() -> None:
    with pytest.raises(StreamingError, match="leave gaps at a hop of 16"):
        ISTFT(16, 16, centred=False)
    with pytest.raises(StreamingError, match="The hop must be 1 to 16"):
        STFT(16, 17)
