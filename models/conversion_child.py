"""Child process that converts a foreign TorchScript file to a model file, within limits of time and memory.

    python -m models.conversion_child ORDER

The order is the JSON that `realtime.library.conversion_process` writes; the answer is a line of JSON in a file. The
process lowers its priority and sets its limits before it opens the file. If the system can fork, a guard process
remains that the file cannot block: when its standard input ends, because its parent has ended, it kills the worker and
removes the scratch folder.
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
from realtime.library.conversion_process import ANSWER

NICENESS = 10
MAX_FILE_BYTES = 4 << 30
STUDIO = ("torch", "onnxscript")
MAX_MESSAGE = 300  # characters of another library's message


@dataclass(frozen=True)
class Order:
    """Order of a conversion: see `realtime.library.conversion_process.ConversionOptions`."""

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
    """Carry out the order on the command line, and write the answer beside the model file."""
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
    os._exit(0)  # at once, since torch unloads slowly


def carry_out(order: Order) -> dict[str, Any]:
    """Convert; return `warnings`, or a one-sentence `error`, or the missing package as `lacks`."""
    try:
        return {"warnings": list(_convert(order))}
    except GlitchError as error:
        _show(order)
        return {"error": str(error)}
    except ModuleNotFoundError as error:
        _show(order)
        if (error.name or "").partition(".")[0] in STUDIO:
            return {"lacks": error.name}
        return {"error": _unexpected(order, error)}
    except MemoryError:
        _show(order)
        return {"error": _too_large(order)}
    except Exception as error:  # a foreign model can fail in any way
        _show(order)
        out_of_memory = "allocate memory" in str(error) or "not enough memory" in str(error)
        return {"error": _too_large(order) if out_of_memory else _unexpected(order, error)}


def limit(seconds: float, memory: int) -> None:
    """Limit time, memory and file size of this process, as far as the system supports it."""
    with suppress(ImportError, AttributeError, OSError):
        os.nice(NICENESS)
    with suppress(OSError):  # if memory runs out, kill this process first
        Path("/proc/self/oom_score_adj").write_text("1000")
    try:
        import resource
    except ImportError:  # Windows: only the parent's timeout applies
        return
    limits = {
        "RLIMIT_CPU": int(4 * seconds) + 1,
        "RLIMIT_FSIZE": MAX_FILE_BYTES,
        "RLIMIT_CORE": 0,
        "RLIMIT_DATA": memory,
    }
    for name, value in limits.items():
        with suppress(AttributeError, ValueError, OSError):
            kind = getattr(resource, name)
            _, most = resource.getrlimit(kind)
            least = value if most == resource.RLIM_INFINITY else min(value, most)
            resource.setrlimit(kind, (least, least))


def _convert(order: Order) -> tuple[str, ...]:
    from export.torchscript.script.archive import check_script

    check_script(order.source)
    torch, _ = (import_module(part) for part in STUDIO)  # first, so that a missing package isn't blamed on the file
    from export.torchscript.converter import convert

    torch.set_num_threads(1)
    made = convert(
        order.source, order.out, name=order.name, seed=order.seed, bend=order.bend or None, weights=order.weights
    )
    return made.warnings


def _ended(worker: int) -> int:
    """Wait for the worker and return its exit code: 128 plus the signal number if a signal ended it."""
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
        f"{order.source} cannot be converted: it needs more than the {order.memory / 2**30:.1f} GB that a "
        "conversion may use; use a smaller model."
    )


def _unexpected(order: Order, error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" :.\t")]
    what = (
        lines[-1] if lines and lines[0].startswith("The following operation failed") else (lines or ["no message"])[0]
    )
    what = "".join(letter if letter.isprintable() else " " for letter in what)[:MAX_MESSAGE].rstrip(" .")
    return (
        f"{order.source} cannot be converted: {type(error).__name__}: {what}; 'glitch-lab --debug convert' shows where."
    )


if __name__ == "__main__":
    main()
