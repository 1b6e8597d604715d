"""Which sounds are held out: files drawn from each label, whole labels, or whole pitches.

A model is judged by sounds that it never trained on. Files held out show how it does on more of the same; pitches, how
it fills the gaps between notes; labels, what it makes of an instrument that it has never heard.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from models.data.manifest import Sound
from models.files.errors import DataError

HoldOut = Literal["file", "label", "pitch"]

HOLD_OUT: tuple[HoldOut, ...] = ("file", "label", "pitch")

SMALL_LABEL = 3
"""Labels of fewer files are split together."""


def known(text: str) -> HoldOut:
    """Check what is to be held out.

    Raises
    ------
    DataError
        There is no such way.
    """
    if text not in HOLD_OUT:
        raise DataError(f"What is held out is one of {', '.join(HOLD_OUT)}, not '{text}'.")
    return text


def hold_out(
    sounds: Sequence[Sound],
    *,
    by: HoldOut = "file",
    share: float = 0.2,
    seed: int = 0,
    names: Sequence[str] | None = None,
) -> tuple[Sound, ...]:
    """Choose anew which sounds are held out; what is drawn depends on names and seed alone.

    Parameters
    ----------
    sounds
        The sounds of a data set.
    by
        `file`: of each label of three files and more the share, and one at least; smaller labels are split together,
        and pieces of a file stay together where there is another file. `label`: whole labels. `pitch`: whole semitones;
        sounds without a pitch by file.
    share
        How much to hold out, 0 to 1, both excluded.
    seed
        Seed of the choice.
    names
        What files are drawn by, one for each sound; else their paths.

    Returns
    -------
    tuple of Sound
        The same sounds in the same order. Something trains and, of two files and more, something is held out.

    Raises
    ------
    DataError
        The share is none, or the sounds have no two labels or pitches to tell apart.
    """
    if not 0 < share < 1:
        raise DataError(f"The held-out share must be between 0 and 1, not {share:g}.")
    names = [sound.path for sound in sounds] if names is None else names
    everything = range(len(sounds))
    match by:
        case "file":
            held = _files(sounds, names, everything, share, seed)
        case "label":
            held = _labels(sounds, share, seed)
        case "pitch":
            held = _pitches(sounds, names, share, seed)
    return tuple(replace(sound, split="held-out" if k in held else "train") for k, sound in enumerate(sounds))


def _files(sounds: Sequence[Sound], names: Sequence[str], among: Iterable[int], share: float, seed: int) -> set[int]:
    """Hold out the share of each label, the files whose names draw the lowest numbers."""
    among = list(among)
    alone = len({names[k] for k in among}) == 1
    unit = {k: f"{names[k]} {sounds[k].start or 0:.3f}" if alone else names[k] for k in among}
    members: dict[str, set[str]] = defaultdict(set)
    for k in among:
        members[sounds[k].label].add(unit[k])
    groups: dict[str | None, set[str]] = defaultdict(set)
    for label, units in members.items():
        groups[label if len(units) >= SMALL_LABEL else None] |= units
    drawn: set[str] = set()
    for group in groups.values():
        drawn |= _lowest(group, share, seed)
    return {k for k in among if unit[k] in drawn}


def _labels(sounds: Sequence[Sound], share: float, seed: int) -> set[int]:
    labels = {sound.label for sound in sounds}
    if len(labels) < 2:
        raise DataError(
            f"All sounds have the label '{next(iter(labels))}', so none can be held out by label; "
            "put those of each instrument into a folder of its own, or hold out by file."
        )
    drawn = _lowest(labels, share, seed)
    return {k for k, sound in enumerate(sounds) if sound.label in drawn}


def _pitches(sounds: Sequence[Sound], names: Sequence[str], share: float, seed: int) -> set[int]:
    semitone = {k: str(round(sound.pitch)) for k, sound in enumerate(sounds) if sound.pitch is not None}
    if len(set(semitone.values())) < 2:
        raise DataError(
            "The sounds have no two pitches to tell apart, so none can be held out by pitch; hold out by file."
        )
    drawn = _lowest(set(semitone.values()), share, seed)
    held = {k for k, pitch in semitone.items() if pitch in drawn}
    without = [k for k in range(len(sounds)) if k not in semitone]
    return held | (_files(sounds, names, without, share, seed) if without else set())


def _lowest(group: set[str], share: float, seed: int) -> set[str]:
    """Give the share of a group that draws the lowest numbers, one at least, but never the whole group."""
    count = max(1, round(share * len(group)))
    return set(sorted(group, key=lambda name: _draw(name, seed))[: min(count, len(group) - 1)])


def _draw(name: str, seed: int) -> float:
    """Draw a number from 0 to 1 that depends on the name and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
