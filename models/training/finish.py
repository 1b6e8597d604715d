"""The end of a run: checks of the trained weights, their provenance, and the files that are played and read."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from export.format.card import Provenance
from models.data.manifest import Source
from models.training.errors import TrainingError
from models.training.run_config import RunConfig


@dataclass(frozen=True)
class Finished:
    """The files that a run leaves to play and to read.

    Attributes
    ----------
    report
        The report, an HTML page.
    model
        The model file; None where there is nothing to play.
    """

    report: Path
    model: Path | None = None


def check_finite(network: nn.Module, remedy: str = "lower learning_rate") -> None:
    """Refuse weights that are not finite.

    Raises
    ------
    TrainingError
        The training diverged; the message ends with the remedy.
    """
    if not all(bool(value.isfinite().all()) for value in network.state_dict().values()):
        raise TrainingError(f"The training diverged: its weights are no longer finite; {remedy}.")


def provenance(
    run: RunConfig, data: Iterable[str], licences: Iterable[str], *, steps: int, seed: int, notes: str, join: str = ", "
) -> Provenance:
    """Describe the origin of a model that was trained today.

    Parameters
    ----------
    run
        The run, for its command line.
    data, licences
        Names and licences of the data, without repetitions; empty ones are left out.
    steps, seed
        Training steps of the model, and seed of the training.
    notes
        Figures of the training.
    join
        Separator of the names.

    Returns
    -------
    provenance : Provenance
        Names are joined by `join`, licences by semicolons.
    """
    return Provenance(
        data=join.join(dict.fromkeys(name for name in data if name)),
        licence="; ".join(dict.fromkeys(licence for licence in licences if licence)),
        date=datetime.date.today().isoformat(),
        command=run.command,
        steps=steps,
        seed=seed,
        notes=notes,
    )


def names_of(source: Source) -> tuple[str, str, str]:
    """Give the name of a data set, and the tool and soundfont that it was made with."""
    return source.name, source.tool, source.soundfont
