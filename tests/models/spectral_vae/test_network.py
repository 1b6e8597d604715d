import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.dsp import log_magnitude
from models.spectral_vae import network as spectral
from models.spectral_vae.network import SpectralVae, VaeConfig
from realtime.dsp.rtpghi import stft_magnitudes

SMALL = VaeConfig(latent=4, encoder_hidden=32, hidden=32, harmonics=16, bands=16)


def sine_spectrum(hz: float, seconds: float = 0.1) -> Tensor:
    """Log-magnitudes of the middle frame of a sine, [bins]."""
    audio = np.sin(2 * np.pi * hz * np.arange(int(48_000 * seconds)) / 48_000).astype(np.float32)
    frames = stft_magnitudes(audio, 2048, 256)
    return torch.from_numpy(np.log(np.maximum(frames[:, frames.shape[1] // 2], 1e-4)))


def peak_bin(shape: Tensor) -> float:
    """Where the highest peak lies, in bins, by the exact three-point formula of the Hann window."""
    top = int(shape.argmax())
    left, middle, right = shape[top - 1 : top + 2].exp().tolist()
    return top + 2 * (right - left) / (left + 2 * middle + right)


@settings(max_examples=30, deadline=None)
@given(hz=st.floats(300, 8_000), semitones=st.floats(-1.2, 1.2))
def test_warping_moves_a_sine_to_where_it_should_be(hz: float, semitones: float) -> None:
    warped = log_magnitude.warp(sine_spectrum(hz)[None], torch.tensor([semitones]))[0]
    wanted = hz * 2 ** (semitones / 12) * 2048 / 48_000
    assert abs(peak_bin(warped) - wanted) < 0.2
    assert abs(float(warped.max()) - float(sine_spectrum(wanted * 48_000 / 2048).max())) < 0.09  # 0.8 dB


def test_warping_by_nothing_changes_nothing() -> None:
    shape = sine_spectrum(440.0)[None]
    assert torch.allclose(log_magnitude.warp(shape, torch.zeros(1)), shape, atol=1e-3)


def test_the_lobe_is_that_of_the_window() -> None:
    lobe = spectral.hann_lobe(torch.tensor([0.0, 1.0, -1.0, 2.0, 5.0]))
    assert lobe.tolist() == pytest.approx([1, 0.5, 0.5, 0, 0], abs=1e-6)
    hz = 1_003.0
    around = torch.arange(41, 45)  # the bins within two of it
    measured = sine_spectrum(hz)[around].exp() / 512
    assert torch.allclose(spectral.hann_lobe(around - hz * 2048 / 48_000), measured, atol=1e-3)


def test_unit_energy_is_that_of_a_sound_with_an_rms_of_one() -> None:
    noise = np.random.default_rng(0).standard_normal(480_000).astype(np.float32)
    frames = torch.from_numpy(stft_magnitudes(noise, 2048, 256)).T.log()  # [frames, bins]
    shape = log_magnitude.unit_energy(frames)
    assert torch.allclose(log_magnitude.half_energy(shape), torch.ones(len(shape), 1), atol=1e-4)
    gain = torch.exp(frames[:, 0] - shape[:, 0])
    assert float(gain[8:-8].square().mean().sqrt()) == pytest.approx(log_magnitude.unit_gain(2048), rel=0.01)


@pytest.mark.parametrize("note", [45.0, 57.3, 69.0, 88.0])
def test_partials_lie_at_multiples_of_the_pitch(note: float) -> None:
    decoder = SpectralVae(SMALL).decoder
    silent, none = torch.full((1, SMALL.bins), -20.0), torch.zeros(1, 1)
    lower, upper = decoder.partials(torch.tensor([note]), torch.zeros(1, SMALL.harmonics), silent, none)
    power = (lower + upper)[0]
    f0 = 440 * 2 ** ((note - 69) / 12) * 2048 / 48_000
    peaks = [b for b in range(3, 1000) if power[b] > max(power[b - 1], power[b + 1]) and power[b] > 0.3]
    numbers = [b / f0 for b in peaks]
    assert [round(n) for n in numbers] == list(range(1, len(numbers) + 1))
    assert all(abs(b - round(b / f0) * f0) <= 0.51 for b in peaks)


def test_a_stretch_moves_high_partials_up() -> None:
    decoder = SpectralVae(SMALL).decoder
    silent, flat = torch.full((1, SMALL.bins), -20.0), torch.zeros(1, SMALL.harmonics)
    stretch, f0 = 4e-4, 440 * 2048 / 48_000
    lower, upper = decoder.partials(torch.tensor([69.0]), flat, silent, torch.tensor([[stretch]]))
    power = (lower + upper)[0]
    place = 10 * f0 * math.sqrt(1 + stretch * 100)
    around = int(10 * f0) - 8
    assert abs(around + int(power[around : around + 17].argmax()) - place) <= 0.51


def test_the_decoder_gives_unit_energy_and_stays_finite_far_out() -> None:
    torch.manual_seed(0)
    decoder = SpectralVae(SMALL).decoder
    latent = 30 * torch.randn(50, SMALL.latent)
    pitch, loudness = torch.linspace(0, 127, 50), torch.linspace(-100, 0, 50)
    shape = decoder(latent, pitch, loudness)
    assert torch.isfinite(shape).all()
    assert torch.allclose(log_magnitude.half_energy(shape), torch.ones(50, 1), atol=1e-4)


def test_every_parameter_is_trained() -> None:
    torch.manual_seed(0)
    model = SpectralVae(SMALL)
    shape = log_magnitude.unit_energy(torch.randn(8, SMALL.bins))
    made, mean, log_variance = model(shape, torch.full((8,), 60.0), torch.full((8,), -20.0), torch.randn(8, 4))
    ((made - shape).abs().mean() + mean.square().mean() + log_variance.square().mean()).backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in model.parameters())


def test_the_default_fits_the_file_size() -> None:
    assert SpectralVae(VaeConfig()).parameter_count() < 1_900_000
