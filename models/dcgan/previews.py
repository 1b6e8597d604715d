"""What is seen and heard of a training: the same latents every epoch, as PNG files and an animation of them."""

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
from torch import Tensor

from models.dcgan.domains import Spectra
from models.dcgan.module import DcganTraining
from models.dcgan.walks import sounding, spectrum_of, stroll

FOLDER, ANIMATION = "epochs", "epochs.gif"
WALK_S = 8.0
_MOST_FRAMES, _COLOURS, _FRAME_MS, _LAST_MS = 40, 32, 150, 2_000
_SOUNDS_EVERY = 10  # epochs


class EpochMedia(L.Callback):
    """Draws a grid of the same latents after every epoch, and lets an endless generator be heard after some."""

    def __init__(self, out: Path, show: bool = True) -> None:
        self.out, self.show = out, show
        self._began_at = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note where it begins."""
        assert isinstance(pl_module, DcganTraining)
        self._began_at = pl_module.epoch

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int
    ) -> None:
        """Draw when an epoch is over."""
        assert isinstance(pl_module, DcganTraining)
        if trainer.is_global_zero and pl_module.turns % pl_module.game.form.epoch_steps == 0:
            self._draw(trainer, pl_module)
            self._say(pl_module)

    def _draw(self, trainer: L.Trainer, training: DcganTraining) -> None:
        game, epoch = training.game, training.epoch
        picture = game.form.picture(game.made(game.fixed().to(training.device)).cpu())
        write_png(self.out / FOLDER / f"{epoch:05d}.png", picture)
        if not isinstance(trainer.logger, TensorBoardLogger):
            return
        logs = trainer.logger.experiment
        logs.add_image("the same latents", picture, epoch)
        if isinstance(game.form, Spectra) and epoch % _SOUNDS_EVERY == 0:
            way = stroll(game.settings.latent, game.form.scale, WALK_S)
            made = spectrum_of(game.averaged, way.to(training.device)).cpu()
            logs.add_image("a walk", ((made.flip(0) + 1) / 2)[None], epoch)
            audio = torch.from_numpy(sounding(made, game.form.scale))
            logs.add_audio("a walk", audio[None].clamp(-1, 1), epoch, game.form.scale.sample_rate)

    def _say(self, training: DcganTraining) -> None:
        """Leave a line behind with the time to go."""
        done, minutes = training.progress, training.seconds / 60
        to_go = minutes * (1 - done) / max(done, 1e-9)
        if self.show:
            told = f"epoch {training.epoch}, step {training.turns}"
            print(f"{100 * done:3.0f} %  {minutes:.1f} min, {to_go:.1f} to go  {told}", flush=True)


def write_png(path: Path, picture: Tensor) -> None:
    """Write a picture [1 or 3, height, width], 0 to 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values: NDArray[np.uint8] = (255 * picture.clamp(0, 1)).round().to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values).save(path)


def animate(folder: Path, out: Path) -> Path | None:
    """Make an animation of the grids in a folder, evenly chosen where there are many; None where there are none."""
    files = sorted(folder.glob("*.png"))
    if not files:
        return None
    chosen = sorted({int(k) for k in np.linspace(0, len(files) - 1, min(_MOST_FRAMES, len(files)))})
    frames = [Image.open(files[k]).convert("P", palette=Image.Palette.ADAPTIVE, colors=_COLOURS) for k in chosen]
    lasting = [_FRAME_MS] * (len(frames) - 1) + [_LAST_MS]
    frames[0].save(out, save_all=True, append_images=frames[1:], duration=lasting, loop=0, optimize=True)
    return out
