"""Mel spectra as generators see them: one scale, undone exactly, and the same in any cut."""

import numpy as np
import torch

from export.streaming.layer_base import reset_caches, whole_signals
from models.dsp.log_mel import LogMel, LogMelAnalysis

SCALE = LogMel()


def test_levels_between_floor_and_ceiling_round_trip() -> None:
    power = torch.logspace(-4.9, 3.9, 50, dtype=torch.float64)
    scaled = SCALE.of_power(power)
    assert float(scaled.min()) > -1
    assert float(scaled.max()) < 1
    torch.testing.assert_close(torch.exp(SCALE.to_log_power(scaled)), power, rtol=1e-6, atol=0)


def test_levels_outside_the_range_are_clipped() -> None:
    assert SCALE.of_power(torch.tensor([0.0, 1e9])).tolist() == [-1, 1]


def test_any_cut_of_the_sound_gives_the_same_encoding() -> None:
    analysis = LogMelAnalysis(SCALE).eval()
    sound = 0.1 * torch.randn(1, 1, 40 * SCALE.hop, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        with whole_signals(analysis):
            once = analysis(sound)
        reset_caches(analysis)
        parts = torch.cat(
            [analysis(part) for part in sound.split([SCALE.hop * n for n in (1, 7, 30, 2)], dim=2)], dim=2
        )
    torch.testing.assert_close(parts, once, atol=1e-5, rtol=0)


def test_a_tone_has_its_energy_in_the_band_that_contains_it() -> None:
    analysis = LogMelAnalysis(SCALE).eval()
    time = torch.arange(60 * SCALE.hop) / SCALE.sample_rate
    with torch.no_grad(), whole_signals(analysis):
        seen = analysis(torch.sin(2 * torch.pi * 1000 * time)[None, None])[0, :, 30]
    band = int(seen.argmax())
    bins = np.flatnonzero(analysis.weights[band].numpy())
    assert bins.min() * SCALE.sample_rate / SCALE.n_fft < 1000 < bins.max() * SCALE.sample_rate / SCALE.n_fft
