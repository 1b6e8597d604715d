import numpy as np
import pytest
import torch

from models.dsp.transforms.rtisi import LookaheadInverter, rtisi_la
from models.dsp.transforms.stft import STFT
from realtime.dsp.rtpghi import invert
from tests.models.dsp.transforms.sounds import SPECTRUM, music, spectral_convergence_db

STFT_ = STFT(SPECTRUM)


@pytest.mark.parametrize("piece", ["piano", "jazz"])
def test_it_comes_closer_than_the_phase_gradient_live(piece: str) -> None:
    audio = music(piece)
    magnitudes = STFT_(audio).abs()
    made = rtisi_la(magnitudes, STFT_, length=len(audio))
    live = torch.from_numpy(invert(magnitudes.numpy(), 2048, 512, lookahead=1, length=len(audio)))
    ours, theirs = (spectral_convergence_db(x, magnitudes, STFT_) for x in (made, live))
    assert ours < theirs


def test_looking_ahead_helps() -> None:
    audio = music()
    magnitudes = STFT_(audio).abs()
    blind, ahead = (
        spectral_convergence_db(rtisi_la(magnitudes, STFT_, lookahead=k, length=len(audio)), magnitudes, STFT_)
        for k in (0, 3)
    )
    assert ahead < blind - 2


def test_a_frame_depends_only_on_frames_within_its_lookahead() -> None:
    magnitudes = STFT_(music()).abs().numpy()
    changed = magnitudes.copy()
    changed[:, 60:] = 0
    first, second = (LookaheadInverter(SPECTRUM, lookahead=2) for _ in range(2))
    for n in range(60):
        np.testing.assert_array_equal(first.push(magnitudes[:, n]), second.push(changed[:, n]))
    assert (first.push(magnitudes[:, 60]) != second.push(changed[:, 60])).any()


def test_silence_stays_exactly_silent() -> None:
    assert not rtisi_la(torch.zeros(1025, 10), STFT_).any()


def test_a_batch_is_its_spectra_one_by_one() -> None:
    magnitudes = STFT_(torch.stack([music(seconds=0.3), music("jazz", 0.3)])).abs()
    made = rtisi_la(magnitudes, STFT_)
    torch.testing.assert_close(made[1], rtisi_la(magnitudes[1], STFT_), atol=1e-6, rtol=0)
