"""The end of a training of a spectral VAE: its model file and its report."""

from __future__ import annotations

from pathlib import Path

from export.format.io import load
from models.spectral_vae import export, report
from models.spectral_vae.train import Result
from models.training.finish import Finished
from models.training.run_config import RunConfig

REPORT_FILE = "report.html"


def finish(result: Result, run: RunConfig) -> Finished:
    """Export the trained model into the folder of its run, under the folder's name, and write its report.

    Returns
    -------
    finished : Finished

    Raises
    ------
    ContractError
        The model doesn't fulfil the format; nothing is written.
    """
    export.write(result.trained, run.model, run.name)
    page: Path = run.out / REPORT_FILE
    report.write(page, result, run.model, load(run.model)[1])
    return Finished(page, run.model)
