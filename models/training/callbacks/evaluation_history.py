"""The evaluations of a training: the figures of each, and the weights of the best."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
from torch import Tensor

from models.training.scheduled_module import HELD_OUT_LOSS, ScheduledModule

Row = dict[str, float]


class EvaluationHistory(L.Callback):
    """Keeps a row for each evaluation, and the weights with the smallest loss on held-out sounds.

    Both are stored in the checkpoint that a training is resumed from, so that they agree with it whenever the process
    is killed.

    Attributes
    ----------
    rows : list of dict
        `step`, `seconds`, and the figures that were logged, by name.
    best : float
        The smallest loss; NaN before the first evaluation.
    best_step : int
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.best = math.nan
        self.best_step = 0
        self._weights: dict[str, Tensor] = {}

    @property
    def state_key(self) -> str:
        """Key of the state in `last.ckpt`; the class had this name when the first ones were written."""
        return "Judged"

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the figures, and the weights if they are the best so far."""
        assert isinstance(pl_module, ScheduledModule)
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append({"step": trainer.global_step, "seconds": pl_module.seconds, **figures})
        score = figures[HELD_OUT_LOSS]
        if math.isfinite(score) and not score >= self.best:
            self.best, self.best_step = score, trainer.global_step
            self._weights = {name: value.detach().cpu().clone() for name, value in pl_module.state_dict().items()}

    def load_best(self, module: L.LightningModule) -> int:
        """Load the best weights into a module; give the step that they are of, 0 if there was no evaluation."""
        if self._weights:
            module.load_state_dict(self._weights)
        return self.best_step

    def state_dict(self) -> dict[str, Any]:
        """Give what a resumed training needs."""
        return {"rows": self.rows, "best": self.best, "best_step": self.best_step, "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it over."""
        self.rows, self._weights = list(state_dict["rows"]), dict(state_dict["weights"])
        self.best, self.best_step = float(state_dict["best"]), int(state_dict["best_step"])
