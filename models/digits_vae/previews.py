"""Previews of a training on digits in TensorBoard: reconstructions, samples of the prior, and the latents."""

from __future__ import annotations

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger

from models.data.pictures.digits import Digits
from models.digits_vae.network import conditions_of
from models.digits_vae.settings import CLASSES
from models.report.latent_scatter import scatter
from models.report.picture_grid import COLUMNS, picture_grid
from models.vae.fitting import VaeModule

SHOWN = 20
_MAPPED = 2_000


class DigitsPreviews(L.Callback):
    """Writes pictures every `every` epochs, and at the end."""

    def __init__(self, held_out: Digits, every: int) -> None:
        self.held_out, self.every = held_out, every

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write at every multiple of `every` epochs."""
        if trainer.current_epoch % self.every == 0:
            self.write(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write once more."""
        self.write(trainer, pl_module)

    @torch.no_grad()
    def write(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write originals above their reconstructions, samples of the prior, and a scatter plot of the latents."""
        logger = trainer.logger
        assert isinstance(pl_module, VaeModule)
        if not isinstance(logger, TensorBoardLogger) or not trainer.is_global_zero:
            return
        vae, step = pl_module.averaged_vae.eval(), trainer.global_step
        shown = self.held_out.take(torch.arange(min(SHOWN, len(self.held_out))))
        x = shown.binary.to(pl_module.device)
        given = conditions_of(vae, shown.labels.to(pl_module.device))
        rows = [
            part
            for pair in zip(torch.split(x, COLUMNS), torch.split(vae(x, given), COLUMNS), strict=True)
            for part in pair
        ]
        logger.experiment.add_image("digits and what the model makes of them", picture_grid(rows), step)
        random = torch.Generator(device=pl_module.device).manual_seed(0)
        number = torch.arange(SHOWN, device=pl_module.device) % len(CLASSES)
        drawn = vae.sample(SHOWN, conditions_of(vae, number), random)
        logger.experiment.add_image("draws from the prior", picture_grid(list(torch.split(drawn, COLUMNS))), step)
        mapped = self.held_out.take(torch.arange(min(_MAPPED, len(self.held_out))))
        latents = vae.encode(mapped.binary.to(pl_module.device)).mean.cpu()
        logger.experiment.add_image("latents", scatter(latents, mapped.labels, len(CLASSES)), step)
