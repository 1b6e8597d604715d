"""``python -m tests.benchmarks NAME [NAME...] [--json]``: run benchmarks and print what they measured."""

import argparse
import ast
import importlib
import json
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests import benchmarks


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 is success, 1 a benchmark that could not run, 2 a request that makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure what the project claims.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmark to run, one of --list")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and say what each measures")
    request = parser.parse_args(argv)

    known = _benchmarks()
    if request.list:
        width = max(map(len, known), default=0)
        for name, measures in known.items():
            print(f"{name:{width}}  {measures}")
        return 0
    unknown = [name for name in request.names if name not in known]
    if unknown or not request.names:
        missing = f"There is no benchmark {', '.join(unknown)}" if unknown else "Name a benchmark to run"
        print(f"{missing}; there are: {', '.join(known)}.", file=sys.stderr)
        return 2

    results = {}
    for name in request.names:
        try:
            benchmark = importlib.import_module(f"{benchmarks.__name__}.{name}")
            results[name] = benchmark.run()
        except (ImportError, RuntimeError) as error:  # something that it needs is missing; the message says what
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        if not request.json:
            describe = getattr(benchmark, "describe", lambda result: json.dumps(result, indent=2))
            print(f"{name}: {known[name]}\n{describe(results[name])}\n")
    if request.json:
        print(json.dumps(results if len(results) > 1 else next(iter(results.values()))))
    return 0


def _benchmarks() -> dict[str, str]:
    """Names and the first lines of their docstrings, read without importing them: some need what others don't."""
    found = {}
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if not module.name.startswith("_"):
            source = Path(benchmarks.__path__[0], f"{module.name}.py").read_text(encoding="utf-8")
            first_line = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
            found[module.name] = first_line.removeprefix(f"{module.name}: ")
    return found


if __name__ == "__main__":
    sys.exit(main())
