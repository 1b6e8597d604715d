"""Synthesised single notes of four voices singing vowels: glottal source, vocal tract and breath.

The source has harmonics with a spectral slope that is steeper for soft notes. The tract has the resonances of the
vowel, higher for higher voices; its upper resonances are those of a uniform tube. Breath is noise filtered by the same
tract. For notes above the first resonance, that resonance is raised to the note, as singers do by opening the mouth.
As nothing is recorded, the sounds are free of third-party rights.

Source: Fant, "Acoustic Theory of Speech Production" (1960), for source and tract; Sundberg, "The Science of the Singing
Voice" (1987), for the singer's formant and for how sopranos tune the first one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from models.data import manifest
from models.data.manifest import Manifest, Sound, Source
from models.data.rendered import note_files
from models.data.rendered.note_files import HELD_SECONDS, NOTE_SECONDS
from models.files.errors import DataError

Floats = NDArray[np.float64]

LICENCE = "CC0 (synthesised by glitch-lab data voices)"


@dataclass(frozen=True)
class Voice:
    """The range of a voice as MIDI note numbers, and the scale of its resonances relative to a tenor's."""

    lowest: int
    highest: int
    shortness: float


VOICES = {
    "bass": Voice(38, 64, 0.93),
    "tenor": Voice(46, 72, 1.0),
    "alto": Voice(53, 77, 1.12),
    "soprano": Voice(60, 84, 1.19),
}

VOWELS = {
    "u": (310.0, 720.0, 2350.0),
    "o": (430.0, 830.0, 2450.0),
    "a": (690.0, 1150.0, 2550.0),
    "e": (420.0, 1950.0, 2600.0),
    "i": (280.0, 2200.0, 2900.0),
}
"""First three resonances of a tenor, Hz; neighbouring vowels have similar mouth positions."""

_CLUSTER = (2950.0, 3350.0)  # fourth and fifth resonance, the singer's formant
_TUBE_SPACING, _TUBE_TOP = 1000.0, 16_000.0
_LOUDNESS_DB = {"softest": -36.0, "loudest": -14.0}  # RMS of velocity 1 and 127
_FRAME_S = 0.005
_DRIFT = 0.02  # standard deviation of the resonances from note to note, relative


@dataclass(frozen=True)
class Settings:
    """Settings of the rendering; `step` is the interval between notes in semitones."""

    rate: int = 48_000
    step: int = 1
    velocities: tuple[int, ...] = (45, 80, 115)
    voices: tuple[str, ...] = tuple(VOICES)
    seed: int = 0


def render(
    out: Path, settings: Settings, *, command: str = "", on_note: Callable[[int, int], None] = lambda done, total: None
) -> Manifest:
    """Synthesise every vowel on every note into a folder, and write its manifest.

    Parameters
    ----------
    out
        Receives `<voice>-<vowel>/<voice>-<vowel>_<pitch>_<velocity>.flac` (mono, 24 bit) and `manifest.json`.
    settings
        Settings of the rendering.
    command
        Command line to record in the manifest.
    on_note
        Called after each note with the number done and the total.

    Returns
    -------
    manifest : Manifest

    Raises
    ------
    DataError
        A setting is out of range.
    """
    unknown = [name for name in settings.voices if name not in VOICES]
    if unknown or not settings.voices:
        raise DataError(f"There is no voice {', '.join(unknown) or 'none'}; there are {', '.join(VOICES)}.")
    if not 16_000 <= settings.rate <= 192_000:
        raise DataError(f"Voices are rendered at 16000 to 192000 Hz, not {settings.rate}.")
    note_files.check(out, settings.step, settings.velocities)
    wanted = [
        (name, vowel, pitch, velocity)
        for name in settings.voices
        for vowel in VOWELS
        for pitch in range(VOICES[name].lowest, VOICES[name].highest + 1, settings.step)
        for velocity in settings.velocities
    ]
    sounds: list[Sound] = []
    for name, vowel, pitch, velocity in wanted:
        seed = [settings.seed, list(VOICES).index(name), list(VOWELS).index(vowel), pitch, velocity]
        samples = sing(name, vowel, pitch, velocity, rate=settings.rate, random=np.random.default_rng(seed))
        sounds.append(note_files.write(out, f"{name}-{vowel}", pitch, velocity, samples, settings.rate))
        on_note(len(sounds), len(wanted))
    made = Manifest(out, Source(name="voices", licence=LICENCE, command=command), tuple(sounds))
    manifest.write(made, out / manifest.FILE_NAME)
    return made


def sing(
    voice: str, vowel: str, pitch: float, velocity: int, *, rate: int, random: np.random.Generator
) -> NDArray[np.float32]:
    """Synthesise one note.

    Parameters
    ----------
    voice, vowel
        Names in `VOICES` and `VOWELS`.
    pitch
        MIDI note number.
    velocity
        1 to 127; sets level and brightness.
    rate
        Sample rate, Hz.
    random
        Source of breath noise and of the variation between notes.

    Returns
    -------
    audio : np.ndarray [shape=(samples,)]
        `NOTE_SECONDS` long, released after `HELD_SECONDS`.
    """
    effort = (velocity - 1) / 126
    samples = round(NOTE_SECONDS * rate)
    hz = 440.0 * 2 ** ((pitch - 69) / 12)
    tract = Tract.of(voice, vowel, hz, random)
    swell = _swell(samples, rate, effort)  # [samples]
    frames = np.arange(0, samples + round(_FRAME_S * rate), round(_FRAME_S * rate))  # where amplitudes are computed
    quieter = -20 * np.log10(np.interp(frames, np.arange(samples), swell).clip(min=1e-3))  # dB under full, [frames]
    tones = np.zeros(samples)
    for k in range(1, int(min(_TUBE_TOP, 0.45 * rate) / hz) + 1):
        fall = 9.0 - 4.0 * effort + 0.12 * quieter  # dB an octave, [frames]
        there = tract(np.array([k * hz]))[0]
        amplitude = 10 ** (-fall * np.log2(k) / 20) * np.abs(there)
        wave = np.sin(2 * np.pi * k * hz / rate * np.arange(samples) + np.angle(there))
        tones += np.interp(np.arange(samples), frames, amplitude) * wave
    breath = tract.filtered(random.standard_normal(samples), rate)
    breath *= _rms(tones) / _rms(breath) * 10 ** (-(22 + 12 * effort) / 20)
    sung = (tones + breath) * swell
    held = sung[: round(HELD_SECONDS * rate)]
    level = _LOUDNESS_DB["softest"] + effort * (_LOUDNESS_DB["loudest"] - _LOUDNESS_DB["softest"])
    return (sung * 10 ** (level / 20) / _rms(held)).astype(np.float32)


@dataclass(frozen=True)
class Tract:
    """A vocal tract: frequencies and bandwidths of its resonances in Hz, [resonances] each."""

    hz: Floats
    width: Floats

    @classmethod
    def of(cls, voice: str, vowel: str, note_hz: float, random: np.random.Generator) -> Tract:
        """Create the tract of a voice for a vowel on a note."""
        first = np.array([*VOWELS[vowel], *_CLUSTER]) * VOICES[voice].shortness
        first *= np.exp(_DRIFT * random.standard_normal(len(first)))
        first[0] = max(first[0], 1.02 * note_hz)
        first[1] = max(first[1], 1.25 * first[0])
        spacing = _TUBE_SPACING * VOICES[voice].shortness
        hz = np.concatenate([first, np.arange(first[-1] + spacing, _TUBE_TOP, spacing)])
        return cls(hz, 45.0 + 0.035 * hz + 1.2e-6 * hz**2)

    def __call__(self, hz: Floats) -> NDArray[np.complex128]:
        """Compute the complex response at some frequencies; 1 at 0 Hz."""
        at = hz[:, None]
        return np.asarray(np.prod(self.hz**2 / (self.hz**2 - at**2 + 1j * at * self.width), axis=1))

    def filtered(self, x: Floats, rate: int) -> Floats:
        """Filter a sound by the resonances in series."""
        for hz, width in zip(self.hz, self.width, strict=True):
            if hz > 0.45 * rate:
                continue
            radius = np.exp(-np.pi * width / rate)
            poles = [1.0, -2 * radius * np.cos(2 * np.pi * hz / rate), radius**2]
            x = np.asarray(lfilter([sum(poles)], poles, x))
        return x


def _swell(samples: int, rate: int, effort: float) -> Floats:
    """Compute the envelope, 0 to 1, with a slower attack for soft notes."""
    t = np.arange(samples) / rate
    rise = 0.5 - 0.5 * np.cos(np.pi * np.clip(t / (0.12 - 0.08 * effort), 0, 1))
    fall = 0.5 + 0.5 * np.cos(np.pi * np.clip((t - HELD_SECONDS) / 0.2, 0, 1))
    return np.asarray(rise * fall * (0.85 + 0.15 * np.sin(np.pi * np.clip(t / NOTE_SECONDS, 0, 1))))


def _rms(x: Floats) -> float:
    return float(np.sqrt(np.mean(x**2)))
