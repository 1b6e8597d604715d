"""Streaming synthesis has the requested levels and pitches, in any chunks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.dsp.pitch import refine
from models.harmonics.analysis import HARMONICS
from models.harmonics.noise_bands import BANDS
from models.harmonics.synth import Synth, render

RATE, HOP = 48_000, 128


def wandering(frames: int, voices: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    f0 = 100 + 400 * torch.rand(voices, frames, 1, generator=random)
    hz = f0 * torch.arange(1, HARMONICS + 1)
    amplitude = 0.02 * torch.rand(voices, frames, HARMONICS, generator=random) * (hz < 20_000)
    return hz, amplitude, 0.05 * torch.rand(frames, BANDS, generator=random)


@settings(max_examples=10, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=6), voices=st.sampled_from([1, 3]), seed=st.integers(0, 99)
)
def test_any_division_into_chunks_gives_the_same_sound(cuts: list[int], voices: int, seed: int) -> None:
    synth = Synth(RATE, HOP, voices)
    hz, amplitude, noise = wandering(sum(cuts), voices, seed)
    whole, end = synth(hz, amplitude, noise, synth.rest())
    state, parts, begin = synth.rest(), [], 0
    for size in cuts:
        at = slice(begin, begin + size)
        part, state = synth(hz[:, at], amplitude[:, at], noise[at], state)
        parts.append(part)
        begin += size
    assert (torch.cat(parts) - whole).abs().max() <= 1e-5
    for a, b in zip(state.tensors, end.tensors, strict=True):
        assert (a - b).abs().max() <= 1e-5


def steady(note_hz: float, amplitude: float, noise: float, frames: int = 400) -> np.ndarray:
    hz = note_hz * torch.arange(1, HARMONICS + 1).expand(frames, HARMONICS).float()
    levels = torch.zeros(frames, HARMONICS)
    levels[:, 0] = amplitude
    return render(Synth(RATE, HOP), hz, levels, torch.full((frames, BANDS), noise)).numpy()[4 * HOP :]


def test_an_oscillator_has_the_requested_level_and_pitch() -> None:
    audio = steady(440.0, 0.5, 0.0)
    assert np.sqrt(np.mean(audio**2)) == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)
    assert refine(audio, RATE, 69.0, 256)[20:-20] == pytest.approx(69.0, abs=0.005)


def test_noise_has_the_requested_level_and_does_not_repeat() -> None:
    audio = steady(440.0, 0.0, 0.1, frames=800)
    assert np.sqrt(np.mean(audio**2)) == pytest.approx(0.1, rel=0.1)
    part, rest = audio[:2048], audio[4096:]
    alike = np.correlate(rest, part, "valid") / (np.sqrt(np.mean(part**2)) * np.sqrt(np.mean(rest**2)) * len(part))
    assert np.abs(alike).max() < 0.5


def test_a_glide_makes_no_click() -> None:
    frames = 200
    f0 = torch.linspace(200.0, 800.0, frames)[:, None]
    hz = f0 * torch.arange(1, HARMONICS + 1)
    levels = torch.zeros(frames, HARMONICS)
    levels[:, 0] = 0.5
    audio = render(Synth(RATE, HOP), hz, levels, torch.zeros(frames, BANDS)).numpy()[2 * HOP :]
    steepest = 0.5 * 2 * np.pi * 800 / RATE
    assert np.abs(np.diff(audio)).max() < 1.02 * steepest


def test_silence_is_silent() -> None:
    assert np.abs(steady(440.0, 0.0, 0.0)).max() == 0.0
