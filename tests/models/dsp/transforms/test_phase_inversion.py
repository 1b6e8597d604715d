import pytest
import torch

from export.format.card import Spectrum
from models.dsp.transforms.frequency_scales import octaves
from models.dsp.transforms.mel import Mel
from models.dsp.transforms.nsgt import NSGT
from models.dsp.transforms.phase_inversion import METHODS, QUALITIES, Quality, invert
from models.dsp.transforms.stft import STFT
from models.dsp.transforms.transform_base import Transform, TransformError
from realtime.dsp.rtpghi import invert as invert_live
from tests.models.dsp.transforms.sounds import RATE, SPECTRUM, music, spectral_convergence_db

STFT_, MEL, NSGT_ = STFT(SPECTRUM), Mel(RATE, SPECTRUM), NSGT(octaves(220, 20_000, 6), RATE)
AUDIO = music(seconds=1.0)
MAGNITUDES = STFT_(AUDIO).abs()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_the_timing_of_the_sound(method: str) -> None:
    made = invert(MAGNITUDES, STFT_, method=method, length=len(AUDIO))
    assert made.shape == AUDIO.shape
    assert spectral_convergence_db(made, MAGNITUDES, STFT_) < -10


def test_the_better_the_quality_the_closer_it_comes() -> None:
    errors = [
        spectral_convergence_db(invert(MAGNITUDES, SPECTRUM, quality=quality, length=len(AUDIO)), MAGNITUDES, STFT_)
        for quality in QUALITIES
    ]
    assert errors[0] > errors[1] > errors[2]


def test_live_equals_the_output_of_the_stage() -> None:
    made = invert(MAGNITUDES, SPECTRUM, quality="live", length=len(AUDIO))
    expected = invert_live(MAGNITUDES.numpy(), 2048, 512, lookahead=1, length=len(AUDIO))
    torch.testing.assert_close(made, torch.from_numpy(expected), atol=0, rtol=0)


def test_a_models_logarithms_are_magnitudes() -> None:
    logs = torch.log(MAGNITUDES.clamp(min=1e-9))
    made = invert(logs, Spectrum(2048, 512, scale="log"), quality="live", length=len(AUDIO))
    assert spectral_convergence_db(made, MAGNITUDES, STFT_) < -15


@pytest.mark.parametrize("quality", QUALITIES)
def test_mel_bands_are_inverted_at_every_quality(quality: Quality) -> None:
    bands = MEL(AUDIO)
    made = invert(bands, MEL, quality=quality, length=len(AUDIO))
    audible = bands > 1e-5 * bands.max()
    off_db = 10 * (torch.log10(MEL(made)[audible].clamp(min=1e-20)) - torch.log10(bands[audible])).abs().mean()
    assert made.shape == AUDIO.shape
    assert off_db < 4


@pytest.mark.parametrize("of", [STFT_, MEL, NSGT_])
def test_a_batch_keeps_its_shape_through_any_transform(of: Transform) -> None:
    values = of(torch.stack([AUDIO[:9000], AUDIO[9000:18_000]])[None])
    values = values.abs() if values.is_complex() else values
    made = invert(values, of, length=9000)
    assert made.shape == (1, 2, 9000)
    assert torch.isfinite(made).all()


@pytest.mark.parametrize("quality", ["live", "good"])
@pytest.mark.parametrize("of", [STFT_, MEL])
def test_silence_stays_silent(of: STFT | Mel, quality: Quality) -> None:
    bands = 1025 if of is STFT_ else 128
    assert invert(torch.zeros(bands, 8), of, quality=quality).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        (lambda: invert(MAGNITUDES, STFT_, quality="great"), "live, good, best"),  # type: ignore[arg-type]
        (lambda: invert(MAGNITUDES, STFT_, method="magic"), "griffin_lim"),
        (lambda: invert(MAGNITUDES[:-1], STFT_), "1025"),
        (lambda: invert(STFT_(AUDIO), STFT_), "real"),
        (lambda: invert(MAGNITUDES, STFT_, length=1), "leave it out"),
        (lambda: invert(MAGNITUDES, STFT_, quality="live", length=1), "leave it out"),
        (lambda: invert(MEL(AUDIO), MEL, method="pghi"), "quality"),
        (lambda: invert(MAGNITUDES, MEL), "128"),
        (lambda: invert(NSGT_(AUDIO).abs(), NSGT_, quality="live"), "good or best"),
    ],
)
def test_errors_name_the_allowed_values(wrong: type, remedy: str) -> None:
    with pytest.raises(TransformError, match=remedy):
        wrong()
