"""Previews of a training in TensorBoard: held-out sounds and their reconstructions, and the latents."""

from __future__ import annotations

from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.types import STEP_OUTPUT
from numpy.typing import NDArray
from torch import Tensor

from models.dsp.log_magnitude import DB_PER_NEPER, unit_gain
from models.spectral_vae import latent_plot
from models.spectral_vae.frame_store import FrameStore
from models.spectral_vae.lightning_module import SpectralModule
from models.spectral_vae.network import SpectralVae
from realtime.dsp.rtpghi import invert

SOUNDS = 4
_MAX_FRAMES = 1_000
_RANGE_DB = 80.0


class SoundPreviews(L.Callback):
    """Writes a few held-out sounds and their reconstructions every `every` steps, and at the end."""

    def __init__(self, held_out: FrameStore, every: int) -> None:
        self.held_out = held_out
        self.every = every
        count = len(held_out.sounds)
        self.chosen = sorted({int(k) for k in np.linspace(0, count - 1, min(SOUNDS, count))})

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int
    ) -> None:
        """Write at every multiple of `every` steps."""
        if trainer.global_step % self.every == 0:
            self.write(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write once more."""
        self.write(trainer, pl_module)

    @torch.no_grad()
    def write(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write original and reconstruction, one above the other, and the audio of both."""
        logger = trainer.logger
        if not isinstance(logger, TensorBoardLogger) or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, SpectralModule)
        step, config = trainer.global_step, pl_module.settings.model
        self._write_latents(logger, pl_module, step)
        for k in self.chosen:
            index = torch.from_numpy(np.flatnonzero(self.held_out.sound.numpy() == k))[:_MAX_FRAMES]
            sound = self.held_out.sounds[k]
            piece = "" if sound.start is None else f" {sound.start:.1f} s"
            name = sound.path.replace("/", " ") + piece
            original = self.held_out.log_magnitude[index].float()
            made = rebuild(pl_module.vae, self.held_out, index)
            picture = torch.cat([_picture(original), _picture(made)], dim=0)  # [2 bins, frames]
            logger.experiment.add_image(name, picture[None], step)
            for kind, spectrum in (("original", original), ("model", made)):
                audio = invert(_magnitudes(spectrum), config.n_fft, config.hop)
                clip = torch.from_numpy(np.clip(audio, -1, 1))[None]
                logger.experiment.add_audio(f"{name} {kind}", clip, step, config.sample_rate)

    def _write_latents(self, logger: TensorBoardLogger, training: SpectralModule, step: int) -> None:
        """Write the latents of held-out sounds: a scatter plot, and a histogram of each dimension."""
        latents, labels = latent_plot.means(training.vae, self.held_out)
        if not np.isfinite(latents).all():
            return  # diverged; the training reports it
        logger.experiment.add_image("latent/map", latent_plot.scatter(latents, labels), step)
        for k in range(latents.shape[1]):
            logger.experiment.add_histogram(f"latent/{k + 1}", latents[:, k], step)


def rebuild(vae: SpectralVae, store: FrameStore, index: Tensor) -> Tensor:
    """Encode and decode frames: their reconstructed log-magnitudes, [frames, bins]."""
    device = vae.encoder.mean.device
    batch = store.take(index).to(device)
    no_noise = torch.zeros(len(index), vae.config.latent, device=device)
    made, _, _ = vae(batch.shape, batch.pitch, batch.loudness, no_noise)
    level = np.log(unit_gain(vae.config.n_fft)) + batch.loudness / DB_PER_NEPER
    shown: Tensor = (made + level[:, None]).cpu()
    return shown


def _picture(log_magnitude: Tensor) -> Tensor:
    """Log-magnitudes [frames, bins] as grey, [bins, frames], low frequencies at the bottom."""
    level = DB_PER_NEPER * (log_magnitude - log_magnitude.max())
    return (1 + level / _RANGE_DB).clamp(0, 1).T.flip(0)


def _magnitudes(log_magnitude: Tensor) -> NDArray[np.float32]:
    """[frames, bins], logarithmic → [bins, frames], linear."""
    return np.ascontiguousarray(log_magnitude.exp().T.numpy(), np.float32)
