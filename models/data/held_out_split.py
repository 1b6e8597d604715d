"""Choice of the held-out sounds: files of each label, whole labels, or whole pitches.

A model is evaluated on sounds that it never trained on. Held-out files test similar sounds; held-out pitches,
interpolation between notes; held-out labels, instruments that are new to the model.
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
"""Labels with fewer files are split together."""


def known(text: str) -> HoldOut:
    """Check the name of a unit to hold out.

    Returns
    -------
    hold_out : HoldOut

    Raises
    ------
    DataError
        It is not in `HOLD_OUT`.
    """
    if text not in HOLD_OUT:
        raise DataError(f"The unit to hold out is one of {', '.join(HOLD_OUT)}, not '{text}'.")
    return text


def hold_out(
    sounds: Sequence[Sound],
    *,
    by: HoldOut = "file",
    share: float = 0.2,
    seed: int = 0,
    names: Sequence[str] | None = None,
) -> tuple[Sound, ...]:
    """Choose the held-out sounds; the choice depends only on names and seed.

    Parameters
    ----------
    sounds
        The sounds of a data set.
    by
        `file`: the share of each label with three or more files, at least one; smaller labels are split together, and
        pieces of a file stay together if there is another file. `label`: whole labels. `pitch`: whole semitones;
        sounds without a pitch by file.
    share
        Share to hold out, between 0 and 1.
    seed
        Seed of the choice.
    names
        A name for each sound, from which the choice is derived; default: its path.

    Returns
    -------
    tuple of Sound
        The same sounds in the same order. At least one is trained on and, of two or more files, one is held out.

    Raises
    ------
    DataError
        The share is out of range, or the sounds have fewer than two labels or pitches.
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
    """Hold out the share of each label: the files with the lowest hash values."""
    among = list(among)
    alone = len({names[k] for k in among}) == 1
    unit = {k: f"{names[k]} {sounds[k].start or 0:.3f}" if alone else names[k] for k in among}
    members: dict[str, set[str]] = defaultdict(set)
    for k in among:
        members[sounds[k].label].add(unit[k])
    groups: dict[str | None, set[str]] = defaultdict(set)
    for label, units in members.items():
        groups[label if len(units) >= SMALL_LABEL else None] |= units
    chosen: set[str] = set()
    for group in groups.values():
        chosen |= _lowest(group, share, seed)
    return {k for k in among if unit[k] in chosen}


def _labels(sounds: Sequence[Sound], share: float, seed: int) -> set[int]:
    labels = {sound.label for sound in sounds}
    if len(labels) < 2:
        raise DataError(
            f"All sounds have the label '{next(iter(labels))}', so none can be held out by label; "
            "put each instrument into a folder of its own, or hold out by file."
        )
    chosen = _lowest(labels, share, seed)
    return {k for k, sound in enumerate(sounds) if sound.label in chosen}


def _pitches(sounds: Sequence[Sound], names: Sequence[str], share: float, seed: int) -> set[int]:
    semitone = {k: str(round(sound.pitch)) for k, sound in enumerate(sounds) if sound.pitch is not None}
    if len(set(semitone.values())) < 2:
        raise DataError(
            "The sounds have fewer than two known pitches, so none can be held out by pitch; hold out by file."
        )
    chosen = _lowest(set(semitone.values()), share, seed)
    held = {k for k, pitch in semitone.items() if pitch in chosen}
    without = [k for k in range(len(sounds)) if k not in semitone]
    return held | (_files(sounds, names, without, share, seed) if without else set())


def _lowest(group: set[str], share: float, seed: int) -> set[str]:
    """Return the share of a group with the lowest hash values: at least one, but never the whole group."""
    count = max(1, round(share * len(group)))
    return set(sorted(group, key=lambda name: _hash(name, seed))[: min(count, len(group) - 1)])


def _hash(name: str, seed: int) -> float:
    """Hash name and seed to a number from 0 to 1."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
