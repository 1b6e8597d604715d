import librosa
import numpy as np
import pytest
import torch

from export.errors import ContractError
from export.format.card import Spectrum
from export.format.mel_scale import mel_weights
from models.dsp.transforms.mel import Mel
from tests.models.dsp.transforms.sounds import RATE, SPECTRUM, music


@pytest.mark.parametrize(("rate", "bands"), [(48_000, 128), (22_050, 80)])
@pytest.mark.parametrize("htk", [False, True])
@pytest.mark.parametrize(("low_hz", "high_hz"), [(0.0, None), (40.0, 8000.0)])
def test_mel_filters_are_librosas(rate: int, bands: int, htk: bool, low_hz: float, high_hz: float | None) -> None:
    ours = mel_weights(rate, 2048, bands, low_hz=low_hz, high_hz=high_hz, htk=htk)
    theirs = librosa.filters.mel(sr=rate, n_fft=2048, n_mels=bands, fmin=low_hz, fmax=high_hz, htk=htk)
    assert np.abs(ours - theirs).max() < 1e-7


def test_the_mel_spectrum_is_librosas() -> None:
    audio = music()
    expected = librosa.feature.melspectrogram(
        y=audio.numpy(), sr=RATE, n_fft=2048, hop_length=512, n_mels=64, pad_mode="constant"
    )
    np.testing.assert_allclose(Mel(RATE, SPECTRUM, 64)(audio).numpy(), expected, rtol=1e-3, atol=1e-5)


def test_a_batch_has_gradients() -> None:
    mel = Mel(8000, Spectrum(32, 8), 6).double()
    audio = torch.randn(2, 60, dtype=torch.float64, requires_grad=True)
    assert mel(audio).shape == (2, 6, mel.frames_of(60))
    assert torch.autograd.gradcheck(mel, audio)


def test_the_inverse_has_nearly_the_same_bands() -> None:
    mel = Mel(RATE, SPECTRUM)
    audio = music()
    bands = mel(audio)
    made = mel.inverse(bands, len(audio))
    assert made.shape == audio.shape
    audible = bands > 1e-6 * bands.max()
    off_db = 10 * (torch.log10(mel(made)[audible]) - torch.log10(bands[audible])).abs()
    assert off_db.mean() < 2


@pytest.mark.parametrize("wrong", [{"bands": 0}, {"low_hz": 500.0, "high_hz": 400.0}, {"high_hz": 30_000.0}])
def test_bands_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ContractError, match="24000"):
        mel_weights(RATE, 2048, **{"bands": 20, **wrong})  # type: ignore[arg-type]
