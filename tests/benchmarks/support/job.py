"""The process that measures: it reports progress, partial results and the result to the process that started it.

    python -m tests.benchmarks.support.job MODULE FUNCTION quick|full [ARGUMENT...]

Calls ``FUNCTION(job, *arguments)`` of a module; arguments are JSON. Standard output carries one JSON object a line,
each with one key: `progress` (a text), `partial` (figures so far), and last `result` or `error`. All that the process
or its children print otherwise goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
Figures = dict[str, Any]

ERROR_CHARACTERS = 2000


class BenchmarkError(RuntimeError):
    """A measurement failed, or gave nothing that can be trusted."""


@dataclass(frozen=True)
class Job:
    """One run of a benchmark.

    Attributes
    ----------
    quick
        Whether to run the quick form: the same keys, from material that takes seconds.
    send : Callable[[str, object], None]
        Takes a kind of message and its content; see the head of this module.
    """

    quick: bool
    send: Callable[[str, object], None]

    def choose(self, quick: T, full: T) -> T:
        """Return the value for the form that is run."""
        return quick if self.quick else full

    def number(self, variable: str, *, quick: float, full: float) -> float:
        """Return a length from the environment, or else the one of the form that is run."""
        return float(os.environ.get(variable, self.choose(quick, full)))

    def progress(self, text: str) -> None:
        """Report what is being measured now."""
        self.send("progress", text)

    def partial(self, figures: Figures) -> None:
        """Report the figures so far; they are the result if the run is ended."""
        self.send("partial", figures)

    def in_process(
        self,
        function: Callable[..., Figures],
        *arguments: object,
        environment: Mapping[str, str] | None = None,
        partial: Callable[[Figures], Figures] | None = None,
    ) -> Figures:
        """Run a function of a module in a process of its own.

        Parameters
        ----------
        function
            Takes a `Job`, then the arguments.
        arguments
            Anything that JSON can hold.
        environment
            Of the process. Default: this one's.
        partial
            Makes partial figures of the whole benchmark from those of the function. Default: they are not reported.

        Returns
        -------
        Figures
            The return value of the function.

        Raises
        ------
        BenchmarkError
            If it fails.
        """
        with tempfile.TemporaryFile("w+", errors="replace") as errors:
            process = subprocess.Popen(
                command(function.__module__, function.__name__, self.quick, arguments),
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
            )
            assert process.stdout is not None
            result: Figures | None = None
            error = ""
            for line in process.stdout:
                [(kind, content)] = json.loads(line).items()
                if kind == "progress":
                    self.progress(content)
                elif kind == "partial" and partial is not None:
                    self.partial(partial(content))
                elif kind == "result":
                    result = content
                elif kind == "error":
                    error = content
            process.wait()
            if result is None:
                errors.seek(0)
                said = errors.read()[-ERROR_CHARACTERS:].strip()
                raise BenchmarkError(error or f"{function.__name__} failed: {said}")
        return result


def command(module: str, function: str, quick: bool, arguments: Sequence[object] = ()) -> list[str]:
    """Return the command that runs a function as a job."""
    form = "quick" if quick else "full"
    return [sys.executable, "-m", __spec__.name, module, function, form, *(json.dumps(each) for each in arguments)]


def run_benchmark(job: Job, module: str) -> Figures:
    """Run a benchmark, and describe its result."""
    benchmark = importlib.import_module(module)
    figures = benchmark.run(job)
    return {"figures": figures, "text": benchmark.describe(figures)}


def main(arguments: Sequence[str]) -> int:
    """Run a function; see the head of this module."""
    module, function, form, *given = arguments
    messages = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(kind: str, content: object) -> None:
        messages.write(json.dumps({kind: content}) + "\n")

    try:
        measure = getattr(importlib.import_module(module), function)
        result = measure(Job(form == "quick", send), *map(json.loads, given))
    except Exception as error:
        traceback.print_exc()
        plain = isinstance(error, (ImportError, RuntimeError))  # its text says what is missing
        send("error", str(error) if plain else f"{type(error).__name__}: {error}")
        return 1
    send("result", result)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
