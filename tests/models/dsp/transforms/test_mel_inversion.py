"""Mel bands inverted to sound: methods, their accuracy and noise."""

import numpy as np
import pytest
import scipy.optimize
import torch

from models.dsp.sound_distances import buzz_db
from models.dsp.transforms.mel import Mel
from models.dsp.transforms.mel_inversion import even, fill, mel_to_audio, nnls
from tests.models.dsp.transforms.sounds import RATE, SPECTRUM, music

MEL = Mel(RATE, SPECTRUM)


def off_db(bands: torch.Tensor, wanted: torch.Tensor) -> float:
    """Mean |Δ| in dB of what is within 60 dB of the loudest band."""
    audible = wanted > 1e-6 * wanted.max()
    return float(10 * (torch.log10(bands[audible].clamp(min=1e-20)) - torch.log10(wanted[audible])).abs().mean())


@pytest.mark.parametrize("seed", range(4))
def test_least_squares_are_those_of_scipy_for_all_frames_at_once(seed: int) -> None:
    random = np.random.default_rng(seed)
    weights, values = random.random((8, 12)), random.normal(1, 2, (8, 5))
    found = nnls(torch.from_numpy(values), torch.from_numpy(weights), rounds=3000)
    assert (found >= 0).all()
    for n in range(5):
        _, least = scipy.optimize.nnls(weights, values[:, n])
        left = np.linalg.norm(weights @ found[:, n].numpy() - values[:, n])
        assert left == pytest.approx(least, abs=1e-4)


def test_a_spectrum_is_filled_until_its_bands_are_right() -> None:
    bands = MEL(music())
    errors = [off_db(MEL.of_power(fill(bands, MEL.weights, rounds=rounds)), bands) for rounds in (0, 5, 50)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.2


def test_bands_that_already_match_keep_their_initial_spectrum() -> None:
    power = MEL.stft(music()).abs() ** 2
    power[~(MEL.weights.sum(dim=0) > 0)] = 0  # bins outside all bands are zero
    torch.testing.assert_close(
        fill(MEL.of_power(power), MEL.weights, start=power, rounds=3), power, rtol=1e-3, atol=1e-9
    )


def test_noise_is_even() -> None:
    bands = MEL.weights.sum(dim=1, keepdim=True)
    inside = MEL.weights.sum(dim=0) > 0
    torch.testing.assert_close(even(bands, MEL.weights)[inside], torch.ones(int(inside.sum()), 1))


@pytest.mark.parametrize("piece", ["piano", "jazz"])
def test_a_sound_is_found_whose_bands_are_nearly_the_wanted_ones(piece: str) -> None:
    audio = music(piece)
    bands = MEL(audio)
    few, many = (off_db(MEL(mel_to_audio(bands, MEL, len(audio), rounds=rounds)), bands) for rounds in (0, 32))
    assert many < 1.5
    assert many < 0.5 * few


def test_noise_does_not_buzz_at_the_rate_of_the_frames() -> None:
    noise = 0.1 * torch.randn(10 * RATE, generator=torch.Generator().manual_seed(0))
    assert buzz_db(mel_to_audio(MEL(noise), MEL).numpy()) < 1.0


def test_silence_stays_silent_and_a_batch_keeps_its_shape() -> None:
    made = mel_to_audio(torch.zeros(2, 128, 8), MEL)
    assert made.shape == (2, MEL.length_of(8))
    assert made.abs().max() < 1e-6
