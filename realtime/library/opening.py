"""Whatever a player names becomes a file that plays: ours as they are, others converted once and kept.

A converted model is kept in the user's folder, under a name made of its own, of the digest of the file that it came
from, and of the converter's: another file, or another converter, makes another. One conversion goes on at a time.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from export.errors import ContractError, GlitchError
from export.format.card import FORMAT
from export.format.io import load
from realtime.ipc.folders import data_folder
from realtime.ipc.registry import try_lock
from realtime.library import conversion
from realtime.library.conversion import ConversionError, needs_conversion
from realtime.library.library import digest

LOCK = "lock"
POLL_S = 0.05
MAKES = ("export", "models.convert")  # what a converted model depends on, beside its source


@dataclass(frozen=True)
class OpenedModel:
    """A model as it was named, and as it plays.

    Attributes
    ----------
    source, model
        The file that was named, and the `.onnx` file that plays: the source itself, or what it was converted to.
    source_digest, digest
        Their SHA-256.
    """

    source: Path
    source_digest: str
    model: Path
    digest: str


def open_model(
    path: str | os.PathLike[str],
    *,
    notify: Callable[[str], None] = lambda _sentence: None,
    stop: threading.Event | None = None,
) -> OpenedModel:
    """Give the file that plays, converting it first where that hasn't been done before.

    Parameters
    ----------
    notify
        Called with a sentence where it takes long, and with what is to be said of a model that was converted.
    stop
        When it is set, a conversion is given up.

    Raises
    ------
    GlitchError
        The file isn't there, or cannot be converted, with the reason.
    """
    source = Path(path).absolute()
    if not source.is_file():
        load(source)  # which says what it is instead
    known = _digest(source)
    if not needs_conversion(source):
        return OpenedModel(source, known, source, known)
    kept = converted_path(source, known)
    if not _plays(kept):
        _convert(source, kept, notify, stop or threading.Event())
    return OpenedModel(source, known, kept, _digest(kept))


def converted_path(source: Path, known: str) -> Path:
    """Say where a converted model is kept, for its file's digest."""
    return folder() / f"{source.stem}-{known[:24]}-{converter()[:8]}.onnx"


def folder() -> Path:
    """Say where converted models lie."""
    return data_folder() / "converted"


@cache
def converter() -> str:
    """Tell one converter from another: the digest of the format's number and of the code that converts."""
    made = hashlib.sha256(str(FORMAT).encode())
    for name in MAKES:
        spec = importlib.util.find_spec(name)
        places = [Path(place) for place in (spec.submodule_search_locations or [spec.origin or ""])] if spec else []
        for place in places:
            for path in sorted(place.glob("*.py")) if place.is_dir() else [place]:
                made.update(path.name.encode() + path.read_bytes())
    return made.hexdigest()


def _digest(source: Path) -> str:
    try:
        return digest(source)
    except OSError as error:
        raise ContractError(f"Cannot read {source}: {error.strerror or error}.") from None


def _plays(kept: Path) -> bool:
    """Whether a model was converted before, and is whole."""
    if not kept.is_file():
        return False
    try:
        load(kept)
    except GlitchError:
        return False
    return True


def _convert(source: Path, kept: Path, notify: Callable[[str], None], stop: threading.Event) -> None:
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConversionError(f"Cannot make the folder {kept.parent}: {error.strerror or error}.") from None
    with _alone(kept.parent, source, notify, stop):
        if _plays(kept):  # by whoever was here before
            return
        conversion.sweep(kept.parent)
        notify(f"{source.name} is converted for the stage, once; that takes from seconds to a few minutes.")
        began = time.monotonic()
        made = conversion.convert(source, kept, notify=notify, stop=stop)
        for warning in made.warnings:
            notify(f"{source.name}: {warning}")
        notify(f"{source.name} was converted in {time.monotonic() - began:.0f} s and is kept as {kept}.")


@contextmanager
def _alone(where: Path, source: Path, notify: Callable[[str], None], stop: threading.Event) -> Iterator[None]:
    """Wait until no other conversion goes on, in whatever process."""
    with (where / LOCK).open("a") as file:
        told = False
        while not try_lock(file):
            if not told:
                notify(f"{source.name} waits for another conversion to end.")
                told = True
            if stop.wait(POLL_S):
                raise ConversionError(f"The conversion of {source.name} was given up, since nobody waits for it.")
        yield
