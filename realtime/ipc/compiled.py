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

from realtime.ipc.folders import data_folder

PACKAGE = Path(__file__).parents[1]
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


def _made() -> Path:
    """Make the folder: in NUMBA_CACHE_DIR, else beside the files, or where what is the user's lies."""
    code = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        code.update(path.read_bytes())
    name = f"{NAME}{code.hexdigest()[:16]}"
    bases = [Path(config.CACHE_DIR)] if config.CACHE_DIR else [PACKAGE / "__pycache__", data_folder() / "compiled"]
    for base in bases:
        with contextlib.suppress(OSError):
            (base / name).mkdir(parents=True, exist_ok=True)
            os.utime(base / name)  # so that others see that it is used
            _tidy(base)
            return base / name
    return bases[-1] / name


def _tidy(base: Path) -> None:
    """Remove what nobody has used for long."""
    for kept in base.glob(f"{NAME}*"):
        with contextlib.suppress(OSError):
            if time.time() - kept.stat().st_mtime > OLD_S:
                shutil.rmtree(kept)


_folder = _made()


@contextlib.contextmanager
def _kept_apart() -> Iterator[None]:
    """Let numba choose our folder, for a moment: where other code keeps its own is not ours to say."""
    before, config.CACHE_DIR = config.CACHE_DIR, str(_folder)
    try:
        yield
    finally:
        config.CACHE_DIR = before
