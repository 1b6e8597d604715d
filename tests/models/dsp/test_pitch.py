import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.dsp import pitch

RATE, HOP = 48_000, 256


def harmonics(hz: float, *, stretch: float = 0.0, seconds: float = 0.5, drift: float = 0.0) -> np.ndarray:
    """A tone with partials at k f0 sqrt(1 + B k²), falling as 1 / k; `drift` in semitones a second."""
    time = np.arange(int(seconds * RATE)) / RATE
    cycles = hz * (time if drift == 0 else 12 / (drift * np.log(2)) * (2 ** (drift * time / 12) - 1))
    numbers = [k for k in range(1, 60) if k * hz * np.sqrt(1 + stretch * k**2) < 20_000]
    parts = [np.sin(2 * np.pi * cycles * k * np.sqrt(1 + stretch * k**2) + k) / k for k in numbers]
    return np.asarray(0.1 * np.sum(parts, axis=0), np.float32)


@settings(max_examples=25, deadline=None)
@given(note=st.floats(34, 96), error=st.floats(-0.4, 0.4))
def test_a_steady_tone_is_refined_within_a_cent(note: float, error: float) -> None:
    audio = harmonics(float(pitch.note_to_hz(note)))
    found = pitch.refine(audio, RATE, note + error, HOP)
    assert 100 * np.abs(found[10:-10] - note).max() < 1


def test_a_glide_is_followed() -> None:
    audio = harmonics(440.0, drift=0.5, seconds=1.0)
    found = pitch.refine(audio, RATE, 69.25, HOP)
    wanted = 69 + 0.5 * np.arange(len(found)) * HOP / RATE
    assert 100 * np.abs(found - wanted)[10:-10].max() < 1


def test_the_pitch_of_a_stiff_string_is_found_despite_its_inharmonicity() -> None:
    audio = harmonics(110.0, stretch=4e-4)
    found = pitch.refine(audio, RATE, 45.1, HOP)
    assert 100 * np.abs(np.median(found) - 45) < 2


@pytest.mark.parametrize("hz", [58.0, 110.0, 261.6, 440.0, 1760.0])
def test_an_unknown_pitch_is_found(hz: float) -> None:
    found = pitch.estimate(harmonics(hz), RATE, HOP)
    assert 100 * np.abs(found[10:-10] - pitch.hz_to_note(hz)).max() < 10


def test_silence_takes_the_pitch_of_its_neighbours() -> None:
    audio = np.concatenate([np.zeros(12_000, np.float32), harmonics(220.0), np.zeros(12_000, np.float32)])
    found = pitch.estimate(audio, RATE, HOP)
    assert 100 * np.abs(found - 57).max() < 20


@pytest.mark.parametrize("audio", [np.zeros(9_600, np.float32), np.zeros(10, np.float32)])
def test_silence_alone_gets_the_middle_of_the_range(audio: np.ndarray) -> None:
    found = pitch.estimate(audio, RATE, HOP, lowest_hz=100, highest_hz=400)
    assert found == pytest.approx(np.full(1 + len(audio) // HOP, pitch.hz_to_note(200.0)))


def test_noise_gets_a_finite_pitch() -> None:
    audio = np.random.default_rng(0).standard_normal(24_000).astype(np.float32)
    prior = pitch.estimate(audio, RATE, HOP)
    assert np.isfinite(prior).all()
    assert np.isfinite(pitch.refine(audio, RATE, prior, HOP)).all()


@pytest.mark.parametrize("note", [40.0, 57.3, 81.0])
@pytest.mark.parametrize("rate", [22_050, 48_000])
def test_a_sound_that_holds_a_note_is_labelled_with_its_pitch(note: float, rate: int) -> None:
    time = np.arange(rate) / rate
    hz = float(pitch.note_to_hz(note))
    sound = np.exp(-2 * time) * sum(np.sin(2 * np.pi * k * hz * time) / k for k in range(1, 6))
    silence = np.zeros(rate // 2)
    assert pitch.steady_note(np.concatenate([silence, sound, silence]), rate) == pytest.approx(note, abs=0.1)


def test_a_glide_noise_and_silence_hold_no_note() -> None:
    time = np.arange(48_000) / 48_000
    glide = np.sin(2 * np.pi * 200 * (2**time - 1) / np.log(2))
    noise = np.random.default_rng(0).standard_normal(48_000)
    for sound in (glide, noise, np.zeros(48_000)):
        assert pitch.steady_note(sound, 48_000) is None
