"""Analysis finds the known components of synthetic sounds."""

from pathlib import Path

import numpy as np
import pytest

from models.data.manifest import Manifest
from models.dsp.pitch import note_to_hz
from models.harmonics import analysis
from models.harmonics.analysis import Analysis, Partials, analyse
from models.harmonics.noise_bands import BANDS, edges, noise_table, shares

RATE = 48_000


def tone(note: float, levels_db: list[float], *, stretch: float = 0.0, seconds: float = 0.6) -> np.ndarray:
    """Harmonics of these levels (of the RMS, dBFS) at a pitch."""
    n = np.arange(round(seconds * RATE)) / RATE
    f0 = float(note_to_hz(note))
    parts = [
        np.sqrt(2) * 10 ** (level / 20) * np.sin(2 * np.pi * f0 * k * np.sqrt(1 + stretch * k * k) * n + k * k)
        for k, level in enumerate(levels_db, 1)
    ]
    return np.sum(parts, axis=0).astype(np.float32)


def middle(found: Partials) -> slice:
    return slice(len(found.pitch) // 3, 2 * len(found.pitch) // 3)


@pytest.mark.parametrize("note", [45.0, 57.3, 76.0])
def test_levels_of_harmonics_are_measured(note: float) -> None:
    levels = [-20.0, -26.0, -40.0, -32.0, -50.0]
    found = analyse(tone(note, levels), Analysis(), note + 0.2)
    measured = 20 / np.log(10) * found.harmonics.astype(float)[middle(found), :5].mean(axis=0) - 10 * np.log10(2)
    assert measured == pytest.approx(levels, abs=0.5)
    assert found.pitch[middle(found)] == pytest.approx(note, abs=0.01)
    assert found.loudness[middle(found)].mean() == pytest.approx(
        10 * np.log10(np.sum(10 ** (np.array(levels) / 10))), abs=0.3
    )


def test_inharmonicity_is_measured() -> None:
    levels = list(-20.0 - 2 * np.arange(16))
    assert float(analyse(tone(57.0, levels, stretch=4e-4), Analysis(), 57.0).stretch) == pytest.approx(4e-4, rel=0.1)
    assert float(analyse(tone(57.0, levels), Analysis(), 57.0).stretch) < 2e-5


def test_level_of_noise_between_harmonics_is_measured() -> None:
    noise = 10 ** (-50 / 20) * np.random.default_rng(0).standard_normal(round(1.2 * RATE)).astype(np.float32)
    found = analyse(tone(60.0, [-20, -30, -30, -40], seconds=1.2) + noise, Analysis(), 60.0)
    levels = 20 / np.log(10) * found.noise.astype(float)[middle(found)].mean(axis=0)
    assert levels[14:] == pytest.approx(-50, abs=2)
    assert np.median(levels) == pytest.approx(-50, abs=1)


@pytest.mark.parametrize("note", [40.0, 69.0])  # the window of low notes is long
def test_silence_before_an_onset_stays_silent(note: float) -> None:
    sound = np.concatenate([np.zeros(RATE // 4, np.float32), tone(note, [-20, -30])])
    found = analyse(sound, Analysis(), note)
    begins = RATE // 4 // 256
    assert found.loudness[begins + 8] > -21
    assert found.loudness[: begins - 2].max() < found.loudness[begins + 8] - 60


def test_analyses_are_cached(small_orchestra: Manifest, tmp_path: Path) -> None:
    sounds = small_orchestra.sounds[:2]
    counted: list[tuple[int, int]] = []
    first = analysis.of_sounds(small_orchestra, sounds, Analysis(), tmp_path, on_sound=lambda *n: counted.append(n))
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = analysis.of_sounds(small_orchestra, sounds, Analysis(), tmp_path)
    assert counted == [(1, 2), (2, 2)]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept
    for a, b in zip(first, again, strict=True):
        for name in vars(a):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    next(iter(kept)).write_bytes(b"PK\x03\x04 cut short")
    analysis.of_sounds(small_orchestra, sounds, Analysis(), tmp_path)


def test_the_bands_add_up_to_white_noise() -> None:
    assert shares(RATE).sum() == pytest.approx(1)
    assert len(edges(RATE)) == BANDS + 1
    table = noise_table(RATE, 8192, 0).astype(float)
    assert table.sum(axis=1).std() == pytest.approx(1, abs=0.03)
    spectrum = np.abs(np.fft.rfft(table[:, 30])) ** 2
    inside = (np.fft.rfftfreq(8192, 1 / RATE) >= edges(RATE)[30]) & (np.fft.rfftfreq(8192, 1 / RATE) < edges(RATE)[31])
    assert spectrum[inside].sum() > 0.999 * spectrum.sum()
