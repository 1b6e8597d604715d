"""What the evaluations of a training found: the figures of each, and the weights that did best."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
from torch import Tensor

from models.training.scheduled_module import HELD_OUT_LOSS, Paced

Row = dict[str, float]


class Judged(L.Callback):
    """Keeps a row for each evaluation, and the weights that lost least on held-out sounds.

    Both go into the checkpoint that a training is resumed from, so that one file holds all, and belongs together
    whenever the process is killed.

    Attributes
    ----------
    rows : list of dict
        `step`, `seconds`, and the figures that were logged, by name.
    best : float
        The least loss; not a number before the first evaluation.
    best_step : int
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.best = math.nan
        self.best_step = 0
        self._weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note the figures, and the weights if they are the best so far."""
        assert isinstance(pl_module, Paced)
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append({"step": trainer.global_step, "seconds": pl_module.seconds, **figures})
        score = figures[HELD_OUT_LOSS]
        if math.isfinite(score) and not score >= self.best:
            self.best, self.best_step = score, trainer.global_step
            self._weights = {name: value.detach().cpu().clone() for name, value in pl_module.state_dict().items()}

    def give_best(self, module: L.LightningModule) -> int:
        """Give a module the weights that did best, and the step at which they did; 0 if none ever was judged."""
        if self._weights:
            module.load_state_dict(self._weights)
        return self.best_step

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training must know."""
        return {"rows": self.rows, "best": self.best, "best_step": self.best_step, "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it up again."""
        self.rows, self._weights = list(state_dict["rows"]), dict(state_dict["weights"])
        self.best, self.best_step = float(state_dict["best"]), int(state_dict["best_step"])
