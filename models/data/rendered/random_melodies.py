"""Random melodies: short phrases of notes, with the same statistics for every instrument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9))
_BEATS = (0.25, 0.5, 0.75, 1.0, 2.0)
_CHANCES = (0.2, 0.4, 0.1, 0.2, 0.1)
_LEGATO = 0.9  # share of its duration that a note is held


@dataclass(frozen=True)
class Note:
    """A note of a phrase: start and held duration in seconds, MIDI pitch and velocity."""

    start: float
    held: float
    pitch: int
    velocity: int


def draw(seconds: float, lowest: int, highest: int, random: np.random.Generator) -> tuple[Note, ...]:
    """Generate a phrase: steps and small leaps in a scale, at one tempo, with occasional rests.

    Parameters
    ----------
    seconds
        Longest duration of the phrase.
    lowest, highest
        Range of MIDI pitches.
    random
        Source of randomness.

    Returns
    -------
    notes : tuple of Note
    """
    beat = 60 / random.uniform(84, 140)
    pitches = _scale(lowest, highest, random)
    place = int(random.integers(len(pitches)))
    now = 0.05
    notes: list[Note] = []
    while True:
        length = beat * float(random.choice(_BEATS, p=_CHANCES))
        if now + length > seconds:
            return tuple(notes)
        if random.random() > 0.12:
            velocity = int(random.integers(64, 116))
            notes.append(Note(now, _LEGATO * length, pitches[place], velocity))
            place = int(np.clip(place + random.integers(-3, 4), 0, len(pitches) - 1))
        now += length


def _scale(lowest: int, highest: int, random: np.random.Generator) -> Sequence[int]:
    steps, root = SCALES[int(random.integers(len(SCALES)))], int(random.integers(12))
    return [pitch for pitch in range(lowest, highest + 1) if (pitch - root) % 12 in steps]
