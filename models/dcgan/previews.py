"""Previews of a training: the same latents after every epoch, as PNG files and an animation, and walks as audio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.types import STEP_OUTPUT
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from models.dcgan.domains import SpectrumDomain
from models.dcgan.lightning_module import DcganModule
from models.dcgan.sound_networks import EndlessGenerator, generate
from models.dsp.log_mel import LogMel
from models.training.callbacks.progress_line import progress_text
from realtime.dsp.mel_inversion import MelInverter
from realtime.latent.walk import Walk

FOLDER, ANIMATION = "epochs", "epochs.gif"
WALK_S = 8.0
SPEED, RADIUS = 0.5, 1.0
"""Of the walks; see `realtime.latent.walk`."""

_MAX_FRAMES, _COLOURS, _FRAME_MS, _LAST_MS = 40, 32, 150, 2_000
_SOUNDS_EVERY = 10  # epochs


class EpochPreviews(L.Callback):
    """Draws a grid of the same latents after every epoch, and renders a walk of an endless generator after some."""

    def __init__(self, out: Path, show: bool = True) -> None:
        self.out, self.show = out, show
        self._began_at = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the epoch at which training begins."""
        assert isinstance(pl_module, DcganModule)
        self._began_at = pl_module.epoch

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int
    ) -> None:
        """Draw at the end of an epoch."""
        assert isinstance(pl_module, DcganModule)
        if trainer.is_global_zero and pl_module.steps_done % pl_module.networks.domain.epoch_steps == 0:
            self._draw(trainer, pl_module)
            self._print_progress(pl_module)

    def _draw(self, trainer: L.Trainer, training: DcganModule) -> None:
        networks, epoch = training.networks, training.epoch
        picture = networks.domain.picture(networks.made(networks.shown_latents().to(training.device)).cpu())
        write_png(self.out / FOLDER / f"{epoch:05d}.png", picture)
        if not isinstance(trainer.logger, TensorBoardLogger):
            return
        logs = trainer.logger.experiment
        logs.add_image("the same latents", picture, epoch)
        if isinstance(networks.domain, SpectrumDomain) and epoch % _SOUNDS_EVERY == 0:
            latents = walk_latents(networks.settings.latent, networks.domain.scale, WALK_S)
            made = walk_spectrum(networks.averaged, latents.to(training.device)).cpu()
            logs.add_image("a walk", ((made.flip(0) + 1) / 2)[None], epoch)
            audio = torch.from_numpy(walk_audio(made, networks.domain.scale))
            logs.add_audio("a walk", audio[None].clamp(-1, 1), epoch, networks.domain.scale.sample_rate)

    def _print_progress(self, training: DcganModule) -> None:
        """Print a line with the time to go."""
        if self.show:
            print(f"{progress_text(training)}  epoch {training.epoch}, step {training.steps_done}", flush=True)


def write_png(path: Path, picture: Tensor) -> None:
    """Write a picture [1 or 3, height, width], 0 to 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values: NDArray[np.uint8] = (255 * picture.clamp(0, 1)).round().to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values).save(path)


def animate(folder: Path, out: Path) -> Path | None:
    """Make an animation of the grids in a folder, evenly chosen if there are many; None if there are none."""
    files = sorted(folder.glob("*.png"))
    if not files:
        return None
    chosen = sorted({int(k) for k in np.linspace(0, len(files) - 1, min(_MAX_FRAMES, len(files)))})
    frames = [Image.open(files[k]).convert("P", palette=Image.Palette.ADAPTIVE, colors=_COLOURS) for k in chosen]
    lasting = [_FRAME_MS] * (len(frames) - 1) + [_LAST_MS]
    frames[0].save(out, save_all=True, append_images=frames[1:], duration=lasting, loop=0, optimize=True)
    return out


def walk_latents(latent: int, scale: LogMel, seconds: float, *, seed: int = 1, speed: float = SPEED) -> Tensor:
    """Walk through the latent space as on stage: latents [1, latent, frames]."""
    rate = scale.sample_rate / scale.hop
    walk = Walk(latent, rate, seed)
    steps = [walk.next(speed, RADIUS) for _ in range(max(1, round(seconds * rate)))]
    return torch.from_numpy(np.stack(steps, axis=1).astype(np.float32))[None]


def walk_spectrum(generator: nn.Module, latents: Tensor) -> Tensor:
    """Generate the spectrum [128, frames] of latents [1, latent, frames] in one piece."""
    assert isinstance(generator, EndlessGenerator)
    return generate(generator, latents)[0]


def walk_audio(spectrum: Tensor, scale: LogMel) -> NDArray[np.float32]:
    """Invert a spectrum [128, frames] from -1 to 1 as the stage does: audio [samples]."""
    inverter = MelInverter(scale.weights.numpy(), scale.n_fft, scale.hop)
    power = torch.exp(scale.to_log_power(spectrum)).numpy()
    return np.asarray(inverter.push(power), np.float32)
