"""A model of another kind becomes one of ours: the studio does it, in a process of its own, within limits.

What a foreign file holds is somebody else's program. It is never opened here: a child with a limit of time and of
memory does that, below everything that sounds, in a scratch folder that goes with it. What comes back is a model file
of ours and what should be said of it, or one sentence.
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
from realtime.ipc.child import detached
from realtime.library import library

SUFFIXES = tuple(suffix for suffix in library.SUFFIXES if suffix != ".onnx")  # what a file of TorchScript is called
WEIGHTS = ("fp32", "fp16", "int8")
SCRATCH = ".converting-"  # how names of scratch folders begin
ANSWER = "answer.json"
TIME_LIMIT_S = 900.0
LEAST_MEMORY, MOST_MEMORY = 2 << 30, 8 << 30  # bytes that it may want, whatever the machine has
MOST_TOLD = 1 << 20  # bytes of an answer
FIRST_WORD_S = 10.0  # after so long it is said that it still goes on, then after twice as long, and so on
POLL_S = 0.05


class ConversionError(GlitchError):
    """A model could not be converted: the studio isn't there, or the conversion took too much, or crashed."""


@dataclass(frozen=True)
class ConversionOptions:
    """How a model shall be converted.

    Attributes
    ----------
    name
        What it is called; None takes the name of its file.
    seed
        Of what is random in the proof.
    bend
        Names of the layers that get live controls, with `*` and `?`; none makes none.
    weights
        How they are kept, one of `WEIGHTS`.
    """

    name: str | None = None
    seed: int = 0
    bend: tuple[str, ...] = ()
    weights: str = "fp32"


@dataclass(frozen=True)
class Converted:
    """A model that was made, and what the player should know of it, a sentence each."""

    card: Card
    warnings: tuple[str, ...]


def needs_conversion(path: str | os.PathLike[str]) -> bool:
    """Whether a path names a model that must be converted before it plays."""
    return Path(path).suffix.lower() in SUFFIXES


def convert(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    wishes: ConversionOptions | None = None,
    *,
    notify: Callable[[str], None] = lambda _sentence: None,
    stop: threading.Event | None = None,
    time_limit_s: float = TIME_LIMIT_S,
    memory_limit: int | None = None,
    debug: bool = False,
) -> Converted:
    """Convert a TorchScript file into a model file, whole or not at all.

    Parameters
    ----------
    source, out
        The file to read, and the `.onnx` file to write.
    notify
        Called now and then with a sentence while it goes on.
    stop
        When it is set, the conversion is given up.
    time_limit_s, memory_limit
        After so many seconds, or when it wants so many bytes (None: half of what the machine has), it is ended.
    debug
        Let the child say on standard error what it does.

    Raises
    ------
    ContractError
        The file is no such model, or cannot be played without changing how it sounds; the reason is said.
    ConversionError
        There is no studio here, or the limits were reached, or the child crashed.
    """
    source, out = Path(source).absolute(), Path(out).absolute()
    if out.suffix.lower() != ".onnx":
        raise ContractError(f"A model file ends in .onnx, and {out} doesn't; call it {out.with_suffix('.onnx')}.")
    if not out.parent.is_dir():
        raise ContractError(f"Cannot write {out}: there is no folder {out.parent}; make it first.")
    if importlib.util.find_spec("torch") is None:
        raise lacking_studio(source)
    with _scratch(out.parent) as folder:
        order = {"source": str(source), "out": str(folder / out.name), **asdict(wishes or ConversionOptions())}
        order |= {"name": order["name"] or source.stem, "debug": debug}
        order |= {"seconds": time_limit_s, "memory": memory_limit or half_the_memory()}
        code = _run(order, source, notify, stop or threading.Event(), time_limit_s)
        warnings = _answer(folder / ANSWER, source, code)
        _, card = load(folder / out.name)
        os.replace(folder / out.name, out)
    return Converted(card, warnings)


def lacking_studio(source: Path) -> ConversionError:
    """Make the error that says what is missing to convert a model."""
    return ConversionError(
        f'{source.name} must be converted before it plays, which takes PyTorch: pip install -e ".[lab]" in a clone, '
        "or convert it on another machine with 'glitch-lab convert'."
    )


def half_the_memory() -> int:
    """Give what a conversion may want, in bytes, so that it takes no memory from what plays."""
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # a system that doesn't say
        return MOST_MEMORY
    return min(max(there // 2, LEAST_MEMORY), MOST_MEMORY)


def sweep(folder: Path) -> None:
    """Remove what conversions left in a folder that were killed. Whoever calls knows that none goes on there."""
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
    """Let a child carry out an order, and give its exit code."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "models.convert", json.dumps(order)],
        stdin=subprocess.PIPE,  # what it lives by
        stdout=subprocess.DEVNULL,
        stderr=None if order["debug"] else subprocess.DEVNULL,
        env=_surroundings(),
        **detached(),
    )
    began, next_word = time.monotonic(), FIRST_WORD_S
    try:
        while True:
            try:
                return child.wait(POLL_S)
            except subprocess.TimeoutExpired:
                passed = time.monotonic() - began
            if stop.is_set():
                raise ConversionError(f"The conversion of {source.name} was given up, since nobody waits for it.")
            if passed > time_limit_s:
                raise ConversionError(
                    f"The conversion of {source.name} was ended after {time_limit_s:.0f} s; the model is broken, or "
                    "far too large to be played live."
                )
            if passed > next_word:
                notify(f"{source.name} is still being converted, after {passed:.0f} s.")
                next_word *= 2
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a child that may still go on, and its worker."""
    if child.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    child.wait()
    assert child.stdin is not None
    child.stdin.close()


def _surroundings() -> dict[str, str]:
    """Let the child import from where we do, and from nowhere else: not from the folder that it is started in."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1",
    }


def _answer(path: Path, source: Path, code: int) -> tuple[str, ...]:
    """Read what a child that has ended says; raise what it couldn't do."""
    try:
        with path.open("rb") as file:
            told = json.loads(file.read(MOST_TOLD))
    except (OSError, ValueError):
        raise ConversionError(
            f"The conversion of {source.name} crashed ({_why(code)}); the file is broken, or larger than this machine "
            "can hold."
        ) from None
    if "lacks" in told:
        raise lacking_studio(source)
    if "error" in told:
        raise ContractError(told["error"])
    return tuple(told["warnings"])


def _why(code: int) -> str:
    number = -code if code < 0 else code - 128
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"code {code}"
