"""Single notes of eleven orchestral instruments, rendered with FluidSynth from a General MIDI soundfont."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.data import manifest
from models.data.manifest import Manifest, Sound
from models.data.rendered import fluidsynth, midi, note_files
from models.data.rendered.note_files import HELD_SECONDS, NOTE_SECONDS
from models.files.errors import DataError

_SILENCE_SECONDS = 0.02


@dataclass(frozen=True)
class Instrument:
    """A General MIDI program (counted from 0) and its range as MIDI note numbers."""

    program: int
    lowest: int
    highest: int


INSTRUMENTS = {
    "violin": Instrument(40, 55, 93),
    "viola": Instrument(41, 48, 81),
    "cello": Instrument(42, 36, 72),
    "flute": Instrument(73, 60, 93),
    "oboe": Instrument(68, 58, 88),
    "clarinet": Instrument(71, 50, 86),
    "bassoon": Instrument(70, 34, 69),
    "trumpet": Instrument(56, 54, 84),
    "trombone": Instrument(57, 40, 70),
    "horn": Instrument(60, 36, 72),
    "piano": Instrument(0, 33, 93),
}


@dataclass(frozen=True)
class Settings:
    """Settings of the rendering.

    `step` is the interval between notes in semitones, `gain` FluidSynth's gain: at 2.0 the loudest note of FluidR3
    peaks below full scale.
    """

    rate: int = 48_000
    step: int = 1
    velocities: tuple[int, ...] = (45, 80, 115)
    instruments: tuple[str, ...] = tuple(INSTRUMENTS)
    gain: float = 2.0
    soundfont: Path | None = None


def render(
    out: Path, settings: Settings, *, command: str = "", on_note: Callable[[int, int], None] = lambda done, total: None
) -> Manifest:
    """Render the notes into a folder and write its manifest.

    Parameters
    ----------
    out
        Receives `<instrument>/<instrument>_<pitch>_<velocity>.flac` (mono, 24 bit) and `manifest.json`.
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
        FluidSynth or the soundfont is missing, or a setting is out of range.
    """
    _check(settings)
    note_files.check(out, settings.step, settings.velocities)
    soundfont = fluidsynth.find_soundfont(settings.soundfont)
    source = fluidsynth.source_of(soundfont, "orchestra", command)
    total = sum(len(_notes(INSTRUMENTS[name], settings)) for name in settings.instruments)
    sounds: list[Sound] = []
    for name in settings.instruments:
        wanted = _notes(INSTRUMENTS[name], settings)
        audio = _synthesise(INSTRUMENTS[name].program, wanted, soundfont, settings)
        for (pitch, velocity), samples in zip(wanted, audio, strict=True):
            sounds.append(note_files.write(out, name, pitch, velocity, samples, settings.rate))
            on_note(len(sounds), total)
    made = Manifest(folder=out, source=source, sounds=tuple(sounds))
    manifest.write(made, out / manifest.FILE_NAME)
    return made


def _check(settings: Settings) -> None:
    unknown = [name for name in settings.instruments if name not in INSTRUMENTS]
    if unknown or not settings.instruments:
        wrong = ", ".join(unknown) or "none"
        raise DataError(f"There is no instrument {wrong}; there are {', '.join(INSTRUMENTS)}.")
    fluidsynth.check_rate(settings.rate)


def _notes(instrument: Instrument, settings: Settings) -> list[tuple[int, int]]:
    pitches = range(instrument.lowest, instrument.highest + 1, settings.step)
    return [(pitch, velocity) for pitch in pitches for velocity in settings.velocities]


def _synthesise(
    program: int, wanted: Sequence[tuple[int, int]], soundfont: Path, settings: Settings
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Render all notes in one run and split them, shape [notes, samples]."""
    slot = round(NOTE_SECONDS * midi.TICKS_PER_SECOND)
    held = round(HELD_SECONDS * midi.TICKS_PER_SECOND)
    silence = round(_SILENCE_SECONDS * midi.TICKS_PER_SECOND)
    events = [midi.program(0, program)]
    for k, (pitch, velocity) in enumerate(wanted):
        events += midi.note(k * slot, pitch, velocity, held)
        events.append(midi.all_sound_off((k + 1) * slot - silence))
    score = midi.encode(events, end=(len(wanted) + 1) * slot)
    mono = fluidsynth.play(score, soundfont, settings.rate, gain=settings.gain)
    samples = round(NOTE_SECONDS * settings.rate)
    if len(mono) < len(wanted) * samples:
        raise DataError(f"fluidsynth rendered {len(mono)} samples of {len(wanted) * samples}; is {soundfont} complete?")
    apart = mono[: len(wanted) * samples].reshape(len(wanted), samples)
    silent = int((np.abs(apart).max(axis=1) == 0).sum())
    if silent:
        raise DataError(f"{silent} of {len(wanted)} notes are silent; is {soundfont} a General MIDI soundfont?")
    return apart
