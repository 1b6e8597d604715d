"""The end of a training: a model file that can be played, and a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from export.format.io import load
from models.commands import export
from models.spectral import report
from models.spectral.train import Result

REPORT_FILE = "report.html"


@dataclass(frozen=True)
class Completed:
    """What a training leaves for others to play and to read."""

    model: Path
    report: Path


def complete(result: Result, out: Path) -> Completed:
    """Export the model of a training into its folder, under the folder's name, and write its report.

    Parameters
    ----------
    result
        What came out of the training.
    out
        The training's folder.

    Raises
    ------
    ContractError
        The model doesn't hold what the format promises; nothing is written.
    """
    name = out.resolve().name
    made = Completed(out / f"{name}.onnx", out / REPORT_FILE)
    export.write(result.trained, made.model, name)
    report.write(made.report, result, made.model, load(made.model)[1])
    return made
