"""The child that converts: reads somebody else's TorchScript, writes a model file of ours, and answers with a line.

    python -m models.convert ORDER

The order is the JSON that `realtime.library.conversion` writes. It is carried out within limits that the process sets
itself
before it opens the file, and beside everything that plays. Where the system can fork, a guard stays behind that nothing
in the file holds up: when its standard input ends, however its parent ended, it ends the worker and takes the scratch
folder along.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from export.errors import GlitchError
from realtime.ipc.lifeline import on_parent_exit
from realtime.library.conversion import ANSWER

NICENESS = 10
BIGGEST_FILE = 4 << 30  # bytes that it may write
STUDIO = ("torch", "onnxscript")
LONGEST = 300  # characters of what others say that are passed on


@dataclass(frozen=True)
class Order:
    """What to convert, and how: see `realtime.library.conversion.ConversionOptions`."""

    source: str
    out: str
    name: str
    seed: int
    bend: list[str]
    weights: str
    seconds: float
    memory: int
    debug: bool


def main() -> None:
    """Carry out the order on the command line, and leave the answer beside the file that was made."""
    order = Order(**json.loads(sys.argv[1]))
    scratch = Path(order.out).parent
    worker = os.fork() if hasattr(os, "fork") else 0  # before there is a thread, and before torch
    if worker:
        on_parent_exit(lambda: _leave(scratch, worker))
        os._exit(_ended(worker))
    if not hasattr(os, "fork"):
        on_parent_exit(lambda: _leave(scratch))
    limit(order.seconds, order.memory)
    (scratch / ANSWER).write_text(json.dumps(carry_out(order)), encoding="utf-8")
    sys.stderr.flush()
    os._exit(0)  # at once: nothing is left to be done, and torch takes its time to unload


def carry_out(order: Order) -> dict[str, Any]:
    """Convert, and say how it went: `warnings`, or the `error` in a sentence, or what the studio `lacks`."""
    try:
        return {"warnings": list(_convert(order))}
    except GlitchError as error:
        _show(order)
        return {"error": str(error)}
    except ModuleNotFoundError as error:
        _show(order)
        if (error.name or "").partition(".")[0] in STUDIO:
            return {"lacks": error.name}
        return {"error": _unforeseen(order, error)}
    except MemoryError:
        _show(order)
        return {"error": _too_large(order)}
    except Exception as error:  # a stranger's model can fail in ways that nobody foresees
        _show(order)
        out_of_memory = "allocate memory" in str(error) or "not enough memory" in str(error)
        return {"error": _too_large(order) if out_of_memory else _unforeseen(order, error)}


def limit(seconds: float, memory: int) -> None:
    """Bound what this process may take of the machine, as far as the system lets it."""
    with suppress(ImportError, AttributeError, OSError):
        os.nice(NICENESS)
    with suppress(OSError):  # where memory does run out, nothing that plays is to go for it
        Path("/proc/self/oom_score_adj").write_text("1000")
    try:
        import resource
    except ImportError:  # Windows: the parent's clock is what bounds it there
        return
    wanted = {"RLIMIT_CPU": int(4 * seconds) + 1, "RLIMIT_FSIZE": BIGGEST_FILE, "RLIMIT_CORE": 0, "RLIMIT_DATA": memory}
    for name, value in wanted.items():
        with suppress(AttributeError, ValueError, OSError):
            kind = getattr(resource, name)
            _, most = resource.getrlimit(kind)
            least = value if most == resource.RLIM_INFINITY else min(value, most)
            resource.setrlimit(kind, (least, least))


def _convert(order: Order) -> tuple[str, ...]:
    from export.torchscript.script.archive import check_script

    check_script(order.source)
    torch, _ = (import_module(part) for part in STUDIO)  # before ours: what is lacking is no fault of the file
    from export.torchscript.converter import convert

    torch.set_num_threads(1)
    made = convert(
        order.source, order.out, name=order.name, seed=order.seed, bend=order.bend or None, weights=order.weights
    )
    return made.warnings


def _ended(worker: int) -> int:
    """Wait for the worker, and give its exit code: 128 and the signal's number where a signal ended it."""
    _, status = os.waitpid(worker, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _leave(scratch: Path, worker: int = 0) -> None:
    if worker:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)


def _show(order: Order) -> None:
    if order.debug:
        traceback.print_exc()


def _too_large(order: Order) -> str:
    return (
        f"{order.source} cannot be converted: it asks for more than the {order.memory / 2**30:.1f} GB that a "
        "conversion may take; use a smaller model."
    )


def _unforeseen(order: Order, error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" :.\t")]
    what = (
        lines[-1] if lines and lines[0].startswith("The following operation failed") else (lines or ["nothing said"])[0]
    )
    what = "".join(letter if letter.isprintable() else " " for letter in what)[:LONGEST].rstrip(" .")
    return (
        f"{order.source} cannot be converted: {type(error).__name__}: {what}; 'glitch-lab --debug convert' shows where."
    )


if __name__ == "__main__":
    main()
