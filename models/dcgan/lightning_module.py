"""The training of a DCGAN as a Lightning module."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from typing import Any, ClassVar

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch.optim import Optimizer
from torch.utils.data import DataLoader, IterableDataset

from models.dcgan.adversarial_step import AdversarialNetworks
from models.dcgan.settings import DcganSettings
from models.training.scheduled_module import SETTINGS_KEY, ScheduledModule

_LOGGED_EVERY = 10
_TRIALS, _FIRST_TRIALS = 6, 2


class DcganModule(ScheduledModule):
    """Trains a DCGAN; a step updates discriminator and generator.

    Lightning counts the updates of both optimizers, so the steps are counted here.

    Parameters
    ----------
    networks
        The networks, with data and settings.
    """

    settings: DcganSettings
    renamed_weights: ClassVar[dict[str, str]] = {
        "game.judge.": "networks.discriminator.",
        "game.": "networks.",
    }

    def __init__(self, networks: AdversarialNetworks) -> None:
        super().__init__(networks.settings)
        self.automatic_optimization = False
        self.networks = networks
        self._steps = 0

    @property
    def steps_done(self) -> int:
        """Training steps done, including those before it was resumed."""
        return self._steps

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self._steps // self.networks.domain.epoch_steps

    def configure_optimizers(self) -> list[Optimizer]:
        """One for each network."""
        return self.networks.optimizers()

    def train_dataloader(self) -> DataLoader[int]:
        """Give the numbers of the steps from the current one on; the data of a step follow from its number."""
        return DataLoader(_StepNumbers(self), batch_size=None)

    def training_step(self, number: int, batch_idx: int) -> STEP_OUTPUT:
        """Update the networks."""
        found = self.networks.step(self.optimizers(), self._steps, self.manual_backward)  # type: ignore[arg-type]
        self._steps += 1
        if isinstance(self.logger, TensorBoardLogger) and self._steps % _LOGGED_EVERY == 0:
            for name, value in found.items():
                self.logger.experiment.add_scalar(f"train/{name}", float(value), self._steps)
        return None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the number of steps as well."""
        super().on_save_checkpoint(checkpoint)
        checkpoint[SETTINGS_KEY]["turns"] = self._steps

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over the number of steps as well."""
        super().on_load_checkpoint(checkpoint)
        self.steps_before = self._steps = int(checkpoint[SETTINGS_KEY]["turns"])

    def step_seconds(self) -> float:
        """Measure how long a step takes, on a copy that is discarded."""
        networks = copy.deepcopy(self.networks)
        optimizers = networks.optimizers()
        took = []
        for k in range(_TRIALS):
            began = time.perf_counter()
            float(networks.step(optimizers, k)["discriminator"])  # waits for a GPU
            took.append(time.perf_counter() - began)
        warm = took[_FIRST_TRIALS:]
        return sum(warm) / len(warm)


class _StepNumbers(IterableDataset[int]):
    """Counts steps from the current one on."""

    def __init__(self, module: DcganModule) -> None:
        self.module = module

    def __iter__(self) -> Iterator[int]:
        number = self.module.steps_done
        while True:
            yield number
            number += 1
