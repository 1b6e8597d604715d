"""Four endless textures rendered with FluidSynth: choir, glass, bells and drops.

Notes of one scale begin at random times in a drifting register, and overlap in reverb. Nothing repeats, so generators
trained on them can go on forever. All textures share the scale, so that mixtures of two are in tune.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from models.data import manifest
from models.data.manifest import Manifest, Sound, Split
from models.data.rendered import fluidsynth, midi
from models.files.errors import DataError

SCALE = (2, 3, 7, 9, 10)
"""Pitch classes: D, E flat, G, A, B flat."""

PIECE_SECONDS = 30.0
_LEAD_S = 4.0  # left out, until reverb and choir have built up
_WANDERS_S = 6.0  # interval between two random registers
_REGISTER = 7.0  # standard deviation of pitches around the register, semitones


@dataclass(frozen=True)
class Part:
    """An instrument of a texture.

    Attributes
    ----------
    program
        General MIDI program, counted from 0.
    lowest, highest
        Range as MIDI note numbers.
    notes_a_second
        Average number of notes a second.
    seconds
        Shortest and longest duration of a note.
    velocities
        Lowest and highest velocity.
    """

    program: int
    lowest: int
    highest: int
    notes_a_second: float
    seconds: tuple[float, float]
    velocities: tuple[int, int]


TEXTURES: dict[str, tuple[Part, ...]] = {
    "choir": (Part(52, 43, 75, 1.4, (2.5, 5.0), (55, 105)), Part(53, 55, 79, 0.5, (2.0, 4.0), (50, 90))),
    "glass": (Part(92, 43, 74, 0.7, (3.0, 6.0), (60, 100)), Part(98, 62, 94, 1.6, (1.0, 3.0), (40, 90))),
    "bells": (Part(14, 45, 70, 0.9, (2.0, 4.0), (50, 100)), Part(11, 57, 86, 2.6, (1.0, 3.0), (50, 110))),
    "drops": (Part(108, 50, 86, 4.5, (0.3, 1.0), (50, 115)), Part(12, 45, 79, 3.5, (0.2, 0.6), (50, 110))),
}


@dataclass(frozen=True)
class Settings:
    """Settings: `minutes` of each texture; `gain` is FluidSynth's gain."""

    rate: int = 48_000
    minutes: float = 2.5
    textures: tuple[str, ...] = tuple(TEXTURES)
    gain: float = 0.8
    seed: int = 0
    soundfont: Path | None = None


def render(
    out: Path, settings: Settings, *, command: str = "", on_piece: Callable[[int, int], None] = lambda done, total: None
) -> Manifest:
    """Render the textures into a folder, in pieces of half a minute, and write their manifest.

    Parameters
    ----------
    out
        Receives `<texture>/<texture>_<number>.flac` (mono, 24 bit) and `manifest.json`.
    settings
        Settings of the rendering.
    command
        Command line to record in the manifest.
    on_piece
        Called after each piece with the number done and the total.

    Returns
    -------
    manifest : Manifest

    Raises
    ------
    DataError
        FluidSynth or the soundfont is missing, or a setting is out of range.
    """
    _check(out, settings)
    soundfont = fluidsynth.find_soundfont(settings.soundfont)
    source = fluidsynth.source_of(soundfont, "textures", command)
    count = max(2, round(60 * settings.minutes / PIECE_SECONDS))
    sounds: list[Sound] = []
    for name in settings.textures:
        for k in range(count):
            random = np.random.default_rng([settings.seed, list(TEXTURES).index(name), k])
            audio = play(name, PIECE_SECONDS, soundfont, settings, random)
            path = f"{name}/{name}_{k + 1:02d}.flac"
            (out / name).mkdir(parents=True, exist_ok=True)
            soundfile.write(out / path, audio, settings.rate, subtype="PCM_24")
            split: Split = "held-out" if k == count - 1 else "train"
            sounds.append(Sound(path, name, len(audio) / settings.rate, settings.rate, split))
            on_piece(len(sounds), count * len(settings.textures))
    made = Manifest(out, source, tuple(sounds))
    manifest.write(made, out / manifest.FILE_NAME)
    return made


def play(
    name: str, seconds: float, soundfont: Path, settings: Settings, random: np.random.Generator
) -> NDArray[np.float32]:
    """Render a texture.

    Parameters
    ----------
    name
        Name in `TEXTURES`.
    seconds
        Duration; the texture is at full density throughout.
    soundfont
        General MIDI soundfont.
    settings
        Sample rate and gain.
    random
        Source of randomness.

    Returns
    -------
    audio : np.ndarray [shape=(samples,)]

    Raises
    ------
    DataError
        FluidSynth fails, or the result is silent or too short.
    """
    length = _LEAD_S + seconds
    events = []
    for channel, part in enumerate(TEXTURES[name]):
        events.append(midi.program(0, part.program, channel))
        events += _notes(part, channel, length, random)
    score = midi.encode(events, end=round(length * midi.TICKS_PER_SECOND))
    audio = fluidsynth.play(score, soundfont, settings.rate, gain=settings.gain, reverb=True)
    first, samples = round(_LEAD_S * settings.rate), round(seconds * settings.rate)
    if len(audio) < first + samples or not np.abs(audio).max():
        raise DataError(f"{name} is silent or too short; is {soundfont} a General MIDI soundfont?")
    return audio[first : first + samples]


def _notes(part: Part, channel: int, length: float, random: np.random.Generator) -> list[midi.Event]:
    """Generate the notes of an instrument: a Poisson process in time, around a drifting register."""
    pitches = np.array([pitch for pitch in range(part.lowest, part.highest + 1) if pitch % 12 in SCALE])
    places = random.uniform(part.lowest, part.highest, int(length / _WANDERS_S) + 2)
    events: list[midi.Event] = []
    at = random.exponential(1 / part.notes_a_second)
    while at < length:
        register = np.interp(at, np.arange(len(places)) * _WANDERS_S, places)
        weight = np.exp(-0.5 * ((pitches - register) / _REGISTER) ** 2)
        pitch = int(random.choice(pitches, p=weight / weight.sum()))
        velocity = int(random.integers(part.velocities[0], part.velocities[1] + 1))
        held = random.uniform(*part.seconds)
        ticks = (round(at * midi.TICKS_PER_SECOND), round(held * midi.TICKS_PER_SECOND))
        events += midi.note(ticks[0], pitch, velocity, ticks[1], channel)
        at += random.exponential(1 / part.notes_a_second)
    return events


def _check(out: Path, settings: Settings) -> None:
    unknown = [name for name in settings.textures if name not in TEXTURES]
    if unknown or not settings.textures:
        raise DataError(f"There is no texture {', '.join(unknown) or 'none'}; there are {', '.join(TEXTURES)}.")
    if settings.minutes <= 0:
        raise DataError(f"Textures must be longer than 0 minutes, not {settings.minutes:g}.")
    fluidsynth.check_rate(settings.rate)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} already exists and isn't an empty folder; give another name.")
