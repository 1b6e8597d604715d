"""The list of benchmarks, read from their sources: importing them would need all that any of them needs."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDERS = ("live", "offline")
CONSTANTS = {"QUICK_S", "FULL_S", "LENGTHS"}


@dataclass(frozen=True)
class Benchmark:
    """A benchmark.

    Attributes
    ----------
    sentence
        Description of the measurement.
    module
        Full name of its module.
    quick_s, full_s
        About how long its forms take on two cores, s.
    lengths
        Environment variables that change how much it measures.
    """

    name: str
    sentence: str
    module: str
    quick_s: int
    full_s: int
    lengths: tuple[str, ...] = ()

    def seconds(self, quick: bool) -> int:
        """Return about how long a form takes, s."""
        return self.quick_s if quick else self.full_s


def benchmarks() -> dict[str, Benchmark]:
    """Return all benchmarks by their names, in order."""
    found = {}
    for folder in FOLDERS:
        for path in (ROOT / folder).glob("[!_]*.py"):
            found[path.stem] = _read(path)
    return dict(sorted(found.items()))


def _read(path: Path) -> Benchmark:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    first_line = (ast.get_docstring(tree) or "").partition("\n")[0]
    constants: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            [target] = node.targets
            names = [each.id for each in ast.walk(target) if isinstance(each, ast.Name)]
            if CONSTANTS.issuperset(names):
                value = ast.literal_eval(node.value)
                constants |= dict(zip(names, value if isinstance(target, ast.Tuple) else [value], strict=True))
    return Benchmark(
        name=path.stem,
        sentence=first_line.removeprefix(f"{path.stem}: "),
        module=f"{ROOT.parent.name}.{ROOT.name}.{path.parent.name}.{path.stem}",
        quick_s=constants["QUICK_S"],
        full_s=constants["FULL_S"],
        lengths=tuple(constants.get("LENGTHS", ())),
    )
