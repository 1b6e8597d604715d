import numpy as np
import pytest
import torch

from export.format.card import Spectrum, Window
from models.dsp.transforms.pghi import pghi, phase_gradients
from models.dsp.transforms.stft import STFT
from realtime.dsp.rtpghi import WINDOWS
from tests.models.dsp.transforms.sounds import RATE, SPECTRUM, music, spectral_convergence_db, tones

STFT_ = STFT(SPECTRUM)


def test_the_phase_gradients_give_the_frequency_and_delay_of_a_chirp() -> None:
    time = np.arange(RATE) / RATE
    frequency = 2000 + 12_000 * time
    chirp = torch.from_numpy(np.sin(2 * np.pi * (2000 * time + 6000 * time**2)))
    magnitudes = STFT_(chirp).abs().numpy()
    over_time, over_frequency = phase_gradients(magnitudes, SPECTRUM)
    for n in range(20, 70, 7):
        m = int(magnitudes[:, n].argmax())
        hz = over_time[m, n] / (2 * np.pi) * RATE / SPECTRUM.hop
        assert hz == pytest.approx(frequency[n * SPECTRUM.hop], abs=12)  # half a bin
        for k in (m - 3, m + 3):  # the chirp crosses a bin when its frequency is that bin's
            late = (k * RATE / SPECTRUM.n_fft - frequency[n * SPECTRUM.hop]) / 12_000 * RATE  # samples after the frame
            delay = -(over_frequency[k, n] + np.pi) * SPECTRUM.n_fft / (2 * np.pi)
            assert delay == pytest.approx(late, abs=60)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_steady_sine_has_its_own_frequency_everywhere_in_its_lobe(window: Window) -> None:
    spectrum = Spectrum(2048, 256, window)
    sine = torch.sin(2 * torch.pi * 1003 * torch.arange(RATE, dtype=torch.float64) / RATE)
    magnitudes = STFT(spectrum)(sine).abs().numpy()
    over_time, over_frequency = phase_gradients(magnitudes, spectrum)
    m = int(magnitudes[:, 90].argmax())
    hz = over_time[m - 1 : m + 2, 90] / (2 * np.pi) * RATE / spectrum.hop
    np.testing.assert_allclose(hz, 1003, atol=16)  # of the 23 to the next bin, because no window here is a Gaussian
    assert hz[1] == pytest.approx(1003, abs=1)
    np.testing.assert_allclose(over_frequency[m - 1 : m + 2, 90], -np.pi, atol=5e-3)


def test_an_impulse_has_its_own_time() -> None:
    click = torch.zeros(RATE, dtype=torch.float64)
    click[50 * SPECTRUM.hop + 100] = 1
    _, over_frequency = phase_gradients(STFT_(click).abs().numpy(), SPECTRUM)
    late = -(over_frequency[:, 50] + np.pi) * SPECTRUM.n_fft / (2 * np.pi)
    np.testing.assert_allclose(late, 100, atol=30)


@pytest.mark.parametrize("sound", [tones(), music("strings"), music("jazz")])
def test_it_finds_phases_that_fit_better_than_rounds_of_griffin_lim_from_none(sound: torch.Tensor) -> None:
    magnitudes = STFT_(sound).abs()
    made = STFT_.inverse(pghi(magnitudes, SPECTRUM), len(sound))
    assert spectral_convergence_db(made, magnitudes, STFT_) < -15


def test_the_magnitudes_stay_and_the_seed_alone_decides_what_is_random() -> None:
    magnitudes = STFT_(music()).abs()
    magnitudes[:, 100:] = 0
    first, again, other = (pghi(magnitudes, SPECTRUM, seed=seed) for seed in (3, 3, 4))
    torch.testing.assert_close(first.abs(), magnitudes)
    torch.testing.assert_close(first, again, atol=0, rtol=0)
    loud = magnitudes > 1e-5 * magnitudes.max()
    torch.testing.assert_close(first[loud], other[loud], atol=0, rtol=0)
    assert not first[:, 100:].abs().any()


def test_onsets_with_silence_between_each_find_their_phases() -> None:
    sound = torch.zeros(RATE)
    sound[10_000:20_000] = tones()[:10_000]
    sound[30_000:40_000] = tones()[:10_000]
    magnitudes = STFT_(sound).abs()
    magnitudes[:, 45:55] = 0
    made = STFT_.inverse(pghi(magnitudes, SPECTRUM), RATE)
    assert spectral_convergence_db(made[28_500:], STFT_(sound[28_500:]).abs(), STFT_) < -15


def test_non_finite_magnitudes_count_as_silence() -> None:
    magnitudes = STFT_(music(seconds=0.5)).abs()
    magnitudes[3, 3], magnitudes[4, 4] = float("nan"), float("inf")
    phases = pghi(magnitudes, SPECTRUM)
    magnitudes[3, 3], magnitudes[4, 4] = 0, 0
    expected = pghi(magnitudes, SPECTRUM)
    there = magnitudes > 0
    torch.testing.assert_close(phases[there], expected[there], atol=0, rtol=0)


def test_a_batch_is_its_spectra_one_by_one() -> None:
    magnitudes = STFT_(torch.stack([music(seconds=0.3), tones(0.3)])).abs()
    torch.testing.assert_close(pghi(magnitudes, SPECTRUM)[1], pghi(magnitudes[1], SPECTRUM), atol=0, rtol=0)
