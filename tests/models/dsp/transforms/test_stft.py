import hypothesis
import hypothesis.strategies as st
import librosa
import numpy as np
import pytest
import torch

from export.format.card import Spectrum, Window
from models.dsp.transforms.stft import STFT, overlap_add
from models.dsp.transforms.transform_base import TransformError
from realtime.dsp.rtpghi import WINDOWS, stft_magnitudes

few = hypothesis.settings(max_examples=40, deadline=None)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("hop", [100, 128])
def test_it_is_librosas_and_the_stages(window: Window, hop: int) -> None:
    audio = noise(5001)
    stft = STFT(Spectrum(512, hop, window))
    made = stft(audio)
    shape = stft.window.numpy()
    expected = librosa.stft(audio.numpy(), n_fft=512, hop_length=hop, window=shape, pad_mode="constant")
    np.testing.assert_allclose(made.numpy(), expected, atol=1e-10)
    np.testing.assert_allclose(made.abs().numpy(), stft_magnitudes(audio.numpy(), 512, hop, window), atol=2e-5)
    assert made.shape[-1] == stft.frames_of(5001)


@few
@hypothesis.given(
    length=st.integers(0, 700),
    hop=st.sampled_from([16, 20, 25, 32]),
    window=st.sampled_from(sorted(WINDOWS)),
    kind=st.sampled_from(["noise", "silence"]),
)
def test_there_and_back_a_sound_of_any_length_is_the_same(length: int, hop: int, window: Window, kind: str) -> None:
    audio = noise(length) if kind == "noise" else torch.zeros(length, dtype=torch.float64)
    stft = STFT(Spectrum(100, hop, window))
    torch.testing.assert_close(stft.inverse(stft(audio), length), audio, atol=1e-9, rtol=0)


def test_a_batch_is_its_sounds_one_by_one() -> None:
    audio = noise(2, 3, 500)
    stft = STFT(Spectrum(64, 16))
    batch = stft(audio)
    assert batch.shape == (2, 3, 33, stft.frames_of(500))
    torch.testing.assert_close(batch[1, 2], stft(audio[1, 2]))
    torch.testing.assert_close(stft.inverse(batch, 500)[1, 2], stft.inverse(batch[1, 2], 500))


def test_gradients_flow_both_ways() -> None:
    stft = STFT(Spectrum(16, 4))
    audio = noise(40).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: stft(x).abs() ** 2, audio)
    assert torch.autograd.gradcheck(lambda x: stft.inverse(stft(x) ** 2, 40), audio)


@pytest.mark.parametrize(("size", "hop"), [(8, 4), (10, 4), (4, 4), (7, 3)])
def test_frames_are_laid_over_each_other(size: int, hop: int) -> None:
    frames = noise(2, 6, size)
    expected = torch.zeros(2, 5 * hop + size, dtype=torch.float64)
    for n in range(6):
        expected[:, n * hop : n * hop + size] += frames[:, n]
    torch.testing.assert_close(overlap_add(frames, hop), expected)


@pytest.mark.parametrize(
    ("spectrum", "remedy"),
    [(Spectrum(512, 0), "1 to 256"), (Spectrum(512, 257), "1 to 256"), (Spectrum(511, 100), "even")],
)
def test_a_spectrum_that_cannot_be_is_refused(spectrum: Spectrum, remedy: str) -> None:
    with pytest.raises(TransformError, match=remedy):
        STFT(spectrum)


def test_a_length_that_the_frames_are_not_of_is_refused() -> None:
    stft = STFT(Spectrum(64, 16))
    with pytest.raises(TransformError, match="near 144"):
        stft.inverse(stft(noise(150)), 160)
