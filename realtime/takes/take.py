"""Reading of takes, with every value checked.

A take is a part of a session's journal, zipped; a session that was killed leaves the journal's folder behind, which is
read as well. Either may come from anybody, so nothing in it can choose a path, and values out of range are refused.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.errors import GlitchError
from realtime.ipc.memory_layout import GAIN, MAX_CHANNELS, PLUGGED, SLOTS, UNPLUGGED
from realtime.takes.journal import CALLBACK, ENTRY, FORMAT, PARTS
from realtime.takes.leftover_journals import locked

MAX_S = 7 * 24 * 3600.0  # the longest take that is accepted
MIN_RING, MAX_RING = 4096, 1 << 24  # rendering fills a ring by up to the smaller of these
STATE_NAME = re.compile(r"states/\d{1,18}\.state")
# Raised by reading or playing when values or shapes are such as no session writes.
ILL_FORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, RuntimeError)


class TakeError(GlitchError):
    """The file is no take, or something that it needs is missing."""


@dataclass(frozen=True)
class Take:
    """A take that has been read.

    Attributes
    ----------
    folder : Path
        Of its files.
    sample_rate : float
        In Hz.
    channels : int
        Of the output.
    begin, end : int
        Sample positions on the clock.
    decks : dict[int, dict]
        The description of each deck, by its number; see `realtime.takes.journal`.
    entries : np.ndarray [shape=(entries,), dtype=ENTRY]
        The log, in order.
    lost : int
        Events that are missing from the log; if there are any, the render differs.
    input_start : int
        Sample position at which the file of the live input begins.
    """

    folder: Path
    sample_rate: float
    channels: int
    begin: int
    end: int
    decks: dict[int, dict[str, Any]]
    entries: np.ndarray
    lost: int
    input_start: int

    @property
    def seconds(self) -> float:
        """Duration in s."""
        return (self.end - self.begin) / self.sample_rate


@contextlib.contextmanager
def open_take(path: str | os.PathLike[str]) -> Iterator[Take]:
    """Open a take, or the journal of a session that was killed.

    Parameters
    ----------
    path
        The take's file, or the journal's folder.

    Yields
    ------
    take : Take
        Its files exist until the context ends.

    Raises
    ------
    TakeError
        It is neither, or has values out of range.
    """
    path = Path(path)
    with contextlib.ExitStack() as stack:
        if path.is_dir():
            folder = path
            stack.enter_context(locked(folder))
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="glitch-take-")))
            _unzip(path, folder)
        try:
            take = read_take(folder)
        except (OSError, *ILL_FORMED) as error:
            raise TakeError(f"{path} is no take that can be rendered ({brief(error)}); is it complete?") from None
        yield take


def read_take(folder: Path) -> Take:
    """Read the folder of a take or of a journal.

    Returns
    -------
    Take
        Without the partial entry that a killed session may leave at the end of the log.

    Raises
    ------
    TakeError
        It has another format.
    OSError, or one of ILL_FORMED
        A file is missing or ill-formed.
    """
    head = json.loads((folder / "head.json").read_text())
    if head["format"] != FORMAT:
        remedy = "render it with the version that made it" if head["format"] < FORMAT else "update glitch-live"
        raise TakeError(f"The take has format {head['format']}, and this version reads {FORMAT}; {remedy}.")
    raw = (folder / "events.bin").read_bytes()
    entries = np.frombuffer(
        raw[: len(raw) // ENTRY.itemsize * ENTRY.itemsize], ENTRY
    )  # a killed session may leave a partial entry
    lines = (folder / "decks.jsonl").read_text().splitlines(keepends=True)
    decks = [json.loads(line) for line in lines if line.endswith("\n")]
    take = Take(
        folder,
        float(head["sample_rate"]),
        int(head["channels"]),
        int(head.get("begin", head.get("began", 0))),
        int(head["end"] if "end" in head else _last_position(folder, entries)),
        {int(deck["number"]): deck for deck in decks},
        entries,
        int(head.get("lost", 0)),
        int(head.get("heard_from", 0)),
    )
    _check(take)
    return take


def brief(error: BaseException) -> str:
    """Describe an exception in a few words."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200].rstrip('.')}" if text else type(error).__name__


def _unzip(path: Path, folder: Path) -> None:
    """Extract the files of a take, and no others, to paths that don't depend on the archive."""
    try:
        with zipfile.ZipFile(path) as file:
            (folder / "states").mkdir()
            for info in file.infolist():
                if info.filename in ("head.json", *PARTS) or STATE_NAME.fullmatch(info.filename):
                    with file.open(info) as part, (folder / info.filename).open("wb") as into:
                        shutil.copyfileobj(part, into)
    except FileNotFoundError:
        raise TakeError(f"There is no take {path}; check the path.") from None
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, *ILL_FORMED) as error:
        reason = "it is not an intact zip archive" if isinstance(error, zipfile.BadZipFile) else brief(error)
        raise TakeError(f"{path} is no take ({reason}); '/take' and --take make one.") from None


def _last_position(folder: Path, entries: np.ndarray) -> int:
    """Return the sample position up to which a killed session was logged."""
    clock = int.from_bytes((folder / "clock").read_bytes()[:8], "little")
    return max(clock, int(entries["sample"].max(initial=0)))


def _check(take: Take) -> None:
    """Refuse values that would take forever to render or reach out of bounds."""
    if not 1000 <= take.sample_rate <= 1e6 or not 1 <= take.channels <= MAX_CHANNELS:
        raise ValueError(f"{take.channels} channels at {take.sample_rate:g} Hz")
    if not 0 <= take.begin <= take.end <= MAX_S * take.sample_rate:
        raise ValueError(f"it goes from sample {take.begin} to {take.end}")
    for description in take.decks.values():
        channels, capacity = int(description["channels"]), int(description["capacity"])
        if not (1 <= channels <= MAX_CHANNELS and MIN_RING <= capacity <= MAX_RING) or description["seed"] < 0:
            raise ValueError(f"a deck of {channels} channels with a ring of {capacity}")
        if description["sample_rate"] != take.sample_rate or not 0 <= description["inputs"] <= MAX_CHANNELS:
            raise ValueError(f"a deck at {description['sample_rate']} Hz with {description['inputs']} inputs")
        if not all(isinstance(description[name], str) for name in ("model", "digest")):
            raise ValueError("a deck without a model")
    entries = take.entries
    done = entries[entries["source"] == CALLBACK]
    known = np.isin(done["number"][done["kind"] == PLUGGED], list(take.decks))
    if not (
        all(np.isfinite(entries[name]).all() and (np.abs(entries[name]) < 2**53).all() for name in ("value", "over"))
        and all((entries[name] >= 0).all() for name in ("sample", "number", "over"))
        and ((done["kind"] >= GAIN) & (done["kind"] <= UNPLUGGED)).all()
        and ((done["slot"] >= 0) & (done["slot"] < SLOTS)).all()
        and known.all()
    ):
        raise ValueError("an entry of the log is out of range")
