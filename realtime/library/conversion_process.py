"""Conversion of foreign models: the studio does it, in a process of its own, within limits of time and memory.

A foreign file contains somebody else's program, so it is never opened here. A child process with low priority does
that in a scratch folder, which is removed afterwards. It leaves a model file and its warnings, or an error message.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from export.errors import ContractError, GlitchError
from export.format.card import Card
from export.format.io import load
from realtime.ipc.child_process import detached
from realtime.library import library

SUFFIXES = tuple(suffix for suffix in library.SUFFIXES if suffix != ".onnx")  # of TorchScript
WEIGHTS = ("fp32", "fp16", "int8")
SCRATCH = ".converting-"  # prefix of scratch folders
ANSWER = "answer.json"
TIME_LIMIT_S = 900.0
MIN_MEMORY, MAX_MEMORY = 2 << 30, 8 << 30  # bytes, limits of the default memory limit
MAX_ANSWER_BYTES = 1 << 20
FIRST_NOTICE_S = 10.0  # after this long a notice is sent, then after twice as long, and so on
POLL_S = 0.05


class ConversionError(GlitchError):
    """A model could not be converted: the studio is missing, a limit was exceeded, or the process crashed."""


@dataclass(frozen=True)
class ConversionOptions:
    """Options of a conversion.

    Attributes
    ----------
    name : str or None
        The model's name; None takes that of its file.
    seed : int
        Of random inputs in the proof.
    bend : tuple of str
        Patterns with `*` and `?` for the names of layers that get live controls.
    weights : str
        Data type of the weights, one of `WEIGHTS`.
    """

    name: str | None = None
    seed: int = 0
    bend: tuple[str, ...] = ()
    weights: str = "fp32"


@dataclass(frozen=True)
class Converted:
    """The card of a converted model, with warnings for the performer."""

    card: Card
    warnings: tuple[str, ...]


def needs_conversion(path: str | os.PathLike[str]) -> bool:
    """Whether a path names a foreign model, by its suffix."""
    return Path(path).suffix.lower() in SUFFIXES


def convert(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: ConversionOptions | None = None,
    *,
    notify: Callable[[str], None] = lambda _sentence: None,
    stop: threading.Event | None = None,
    time_limit_s: float = TIME_LIMIT_S,
    memory_limit: int | None = None,
    debug: bool = False,
) -> Converted:
    """Convert a TorchScript file into a model file; no partial file is left if it fails.

    Parameters
    ----------
    source, out
        The file to read, and the `.onnx` file to write.
    options
        Name, seed, bends and weights.
    notify
        Called with a sentence from time to time.
    stop
        Set it to cancel the conversion.
    time_limit_s, memory_limit
        In s and bytes; None is half of the machine's memory, between `MIN_MEMORY` and `MAX_MEMORY`.
    debug
        Whether the child may write to standard error.

    Returns
    -------
    converted : Converted
        The card, and warnings.

    Raises
    ------
    ContractError
        The file is no such model, or cannot be converted without changing its sound.
    ConversionError
        The studio is missing, a limit was exceeded, or the child crashed.
    """
    source, out = Path(source).absolute(), Path(out).absolute()
    if out.suffix.lower() != ".onnx":
        raise ContractError(f"A model file ends in .onnx, and {out} doesn't; call it {out.with_suffix('.onnx')}.")
    if not out.parent.is_dir():
        raise ContractError(f"Cannot write {out}: there is no folder {out.parent}; make it first.")
    if importlib.util.find_spec("torch") is None:
        error = studio_missing(source)
        raise error
    with _scratch(out.parent) as folder:
        order = {"source": str(source), "out": str(folder / out.name), **asdict(options or ConversionOptions())}
        order |= {"name": order["name"] or source.stem, "debug": debug}
        order |= {"seconds": time_limit_s, "memory": memory_limit or default_memory_limit()}
        code = _run(order, source, notify, stop or threading.Event(), time_limit_s)
        warnings = _answer(folder / ANSWER, source, code)
        _, card = load(folder / out.name)
        os.replace(folder / out.name, out)
    return Converted(card, warnings)


def studio_missing(source: Path) -> ConversionError:
    """Return the error for a model that cannot be converted without the studio."""
    return ConversionError(
        f'{source.name} must be converted before it plays, which takes PyTorch: pip install -e ".[lab]" in a clone, '
        "or convert it on another machine with 'glitch-lab convert'."
    )


def default_memory_limit() -> int:
    """Return the memory limit of a conversion in bytes, chosen so that playing isn't disturbed."""
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # the system doesn't report it
        return MAX_MEMORY
    return min(max(there // 2, MIN_MEMORY), MAX_MEMORY)


def sweep(folder: Path) -> None:
    """Remove the scratch folders of killed conversions; none may be running in the folder."""
    for left in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    folder = parent / f"{SCRATCH}{secrets.token_hex(4)}"
    try:
        folder.mkdir()
    except OSError as error:
        raise ConversionError(f"Cannot write to {parent}: {error.strerror or error}.") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(
    order: dict[str, Any], source: Path, notify: Callable[[str], None], stop: threading.Event, time_limit_s: float
) -> int:
    """Run the child, and return its exit code."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "models.conversion_child", json.dumps(order)],
        stdin=subprocess.PIPE,  # it ends when this pipe does
        stdout=subprocess.DEVNULL,
        stderr=None if order["debug"] else subprocess.DEVNULL,
        env=_environment(),
        **detached(),
    )
    began, next_notice = time.monotonic(), FIRST_NOTICE_S
    try:
        while True:
            try:
                return child.wait(POLL_S)
            except subprocess.TimeoutExpired:
                passed = time.monotonic() - began
            if stop.is_set():
                raise ConversionError(f"The conversion of {source.name} was cancelled.")
            if passed > time_limit_s:
                raise ConversionError(
                    f"The conversion of {source.name} was ended after {time_limit_s:.0f} s; the model is broken, or "
                    "far too large to be played live."
                )
            if passed > next_notice:
                notify(f"{source.name} is still being converted, after {passed:.0f} s.")
                next_notice *= 2
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a child that may still run, and its worker."""
    if child.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    child.wait()
    assert child.stdin is not None
    child.stdin.close()


def _environment() -> dict[str, str]:
    """Return the child's environment: it imports from where this process does, not from its working folder."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1",
    }


def _answer(path: Path, source: Path, code: int) -> tuple[str, ...]:
    """Read the answer of a child that has ended: its warnings; raise its error."""
    try:
        with path.open("rb") as file:
            answer = json.loads(file.read(MAX_ANSWER_BYTES))
    except (OSError, ValueError):
        raise ConversionError(
            f"The conversion of {source.name} crashed ({_describe_exit(code)}); the file is broken, or larger than "
            "this machine can hold."
        ) from None
    if "lacks" in answer:
        raise studio_missing(source)
    if "error" in answer:
        raise ContractError(answer["error"])
    return tuple(answer["warnings"])


def _describe_exit(code: int) -> str:
    number = -code if code < 0 else code - 128
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"code {code}"
