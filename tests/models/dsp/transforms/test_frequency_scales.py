import librosa
import numpy as np
import pytest

from export.format.mel_scale import hz_to_mel, mel_to_hz
from models.dsp.transforms.frequency_scales import barks, constant_q, mels, octaves
from models.dsp.transforms.transform_base import TransformError

HZ = np.linspace(0, 24_000, 500)


@pytest.mark.parametrize("htk", [False, True])
def test_mels_are_librosas_and_back(htk: bool) -> None:
    np.testing.assert_allclose(hz_to_mel(HZ, htk=htk), librosa.hz_to_mel(HZ, htk=htk), rtol=1e-12)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(HZ, htk=htk), htk=htk), HZ, atol=1e-8)


def test_an_octave_has_the_bands_that_were_asked_for() -> None:
    edges = octaves(55, 14_080, 12)
    assert len(edges) == 2 + 8 * 12 + 1
    np.testing.assert_allclose(edges[1 + 12 :] / edges[1:-12], 2)
    assert edges[1] == pytest.approx(55)
    assert edges[-2] == pytest.approx(14_080)


@pytest.mark.parametrize("scale", [constant_q, mels, barks])
def test_a_scale_extends_one_step_beyond_its_first_and_last_band(scale: type) -> None:
    edges = scale(100, 16_000, 40)
    assert len(edges) == 42
    assert edges[1] == pytest.approx(100)
    assert edges[-2] == pytest.approx(16_000)
    assert (np.diff(edges) > 0).all()
    assert edges[0] >= 0


def test_constant_q_has_one_q() -> None:
    edges = constant_q(100, 16_000, 40)
    np.testing.assert_allclose(edges[1:] / edges[:-1], (16_000 / 100) ** (1 / 39))


@pytest.mark.parametrize(
    "wrong",
    [lambda: octaves(0, 100, 12), lambda: octaves(100, 50, 12), lambda: octaves(50, 100, 0), lambda: mels(50, 100, 1)],
)
def test_a_scale_without_bands_is_refused(wrong: type) -> None:
    with pytest.raises(TransformError, match=r"give (2|two|1|at least)"):
        wrong()
