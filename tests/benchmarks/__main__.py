"""Run benchmarks and print what they measured.

python -m tests.benchmarks NAME [NAME...] [--quick] [--json] [--limit SECONDS]
python -m tests.benchmarks all [--quick] [--json]
python -m tests.benchmarks --list

Results go to standard output, progress to standard error. Ended by a signal or at its time limit, a benchmark ends all
that it has started, and what it has measured so far is printed; in JSON, `ended` says why it isn't complete.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.support.catalogue import Benchmark, benchmarks
from tests.benchmarks.support.supervisor import Outcome, Signals, supervise

LIMIT_FACTOR, LIMIT_MARGIN_S = 2.0, 60.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        0: all are complete. 1: one failed or was ended at its limit. 2: the request makes no sense. 128 + number: ended
        by that signal.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure what the project claims.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmark to run, one of --list, or all")
    parser.add_argument("--quick", action="store_true", help="run the quick form: the same figures from less material")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--limit", type=float, metavar="SECONDS", help="end each benchmark after this many seconds")
    parser.add_argument("--list", action="store_true", help="say what each benchmark measures and how long it takes")
    request = parser.parse_args(argv)

    known = benchmarks()
    if request.list:
        _print_list(known)
        return 0
    wanted = list(known) if request.names == ["all"] else request.names
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        missing = f"There is no benchmark {', '.join(unknown)}" if unknown else "Name a benchmark to run, or all"
        print(f"{missing}; there are: {', '.join(known)}.", file=sys.stderr)
        return 2

    results: dict[str, Any] = {}
    failed = False
    with Signals() as signals:
        for name in wanted:
            limit_s = request.limit or _limit_s(known[name], request.quick)
            outcome = supervise(
                known[name], quick=request.quick, limit_s=limit_s, signals=signals, progress=_print_progress
            )
            failed |= bool(outcome.failure)
            results[name] = outcome.figures | ({"ended": outcome.failure} if outcome.failure else {})
            _print_outcome(known[name], outcome, brief=request.names == ["all"], as_json=request.json)
            if signals.received is not None:
                break
    if request.json:
        print(json.dumps(results if len(wanted) > 1 else results[wanted[0]]))
    if signals.received is not None:
        return 128 + signals.received
    return int(failed)


def _limit_s(benchmark: Benchmark, quick: bool) -> float:
    """Return a limit that only a benchmark that hangs reaches; none where the user has set its length."""
    if any(name in os.environ for name in benchmark.lengths):
        return float("inf")
    return LIMIT_FACTOR * benchmark.seconds(quick) + LIMIT_MARGIN_S


def _print_list(known: dict[str, Benchmark]) -> None:
    width = max(map(len, known))
    print(f"{'':{width}}  quick   full")
    for name, benchmark in known.items():
        lengths = f" ({', '.join(benchmark.lengths)})" if benchmark.lengths else ""
        print(f"{name:{width}}  {benchmark.quick_s:3d} s  {benchmark.full_s:4d} s  {benchmark.sentence}{lengths}")


def _print_progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print_outcome(benchmark: Benchmark, outcome: Outcome, *, brief: bool, as_json: bool) -> None:
    """Print a result: in full, or as one line of many."""
    to = sys.stderr if as_json else sys.stdout
    if brief:
        state = outcome.failure.replace("\n", " ") or "ok"
        print(f"{benchmark.name:10} {outcome.seconds:4.0f} s  {state}", file=to, flush=True)
        return
    if outcome.failure:
        print(f"{benchmark.name}: {outcome.failure}", file=sys.stderr)
    if not as_json and (outcome.text or outcome.figures):
        text = outcome.text or f"So far: {json.dumps(outcome.figures, indent=2)}"
        print(f"{benchmark.name}: {benchmark.sentence}\n{text}\n")


if __name__ == "__main__":
    sys.exit(main())
