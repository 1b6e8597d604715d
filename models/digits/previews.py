"""What TensorBoard shows of a training on digits: pictures as the model gives them back, new ones, and the latents."""

from __future__ import annotations

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from models.data.pictures.digits import Digits
from models.digits.network import CLASSES, told_of
from models.report.scatter import scatter
from models.vae.fitting import Fitting

SHOWN = 20
COLUMNS = 10
_MAGNIFIED = 4
_MAPPED = 2_000


class DigitsMedia(L.Callback):
    """Every so many epochs, and at the end, pictures of how far the training is."""

    def __init__(self, aside: Digits, every: int) -> None:
        self.aside, self.every = aside, every

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write them when it is time."""
        if trainer.current_epoch % self.every == 0:
            self.write(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write them once more."""
        self.write(trainer, pl_module)

    @torch.no_grad()
    def write(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write originals above what the model makes of them, draws from the prior, and a map of the latents."""
        logger = trainer.logger
        assert isinstance(pl_module, Fitting)
        if not isinstance(logger, TensorBoardLogger) or not trainer.is_global_zero:
            return
        vae, step = pl_module.judged.eval(), trainer.global_step
        shown = self.aside.take(torch.arange(min(SHOWN, len(self.aside))))
        x = shown.binary.to(pl_module.device)
        told = told_of(vae, shown.labels.to(pl_module.device))
        rows = [
            part
            for pair in zip(torch.split(x, COLUMNS), torch.split(vae(x, told), COLUMNS), strict=True)
            for part in pair
        ]
        logger.experiment.add_image("digits and what the model makes of them", grid(rows), step)
        random = torch.Generator(device=pl_module.device).manual_seed(0)
        number = torch.arange(SHOWN, device=pl_module.device) % len(CLASSES)
        drawn = vae.sample(SHOWN, told_of(vae, number), random)
        logger.experiment.add_image("draws from the prior", grid(list(torch.split(drawn, COLUMNS))), step)
        mapped = self.aside.take(torch.arange(min(_MAPPED, len(self.aside))))
        latents = vae.encode(mapped.binary.to(pl_module.device)).mean.cpu()
        logger.experiment.add_image("latents", scatter(latents, mapped.labels, len(CLASSES)), step)


def grid(rows: list[Tensor]) -> Tensor:
    """Lay rows of pictures, [up to COLUMNS, channels, height, width] each, into one, and magnify it.

    Returns
    -------
    Tensor [shape=(channels, ...)]
        Grey lines lie between the pictures.
    """
    lines = []
    for row in rows:
        framed = torch.nn.functional.pad(row.cpu(), (0, 1, 0, 1), value=0.5)  # [columns, channels, ...]
        line = torch.cat(list(framed), dim=2)
        missing = (COLUMNS - len(row)) * framed.shape[3]
        lines.append(torch.nn.functional.pad(line, (0, missing), value=0.5))
    joined = torch.cat(lines, dim=1)
    return joined.repeat_interleave(_MAGNIFIED, dim=1).repeat_interleave(_MAGNIFIED, dim=2)
