"""The end of a training of a playable model: its model file, and a report on held-out notes."""

from __future__ import annotations

from pathlib import Path

from models.evaluation import evaluate
from models.evaluation.evaluation_page import exhibit
from models.playable_vae.checkpoint import Playable
from models.playable_vae.export import write
from models.training.finish import Finished
from models.training.run_config import Progress, RunConfig, no_progress

EVALUATED = 12
"""Notes of each split that the report evaluates; `glitch-lab evaluate` takes all."""


def finish(model: Playable, data: Path, run: RunConfig, *, on_progress: Progress = no_progress) -> Finished:
    """Export the trained model into the folder of its run, under the folder's name, and write its report.

    Parameters
    ----------
    model
        The trained model.
    data
        The manifest of its sounds, or the folder that holds it.
    run
        The run.
    on_progress
        Called after each note that was evaluated; see `Progress`.

    Returns
    -------
    finished : Finished
        The page in the folder `report`, and the model file.

    Raises
    ------
    ContractError
        The model doesn't fulfil the format; nothing is written.
    """
    write(model, run.model, run.name)
    report = evaluate.evaluate(
        run.model, data, limit=EVALUATED, on_sound=lambda done, total: on_progress("judging", done, total)
    )
    return Finished(exhibit(run.model, data, report, run.out / "report"), run.model)
