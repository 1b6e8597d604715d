"""Compiled functions, cached on disk from one start to the next.

numba's cache is valid until the function's own file changes. But its callees, record layouts and constants come from
other files as well, and after an upgrade the old ones would still be used. So the cache is a folder of our own, named
by a hash of all files of the stage.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
from numba import cfunc, njit

from realtime.ipc.user_folders import data_folder

PACKAGE = Path(__file__).parents[1]
PREFIX = "glitch-live-"
MAX_UNUSED_S = 24 * 3600.0  # code of other versions is removed when it was not used for this long

config: Any = numba.config


def compiled(function: Callable[..., Any]) -> Any:
    """Make a function compiled on its first call, or loaded from the cache.

    Returns
    -------
    callable
        It divides as numpy does (no exception for zero) and releases the interpreter's lock.
    """
    with _own_cache():
        return njit(error_model="numpy", nogil=True, cache=True)(function)


def callback(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Make a decorator that compiles a function at once, for calls from C.

    Parameters
    ----------
    signature
        In numba types.

    Returns
    -------
    callable
        The decorator. The function that it returns has the C pointer as its `address`.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        with _own_cache():
            return cfunc(signature, error_model="numpy", cache=True)(function)

    return decorate


@functools.cache
def _cache_folder() -> Path:
    """Make the folder: in NUMBA_CACHE_DIR, else beside the package, else among the user's data."""
    code = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        code.update(path.read_bytes())
    name = f"{PREFIX}{code.hexdigest()[:16]}"
    bases = [Path(config.CACHE_DIR)] if config.CACHE_DIR else [PACKAGE / "__pycache__", data_folder() / "compiled"]
    for base in bases:
        with contextlib.suppress(OSError):
            (base / name).mkdir(parents=True, exist_ok=True)
            os.utime(base / name)  # marks it as used
            _remove_unused(base)
            return base / name
    return bases[-1] / name


def _remove_unused(base: Path) -> None:
    for kept in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - kept.stat().st_mtime > MAX_UNUSED_S:
                shutil.rmtree(kept)


@contextlib.contextmanager
def _own_cache() -> Iterator[None]:
    """Let numba use our folder while a function is declared; the cache of other code stays where it was."""
    before, config.CACHE_DIR = config.CACHE_DIR, str(_cache_folder())
    try:
        yield
    finally:
        config.CACHE_DIR = before
