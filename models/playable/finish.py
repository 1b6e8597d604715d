"""The end of a training: a model file that is played, and a page that shows what it makes of held-out notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.evaluation import evaluate
from models.evaluation.exhibit import exhibit
from models.playable.checkpoint import Playable
from models.playable.export import write

JUDGED = 12
"""Notes of each split that the page judges by; `glitch-lab evaluate` takes all."""


@dataclass(frozen=True)
class Completed:
    """What a training leaves for others to play, and to look at and listen to."""

    model: Path
    page: Path


def complete(
    made: Playable, data: Path, out: Path, *, on_sound: Callable[[int, int], None] = lambda done, total: None
) -> Completed:
    """Export a model into its training's folder, under the folder's name, and show what it can do.

    Parameters
    ----------
    made
        What came out of the training.
    data
        The manifest that it was trained on, or the folder that holds it.
    out
        The training's folder.
    on_sound
        Called after each note that was judged with how many are done and how many there are.

    Raises
    ------
    ContractError
        The model doesn't hold what the format promises; nothing is written.
    """
    name = out.resolve().name
    model = out / f"{name}.onnx"
    write(made, model, name)
    report = evaluate.evaluate(model, data, limit=JUDGED, on_sound=on_sound)
    return Completed(model, exhibit(model, data, report, out / "report"))
