"""The training of the VAE as Lightning sees it: data, steps, judging, progress."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import asdict
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities.types import STEP_OUTPUT
from rich import get_console
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column
from torch import Tensor
from torch.utils.data import DataLoader

from models import plan
from models.config import TrainConfig
from models.frames import Draw, Draws, FrameStore, hear, span
from models.objective import (
    DB_PER_NEPER,
    SpectralDistance,
    kl_divergence,
    movement,
    spectral_convergence_db,
)
from models.plan import Plan
from models.spectral import SpectralVae

JUDGED_FRAMES = 2_000
HELD_OUT_LOSS = "held_out/loss"
SETTINGS_KEY = "glitch_settings"
_LAST_RATE = 0.005
_LINE_WIDTH = 90
_NARROWEST_BAR = 8
_FEWEST_TRIALS = 6
_LONGEST_TRIAL_SECONDS = 5.0
_TRIAL_SHARE = 0.03


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


class VaeTraining(L.LightningModule):
    """Trains a `SpectralVae`.

    All that is random in a step comes with its draw, and the learning rate and the weights of the loss follow from how
    far the training is in its plan; so what a resumed training needs is the weights, the optimizer, the step and the
    plan. The time spent is only told.
    """

    def __init__(self, config: TrainConfig, frames: Frames) -> None:
        super().__init__()
        self.config = config
        self.frames = frames
        self.vae = SpectralVae(config.model)
        self.distance = SpectralDistance(config.model.sample_rate, config.model.n_fft)
        self.plan: Plan | None = None
        self.steps_before = 0
        self.seconds_before = 0.0
        self.began = time.monotonic()

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

    @property
    def progress(self) -> float:
        """How far the training is in its plan, 0 to 1."""
        return 0.0 if self.plan is None else min(1.0, self.global_step / self.plan.steps)

    @property
    def seconds(self) -> float:
        """Time spent training, before it was resumed as well."""
        return self.seconds_before + time.monotonic() - self.began

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; `on_train_batch_start` sets its learning rate."""
        config = self.config
        return torch.optim.AdamW(
            self.vae.parameters(), config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
        )

    def on_fit_start(self) -> None:
        """Make the plan, or keep the one that the training began with; the first process decides for all."""
        most = (self.config.max_steps, self.config.max_minutes)
        if self.plan is None:
            made = plan.begin(*most, self._step_seconds)
        else:
            made = plan.go_on(self.plan, *most, self._step_seconds, done=self.steps_before, seconds=self.seconds_before)
        self.plan = self.trainer.strategy.broadcast(made)

    def on_train_start(self) -> None:
        """Start the clock."""
        self.began = time.monotonic()

    def on_train_batch_start(self, batch: Draw, batch_idx: int) -> None:
        """Set the learning rate."""
        rise = min(1.0, (self.global_step + 1) / self.config.warmup_steps)
        fall = 0.5 * (1 + math.cos(math.pi * self.progress)) * (1 - _LAST_RATE) + _LAST_RATE
        optimizer = self.optimizers()
        assert isinstance(optimizer, torch.optim.Optimizer | L.pytorch.core.optimizer.LightningOptimizer)
        for group in optimizer.param_groups:
            group["lr"] = self.config.learning_rate * rise * fall

    def training_step(self, draw: Draw, batch_idx: int) -> STEP_OUTPUT:
        """Change a draw of sounds, encode, decode, compare."""
        ramp = min(1.0, self.progress / self.config.beta_warmup)
        loss, parts = self._loss(self.vae, draw, ramp)
        self.log_dict({f"train/{name}": value.detach() for name, value in parts.items()})
        self.log("train/beta", self.config.beta * ramp)
        return loss

    def validation_step(self, index: Tensor, batch_idx: int) -> None:
        """Judge held-out frames."""
        self.log_dict(self._judge(self.vae, index), batch_size=len(index), sync_dist=True)

    def _loss(self, vae: SpectralVae, draw: Draw, ramp: float) -> tuple[Tensor, dict[str, Tensor]]:
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

    def _judge(self, vae: SpectralVae, index: Tensor) -> dict[str, Tensor]:
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

    def _step_seconds(self) -> float:
        """Measure how long a step takes, with its share of an evaluation, on a copy that is thrown away."""
        vae = copy.deepcopy(self.vae)
        optimizer = torch.optim.AdamW(vae.parameters(), self.config.learning_rate)
        limit = min(_LONGEST_TRIAL_SECONDS, _TRIAL_SHARE * 60 * (self.config.max_minutes or math.inf))
        took: list[float] = []
        while len(took) < _FEWEST_TRIALS or sum(took) < limit:
            began = time.perf_counter()
            loss, _ = self._loss(vae, self.frames.draws.draw(len(took)), 0.0)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(vae.parameters(), self.config.clip)
            optimizer.step()
            float(loss.detach())  # waits for a GPU
            took.append(time.perf_counter() - began)
        began = time.perf_counter()
        with torch.no_grad():
            for index in self.frames.judged():
                float(self._judge(vae, index)[HELD_OUT_LOSS])
        evaluation = time.perf_counter() - began
        warm = took[len(took) // 3 :]  # the first ones allocate
        return sum(warm) / len(warm) + evaluation / self.config.check_every

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the settings, the plan and the time spent."""
        kept = None if self.plan is None else asdict(self.plan)
        checkpoint[SETTINGS_KEY] = {"config": asdict(self.config), "seconds": self.seconds, "plan": kept}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the plan and the time spent."""
        settings = checkpoint[SETTINGS_KEY]
        self.seconds_before, self.steps_before = float(settings["seconds"]), int(checkpoint["global_step"])
        if settings.get("plan"):
            self.plan = Plan(**settings["plan"])

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave draws where the frames lie; what is taken from there moves."""
        return batch


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
        assert isinstance(pl_module, VaeTraining)
        self.display.update(self.task, completed=pl_module.progress, text=_figures(trainer))

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave a line behind where there is no terminal to draw on."""
        if self.console.is_terminal or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, VaeTraining)
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
