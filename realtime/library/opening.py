"""Opening models: `.onnx` files as they are, foreign ones converted once and kept.

A converted model is kept in the user's folder, under a name made of its own, the digest of its source, and the digest
of the converter. So a changed file or a changed converter leads to a new conversion. Only one conversion runs at a
time.
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
from realtime.ipc.segment_registry import try_lock
from realtime.ipc.user_folders import data_folder
from realtime.library import conversion_process
from realtime.library.conversion_process import ConversionError, needs_conversion
from realtime.library.library import digest

LOCK = "lock"
POLL_S = 0.05
CONVERTER = ("export", "models.conversion_child")  # packages that a converted model depends on


@dataclass(frozen=True)
class OpenedModel:
    """A model file that was named, and the file that plays.

    Attributes
    ----------
    source : Path
        The file that was named.
    source_digest : str
        Its SHA-256.
    model : Path
        The `.onnx` file that plays: the source, or its conversion.
    digest : str
        Its SHA-256.
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
    """Open a model, converting it first if necessary.

    Parameters
    ----------
    path
        The model file.
    notify
        Called with sentences about the progress and the warnings of a conversion.
    stop
        Set it to cancel a conversion.

    Returns
    -------
    OpenedModel
        The file that plays is the named one or its conversion, which is kept in the data folder.

    Raises
    ------
    GlitchError
        The file is missing, or cannot be converted, with the reason.
    """
    source = Path(path).absolute()
    if not source.is_file():
        load(source)  # raises the right error
    known = _digest(source)
    if not needs_conversion(source):
        return OpenedModel(source, known, source, known)
    kept = converted_path(source, known)
    if not _is_complete(kept):
        _convert(source, kept, notify, stop or threading.Event())
    return OpenedModel(source, known, kept, _digest(kept))


def converted_path(source: Path, known: str) -> Path:
    """Return where the conversion of a file with this digest is kept."""
    return converted_folder() / f"{source.stem}-{known[:24]}-{converter_digest()[:8]}.onnx"


def converted_folder() -> Path:
    """Return the folder of converted models."""
    return data_folder() / "converted"


@cache
def converter_digest() -> str:
    """Return the SHA-256 of the converter: its code, and the number of the file format."""
    made = hashlib.sha256(str(FORMAT).encode())
    for name in CONVERTER:
        spec = importlib.util.find_spec(name)
        places = [Path(place) for place in (spec.submodule_search_locations or [spec.origin or ""])] if spec else []
        for place in places:
            for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
                made.update(path.name.encode() + path.read_bytes())
    return made.hexdigest()


def _digest(source: Path) -> str:
    try:
        return digest(source)
    except OSError as error:
        raise ContractError(f"Cannot read {source}: {error.strerror or error}.") from None


def _is_complete(kept: Path) -> bool:
    """Whether a converted model exists and is complete."""
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
    with _conversion_lock(kept.parent, source, notify, stop):
        if _is_complete(kept):  # converted by another process meanwhile
            return
        conversion_process.sweep(kept.parent)
        notify(f"{source.name} is being converted, once; this takes from seconds to a few minutes.")
        began = time.monotonic()
        converted = conversion_process.convert(source, kept, notify=notify, stop=stop)
        for warning in converted.warnings:
            notify(f"{source.name}: {warning}")
        notify(f"{source.name} was converted in {time.monotonic() - began:.0f} s and is kept as {kept}.")


@contextmanager
def _conversion_lock(where: Path, source: Path, notify: Callable[[str], None], stop: threading.Event) -> Iterator[None]:
    """Wait until no other process converts a model."""
    with (where / LOCK).open("a") as file:
        notified = False
        while not try_lock(file):
            if not notified:
                notify(f"{source.name} waits for another conversion to end.")
                notified = True
            if stop.wait(POLL_S):
                raise ConversionError(f"The conversion of {source.name} was cancelled.")
        yield
