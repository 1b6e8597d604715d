"""The training of the VAE as Lightning sees it: data, steps, judging, progress."""

from __future__ import annotations

from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities.types import STEP_OUTPUT
from rich import get_console
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column
from torch import Tensor, nn
from torch.utils.data import DataLoader

from models.spectral.frames import Draw, Draws, FrameStore, hear, span
from models.spectral.network import SpectralVae
from models.spectral.objective import (
    DB_PER_NEPER,
    SpectralDistance,
    kl_divergence,
    movement,
    spectral_convergence_db,
)
from models.spectral.settings import TrainConfig
from models.training.plan import Planned
from models.training.scheduled_module import HELD_OUT_LOSS, Paced

JUDGED_FRAMES = 2_000
_LINE_WIDTH = 90
_NARROWEST_BAR = 8


class Frames(L.LightningDataModule):
    """Draws from the training sounds, and a fixed, even choice of held-out frames to judge by."""

    def __init__(self, train: FrameStore, held_out: FrameStore, config: TrainConfig) -> None:
        super().__init__()
        self.train, self.held_out = train, held_out
        self.draws = Draws(
            train.starts(span(config.segment_frames, config.stretch)),
            segments=config.segments,
            length=config.segment_frames,
            latent=config.model.latent,
            warp_semitones=config.warp_semitones,
            gain_db=config.gain_db,
            stretch=config.stretch,
            noise_db=config.noise_db,
            bins=config.model.bins,
            seed=config.seed,
        )

    def train_dataloader(self) -> DataLoader[Draw]:
        """Draws from where the training stands."""
        assert self.trainer is not None
        self.draws.first = self.trainer.global_step
        self.draws.rank = self.trainer.global_rank
        return DataLoader(self.draws, batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        """Numbers of the frames to judge by."""
        parts: Any = self.judged()
        return DataLoader(parts, batch_size=None)

    def judged(self) -> tuple[Tensor, ...]:
        """Choose the frames to judge by, evenly, in parts [up to 500]."""
        active = np.flatnonzero(self.held_out.active.numpy())
        chosen = active[np.linspace(0, len(active) - 1, min(JUDGED_FRAMES, len(active))).astype(np.int64)]
        return torch.split(torch.from_numpy(chosen), 500)


class VaeTraining(Paced):
    """Trains a `SpectralVae`."""

    vae: SpectralVae

    def __init__(self, config: TrainConfig, frames: Frames) -> None:
        super().__init__(config, SpectralVae(config.model), frames)
        self.config = config
        self.frames = frames
        self.distance = SpectralDistance(config.model.sample_rate, config.model.n_fft)

    def fit_scales(self) -> None:
        """Give the network the mean and the deviation of its input, from a sample of the training frames."""
        random = torch.Generator().manual_seed(self.config.seed)
        starts = self.frames.draws.starts
        chosen = starts[torch.randint(0, len(starts), (4_000,), generator=random)]
        shape = self.frames.train.take(chosen).shape
        mean = shape.mean(dim=0)
        self.vae.encoder.mean.copy_(mean)
        self.vae.encoder.deviation.copy_((shape - mean).std().clamp(min=1e-3))
        self.vae.decoder.floor_mean.copy_(mean - 1.0)

    def loss_of(self, vae: nn.Module, draw: Draw, ramp: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the loss of a draw, and its parts."""
        config = self.config
        batch = self.frames.train.take_drawn(draw).to(self.device)
        heard = hear(batch.shape, None if draw.hiss is None else draw.hiss.to(self.device))
        made, mean, log_variance = vae(heard, batch.pitch, batch.loudness, draw.noise.to(self.device))
        distance = self.distance(batch.shape, made, batch.floor)
        kl, moved = kl_divergence(mean, log_variance), movement(mean)
        loss: Tensor = distance.total + ramp * (config.beta * kl + config.slowness * moved)
        parts = {"loss": loss, "bins": distance.bins, "mel": distance.mel, "amplitude": distance.amplitude}
        return loss, {**parts, "kl": kl, "movement": moved}

    def judge(self, vae: nn.Module, index: Tensor) -> dict[str, Tensor]:
        """Give the figures of held-out frames, decoded from the mean of their latent's distribution."""
        batch = self.frames.held_out.take(index).to(self.device)
        silent = torch.zeros(*index.shape, self.config.model.latent, device=self.device)
        made, mean, log_variance = vae(batch.shape, batch.pitch, batch.loudness, silent)
        distance = self.distance(batch.shape, made, batch.floor)
        return {
            HELD_OUT_LOSS: distance.total,
            "held_out/mel_db": DB_PER_NEPER * distance.mel,
            "held_out/spectral_convergence_db": spectral_convergence_db(batch.shape, made),
            "held_out/kl": kl_divergence(mean, log_variance),
        }


class ProgressLine(L.Callback):
    """One line: how far, the losses, time spent and time to go."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or get_console()
        self.display: Progress | None = None
        self.task: TaskID | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Say how long it will be, and open the line where there is a terminal to draw on."""
        planned = getattr(pl_module, "plan", None)
        if trainer.is_global_zero and planned is not None and planned.max_minutes is not None:
            print(f"{planned.steps} steps, about {planned.max_minutes:g} min", flush=True)
        if trainer.is_global_zero and planned is not None and trainer.global_step:
            print(f"going on at step {trainer.global_step} of {planned.steps}", flush=True)
        if not (trainer.is_global_zero and self.console.is_terminal):
            return
        # How far and how long keep their width; the bar needs room to spare, and the figures take what is left.
        room = self.console.width - _LINE_WIDTH
        self.display = Progress(
            *([TextColumn("training"), BarColumn(bar_width=min(40, room))] if room >= _NARROWEST_BAR else []),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("to go"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}", table_column=Column(ratio=1, no_wrap=True)),
            console=self.console,
            expand=True,
        )
        self.task = self.display.add_task("training", total=1.0, text="")
        self.display.start()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int
    ) -> None:
        """Move it on."""
        if self.display is None or self.task is None or trainer.global_step % 10:
            return
        assert isinstance(pl_module, Planned)
        self.display.update(self.task, completed=pl_module.progress, text=_figures(trainer))

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave a line behind where there is no terminal to draw on."""
        if self.console.is_terminal or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, Planned)
        done, minutes = pl_module.progress, pl_module.seconds / 60
        to_go = minutes * (1 - done) / done
        print(f"{100 * done:3.0f} %  {minutes:.1f} min, {to_go:.1f} to go  {_figures(trainer)}", flush=True)

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Close it."""
        self._close()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Close it, and give the terminal its cursor back."""
        self._close()

    def _close(self) -> None:
        if self.display is not None:
            self.display.stop()


def _figures(trainer: L.Trainer) -> str:
    found = trainer.callback_metrics
    text = f"step {trainer.global_step}"
    for name, key in (("loss", "train/loss"), ("held-out", HELD_OUT_LOSS)):
        if key in found:
            text += f"  {name} {float(found[key]):.3f}"
    if "held_out/mel_db" in found:
        text += f"  Δmel {float(found['held_out/mel_db']):.2f} dB"
    return text
