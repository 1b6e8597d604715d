"""Previews of a training: held-out sounds and their transformation, as pictures and audio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.types import STEP_OUTPUT
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from export.streaming.layer_base import whole_signals
from models.dsp.log_mel import LogMel
from models.report.png_plots import GROUND, INK
from models.travelgan.domain_spectra import Spectra
from models.travelgan.lightning_module import TravelModule
from realtime.dsp.mel_inversion import MelInverter

SHOWN = 4
EARLY = (10, 100, 500, 1_000)
"""Steps after which pictures are written, in addition to those of every evaluation."""

_SECONDS = 4.0
_DOTS = 72


class PairPreviews(L.Callback):
    """Writes held-out pairs: a picture early on and at evaluations, and audio at every `sounds_every`-th of these."""

    def __init__(self, folder: Path, sounds_every: int = 4) -> None:
        self.folder, self.sounds_every = folder, sounds_every
        self.evaluations = 0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int
    ) -> None:
        """Write pictures at the steps of `EARLY`."""
        if trainer.global_step in EARLY:
            self.write(trainer, pl_module)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write pictures, and audio at every `sounds_every`-th evaluation."""
        self.evaluations += 1
        self.write(trainer, pl_module, sounds=self.evaluations % self.sounds_every == 0)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write pictures and audio."""
        self.write(trainer, pl_module, sounds=True)

    @torch.no_grad()
    def write(self, trainer: L.Trainer, pl_module: L.LightningModule, *, sounds: bool = False) -> None:
        """Draw sources above their transformations, to the folder and to TensorBoard."""
        assert isinstance(pl_module, TravelModule)
        if not trainer.is_global_zero:
            return
        step, scale = trainer.global_step, pl_module.settings.scale
        shown = pairs(pl_module.averaged, pl_module.held_out[0], scale)
        self.folder.mkdir(parents=True, exist_ok=True)
        draw(self.folder / f"step-{step:06d}.png", shown, f"step {step}")
        logger = trainer.logger
        if not isinstance(logger, TensorBoardLogger):
            return
        for name, source, made in shown:
            picture = torch.cat([made, source], dim=0).flip(0)  # [2 bands, frames], low bands at the bottom
            logger.experiment.add_image(name, (picture[None] + 1) / 2, step)
            for kind, spectrum in (("source", source), ("made", made)) if sounds else ():
                clip = torch.from_numpy(sound(spectrum, scale))[None]
                logger.experiment.add_audio(f"{name} {kind}", clip, step, scale.sample_rate)


@torch.no_grad()
def pairs(generator: nn.Module, domain: Spectra, scale: LogMel) -> list[tuple[str, Tensor, Tensor]]:
    """Transform the beginnings of some sounds: a name, and spectra [bands, frames] before and after, for each."""
    chosen = sorted({int(k) for k in np.linspace(0, len(domain.values) - 1, SHOWN)})
    frames = round(_SECONDS * scale.sample_rate / scale.hop)
    return [(domain.names[k], *transformed(generator, domain.values[k][:, :frames])) for k in chosen]


@torch.no_grad()
def transformed(generator: nn.Module, spectrum: Tensor) -> tuple[Tensor, Tensor]:
    """Transform a spectrogram [bands, frames] in one piece: itself, cut to whole steps, and the result."""
    takes = getattr(generator, "takes", 1)
    source = spectrum[:, : spectrum.shape[1] // takes * takes]
    training = generator.training
    with whole_signals(generator.eval()):
        made: Tensor = generator(source[None].to(next(generator.parameters()).device))[0].cpu()
    generator.train(training)
    return source, made


def sound(spectrum: Tensor, scale: LogMel) -> NDArray[np.float32]:
    """Invert a spectrogram [bands, frames] as the stage does: audio [samples]."""
    inverter = MelInverter(scale.weights.numpy(), scale.n_fft, scale.hop)
    power = torch.exp(scale.to_log_power(spectrum.double()))
    return np.asarray(np.clip(inverter.push(power.numpy()), -1, 1), np.float32)


def draw(path: Path, shown: list[tuple[str, Tensor, Tensor]], title: str) -> None:
    """Draw pairs side by side, sources above, as a PNG file."""
    figure = Figure(figsize=(3.1 * len(shown), 4.4), dpi=_DOTS, facecolor=GROUND, layout="constrained")
    axes = figure.subplots(2, len(shown), squeeze=False)
    for column, (name, source, made) in enumerate(shown):
        for row, (caption, spectrum) in enumerate(((name, source), (title, made))):
            axis = axes[row, column]
            axis.imshow(spectrum.numpy(), origin="lower", aspect="auto", cmap="magma", vmin=-1, vmax=1)
            axis.set_title(caption, fontsize=8, color=INK)
            axis.set_axis_off()
    figure.savefig(path, format="png", facecolor=GROUND)
