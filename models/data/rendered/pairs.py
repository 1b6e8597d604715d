"""Pairs of domains for style transfer: two folders of sounds that differ only in their instruments.

Sounds are not paired: each domain has phrases of its own, with the same durations, densities and levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import soundfile
from numpy.typing import NDArray

from models.data import manifest
from models.data.manifest import Manifest, Sound, Source
from models.data.rendered import barks, fluidsynth, midi, random_melodies
from models.data.rendered.midi import TICKS_PER_SECOND
from models.data.rendered.orchestra import Instrument
from models.files.errors import DataError

Kind = Literal["plucked-brass", "barks-horns"]
Take = tuple[str, NDArray[np.float32]]
"""A label and a sound [samples]."""

PLUCKED = {
    "nylon guitar": Instrument(24, 48, 74),
    "steel guitar": Instrument(25, 48, 74),
    "jazz guitar": Instrument(26, 48, 74),
    "pizzicato": Instrument(45, 50, 79),
    "harp": Instrument(46, 46, 79),
    "banjo": Instrument(105, 50, 76),
    "koto": Instrument(107, 52, 79),
}
BRASS = {
    "trumpet": Instrument(56, 56, 79),
    "trombone": Instrument(57, 46, 70),
    "muted trumpet": Instrument(59, 56, 79),
    "horn": Instrument(60, 46, 70),
    "brass section": Instrument(61, 48, 76),
}
PHRASE_SECONDS, TAIL_SECONDS = 7.6, 0.4
LEVEL_DB, PEAK = -20.0, 0.95
HELD_OUT_EVERY = 5
_GAIN = 1.0


@dataclass(frozen=True)
class Settings:
    """Settings: kind of pair, `minutes` of each domain, sample `rate` in Hz, and `seed` of all random choices."""

    kind: Kind = "plucked-brass"
    minutes: float = 8.0
    rate: int = 48_000
    seed: int = 0
    soundfont: Path | None = None


def render(
    out: Path, settings: Settings, *, command: str = "", on_sound: Callable[[int, int], None] = lambda done, total: None
) -> tuple[Manifest, Manifest]:
    """Render both domains, each to a folder with a manifest.

    Parameters
    ----------
    out
        Receives `<domain>/<label>_<number>.flac` (mono, 16 bit) and `<domain>/manifest.json`.
    settings
        Settings of the pair.
    command
        Command line to record in the manifests.
    on_sound
        Called after each sound with the number done and the total.

    Returns
    -------
    source, target : Manifest

    Raises
    ------
    DataError
        There is no such pair, `out` isn't empty, or FluidSynth or its soundfont are missing.
    """
    if settings.kind not in get_args(Kind):
        raise DataError(f"There is no pair '{settings.kind}'; there are {', '.join(get_args(Kind))}.")
    if settings.minutes <= 0:
        raise DataError(f"A domain lasts longer than 0 minutes, not {settings.minutes:g}.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} isn't an empty folder; give another name, so that files are not mixed.")
    made: list[Manifest] = []
    names = settings.kind.split("-")
    domains = [_domain(settings, place) for place in range(len(names))]
    total, done = sum(count for _, count, _ in domains), 0
    for name, (takes, _, source) in zip(names, domains, strict=True):
        sounds: list[Sound] = []
        numbers: dict[str, int] = {}
        for label, audio in takes:
            number = numbers[label] = numbers.get(label, 0) + 1
            sounds.append(_write(out / name, label, number, audio, settings.rate))
            done += 1
            on_sound(done, total)
        origin = Source(f"{settings.kind}, {name}", source.licence, command, *_rest(source))
        made.append(Manifest(out / name, origin, tuple(sounds)))
        manifest.write(made[-1], out / name / manifest.FILE_NAME)
    return made[0], made[1]


def _domain(settings: Settings, place: int) -> tuple[Iterator[Take], int, Source]:
    """Return an iterator over the sounds of a domain, their number and their origin."""
    if settings.kind == "barks-horns":
        count = max(2, round(60 * settings.minutes / barks.CLIP_SECONDS))
        return _clips(place, count, settings), count, Source("", barks.LICENCE)
    instruments = (PLUCKED, BRASS)[place]
    count = max(2, round(60 * settings.minutes / (PHRASE_SECONDS + TAIL_SECONDS) / len(instruments)))
    font = fluidsynth.find_soundfont(settings.soundfont)
    source = fluidsynth.source_of(font)
    return _played(place, count, font, settings), count * len(instruments), source


def _rest(source: Source) -> tuple[str, str, str]:
    return source.tool, source.soundfont, source.soundfont_sha256


def _clips(place: int, count: int, settings: Settings) -> Iterator[Take]:
    label, make = (("bark", barks.bark), ("horn", barks.horn))[place]
    for number in range(count):
        yield label, make(settings.rate, np.random.default_rng([settings.seed, place, number]))


def _played(place: int, count: int, font: Path, settings: Settings) -> Iterator[Take]:
    """Render the phrases of each instrument in one run, and split them."""
    slot = round((PHRASE_SECONDS + TAIL_SECONDS) * TICKS_PER_SECOND)
    samples = round((PHRASE_SECONDS + TAIL_SECONDS) * settings.rate)
    for voice, (label, instrument) in enumerate((PLUCKED, BRASS)[place].items()):
        events = [midi.program(0, instrument.program)]
        for number in range(count):
            random = np.random.default_rng([settings.seed, place, voice, number])
            for note in random_melodies.draw(PHRASE_SECONDS, instrument.lowest, instrument.highest, random):
                start = number * slot + round(note.start * TICKS_PER_SECOND)
                events += midi.note(start, note.pitch, note.velocity, max(1, round(note.held * TICKS_PER_SECOND)))
            events.append(midi.all_sound_off((number + 1) * slot - 2))
        audio = fluidsynth.play(midi.encode(events, end=(count + 1) * slot), font, settings.rate, gain=_GAIN)
        if len(audio) < count * samples:
            raise DataError(f"fluidsynth rendered {len(audio)} samples of {count * samples}; is {font} complete?")
        for part in audio[: count * samples].reshape(count, samples):
            yield label, _levelled(part)


def _levelled(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalise the RMS, so that the domains do not differ in level."""
    rms = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))) + 1e-12
    gain = min(10 ** (LEVEL_DB / 20) / rms, PEAK / (float(np.abs(audio).max()) + 1e-12))
    return np.asarray(gain * audio, np.float32)


def _write(folder: Path, label: str, number: int, audio: NDArray[np.float32], rate: int) -> Sound:
    folder.mkdir(parents=True, exist_ok=True)
    path = f"{label.replace(' ', '-')}_{number:03d}.flac"
    soundfile.write(folder / path, audio, rate, subtype="PCM_16")
    held_out = number % HELD_OUT_EVERY == 0
    return Sound(path, label, len(audio) / rate, rate, "held-out" if held_out else "train")
