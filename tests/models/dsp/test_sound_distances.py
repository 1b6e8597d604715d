import librosa
import numpy as np
import pytest

from export.format.mel_scale import mel_weights
from models.dsp import sound_distances
from realtime.dsp.rtpghi import invert, stft_magnitudes

RATE = 48_000
TIME = np.arange(RATE) / RATE


def tone(hz: float) -> np.ndarray:
    fade = np.minimum(1, np.minimum(TIME, 1 - TIME) * 20)
    return np.asarray(fade * sum(0.2 / k * np.sin(2 * np.pi * hz * k * TIME) for k in range(1, 12)), np.float32)


@pytest.mark.parametrize(("rate", "bands"), [(48_000, 128), (22_050, 80)])
def test_mel_filters_are_librosas(rate: int, bands: int) -> None:
    assert np.abs(mel_weights(rate, 2048, bands) - librosa.filters.mel(sr=rate, n_fft=2048, n_mels=bands)).max() < 1e-7


def test_log_mel_difference_is_librosas() -> None:
    one, two = tone(220), tone(233)
    spectra = [
        librosa.feature.melspectrogram(y=x, sr=RATE, n_fft=2048, hop_length=512, pad_mode="constant")
        for x in (one, two)
    ]
    peak = spectra[0].max()
    wanted, made = (np.maximum(10 * np.log10(np.maximum(s, 1e-20) / peak), -80) for s in spectra)
    level = 10 * np.log10(spectra[0].sum(axis=0))
    expected = np.abs(wanted - made)[:, level > level.max() - 60].mean()
    assert sound_distances.log_mel_difference_db(one, two, RATE) == pytest.approx(expected, rel=1e-3)


def test_the_same_sound_is_no_distance_away() -> None:
    one = tone(220)
    assert sound_distances.log_mel_difference_db(one, one, RATE) == 0
    assert sound_distances.spectral_convergence_db(one, one) < -100
    assert sound_distances.pitch_errors_cents(one, one, RATE, 57.0).max() == 0


def test_silence_is_0_db_away_in_convergence() -> None:
    assert sound_distances.spectral_convergence_db(tone(220), np.zeros(RATE)) == pytest.approx(0, abs=1e-6)


def test_a_gain_shows_as_itself() -> None:
    one = tone(220) + 0.01 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert sound_distances.log_mel_difference_db(one, one / 2, RATE) == pytest.approx(6.02, abs=0.1)
    assert sound_distances.spectral_convergence_db(one, one / 2) == pytest.approx(-6.02, abs=0.01)


@pytest.mark.parametrize("cents", [5.0, 30.0])
def test_a_detuning_shows_in_cents(cents: float) -> None:
    errors = sound_distances.pitch_errors_cents(tone(220), tone(220 * 2 ** (cents / 1200)), RATE, 57.0)
    assert np.median(errors) == pytest.approx(cents, abs=0.3)


def test_true_magnitudes_inverted_come_close() -> None:
    one = tone(220)
    made = invert(stft_magnitudes(one, 2048, 256), 2048, 256, length=len(one))
    assert sound_distances.spectral_convergence_db(one, made) < -20
    assert np.median(sound_distances.pitch_errors_cents(one, made, RATE, 57.0)) < 1


def test_the_distance_over_several_resolutions_is_0_for_the_same_and_grows_with_noise() -> None:
    one = tone(220)
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    apart = [sound_distances.multi_resolution(one, one + level * noise) for level in (0.0, 1e-3, 1e-2, 1e-1)]
    assert apart[0] == 0
    assert apart == sorted(apart)
    assert sound_distances.multi_resolution(noise, noise / 2) == pytest.approx(0.5 + np.log(2), abs=0.01)


def test_pre_echo_is_measured_outside_temporal_masking() -> None:
    original = np.concatenate([np.zeros(4_800), tone(220)[4_800:]])
    loudest = np.sqrt(np.mean(original[10_000:30_000] ** 2))
    near, nearer = original.copy(), original.copy()
    near[4_800 - 1_680 : 4_800 - 240] = nearer[4_800 - 200 : 4_800] = 0.03 * loudest
    assert sound_distances.pre_onset_db(original, near, RATE) == pytest.approx(-31.7, abs=0.5)  # 30 dB, for 30 ms of 40
    found = sound_distances.pre_onset_db(original, nearer, RATE)
    assert found is not None
    assert found < -100
    assert sound_distances.pre_onset_db(tone(220)[4_800:], tone(220)[4_800:], RATE) is None


def test_buzz_measures_modulation_at_the_frame_rate() -> None:
    noise = np.random.default_rng(0).standard_normal(20 * RATE)
    assert sound_distances.buzz_db(noise) < 0.3
    swell = np.sqrt(1 + 0.5 * np.cos(2 * np.pi * np.arange(len(noise)) / 512))
    assert sound_distances.buzz_db(noise * swell) == pytest.approx(10 * np.log10(1.5 / 0.5), abs=0.3)
    assert sound_distances.buzz_db(noise * swell, 500) < 0.3, "it goes with other frames"
