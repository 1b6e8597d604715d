"""Compiled functions, kept on disk from one start to the next.

numba keeps what it has compiled for as long as the function's own file stays as it is. But what a function calls, the
layouts that it reads and the constants in it come from other files too: after an upgrade it would go on with those of
before. So all of it is kept in a folder that is named after what all files of the stage hold.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
from numba import cfunc, njit

from realtime.library import data_folder

HERE = Path(__file__).parent
NAME = "glitch-live-"
OLD_S = 24 * 3600.0  # code of another version that nobody has used for so long is removed

config: Any = numba.config


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function; it divides as numpy does and lets other threads of Python run."""
    with _kept_apart():
        return njit(error_model="numpy", nogil=True, cache=True)(function)


def callback(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function that C calls."""

    def compile_it(function: Callable[..., Any]) -> Any:
        with _kept_apart():
            return cfunc(signature, error_model="numpy", cache=True)(function)

    return compile_it


def folder() -> Path:
    """Say where compiled code is kept: in NUMBA_CACHE_DIR, else beside the files where one may write there."""
    if config.CACHE_DIR:
        base = Path(config.CACHE_DIR)
    elif os.access(HERE, os.W_OK):
        base = HERE / "__pycache__"
    else:
        base = data_folder() / "compiled"
    code = hashlib.sha256()
    for path in sorted(HERE.glob("*.py")):
        code.update(path.read_bytes())
    return base / f"{NAME}{code.hexdigest()[:16]}"


def _used(kept: Path) -> Path:
    """Note that a folder is used, and remove those that are not any more."""
    with contextlib.suppress(OSError):
        kept.mkdir(parents=True, exist_ok=True)
        os.utime(kept)
        for other in kept.parent.glob(f"{NAME}*"):
            if time.time() - other.stat().st_mtime > OLD_S:
                shutil.rmtree(other, ignore_errors=True)
    return kept


_folder = _used(folder())


@contextlib.contextmanager
def _kept_apart() -> Iterator[None]:
    """Let numba choose our folder, for a moment: where other code keeps its own is not ours to say."""
    before, config.CACHE_DIR = config.CACHE_DIR, str(_folder)
    try:
        yield
    finally:
        config.CACHE_DIR = before
