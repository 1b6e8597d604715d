"""The training as Lightning sees it: data, steps, judging."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor, nn
from torch.utils.data import DataLoader

from models.training import plan
from models.training.plan import Plan
from models.training.scheduled_module import HELD_OUT_LOSS, SETTINGS_KEY
from models.travelgan.networks import Discriminator, Gist, Siamese, generator
from models.travelgan.objective import cuts, judging, made_apart, margin, masked, passing, transformation
from models.travelgan.settings import TravelSettings
from models.travelgan.spectra import Batch, Draws, Spectra

_LAST_RATE = 0.1
_TRIALS = 4
_JUDGED = 2  # batches of held-out spectra


class Travel(nn.Module):
    """The networks, and the losses of a batch."""

    def __init__(self, settings: TravelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.generator = generator(settings.model)
        self.discriminators = nn.ModuleList([Discriminator(spectral=settings.spectral)])
        if settings.gist:
            self.discriminators.append(Gist(settings.scale.bands))
        self.siamese = Siamese(settings.scale.bands, settings.frames, settings.vector)

    @property
    def lengths(self) -> list[int]:
        """Frames of each part that is made by itself."""
        settings = self.settings
        return cuts(settings.frames, settings.parts if settings.stitching else 1, settings.model.pace)

    def make(self, x: Tensor, mask: Tensor) -> Tensor:
        """Turn spectra [batch, bands, frames] into others, part by part."""
        return masked(made_apart(self.generator, x, self.lengths), mask)

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """Give the discriminators' loss, then that of the other two; each with its parts by name.

        Between the two, what the first leaves in the graph may be freed.
        """
        settings = self.settings
        random = torch.Generator(device=batch.source.device).manual_seed(batch.seed)

        def seen(x: Tensor) -> list[Tensor]:
            noise = torch.randn(x.shape, generator=random, device=x.device)
            regions, *gist = self.discriminators
            return [regions(x + settings.noise * noise), *(judge(x) for judge in gist)]

        weights = (1.0, settings.gist)
        made = self.make(batch.source, batch.source_mask)
        true, false = seen(batch.target), seen(made.detach())
        found = [judging(a, b, settings.adversarial) for a, b in zip(true, false, strict=True)]
        judged = torch.stack([weight * loss for weight, loss in zip(weights, found, strict=False)]).sum()
        told = {"discriminator": found[0], "true": true[0].mean(), "false": false[0].mean()}
        yield "discriminator", judged, told | ({"gist": found[1]} if settings.gist else {})

        passes = [passing(logits, settings.adversarial) for logits in seen(made)]
        adversarial = torch.stack([weight * loss for weight, loss in zip(weights, passes, strict=False)]).sum()
        before, after = self.siamese(batch.source), self.siamese(made)
        moved, kept = transformation(before, after), margin(before, settings.margin)
        total = adversarial + settings.content * (moved + kept)
        parts = {"adversarial": adversarial, "travel": moved, "margin": kept}
        if settings.identity:
            few = max(1, len(batch.target) // 4)  # enough of them, at a quarter of the cost
            target, mask = batch.target[:few], batch.target_mask[:few]
            same = (self.make(target, mask) - target).abs().mean()
            total = total + settings.identity * same
            parts["identity"] = same
        yield "generator", total, {"loss": total, **parts}


class TravelTraining(L.LightningModule):
    """Trains the networks; a step moves all of them.

    All that is random in a step comes with its batch, so a training that is resumed is the same training.
    """

    def __init__(self, settings: TravelSettings, train: tuple[Spectra, Spectra], held: tuple[Spectra, Spectra]) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.settings, self.held = settings, held
        self.networks = Travel(settings)
        self.averaged = copy.deepcopy(self.networks.generator).requires_grad_(False)
        self.draws, self.judged_by = Draws(*train, settings), Draws(*held, settings, salt=1)
        self.plan: Plan | None = None
        self.steps_before, self.seconds_before = 0, 0.0
        self.began = time.monotonic()

    @property
    def progress(self) -> float:
        """How far the training is in its plan, 0 to 1."""
        return 0.0 if self.plan is None else min(1.0, self.global_step / self.plan.steps)

    @property
    def seconds(self) -> float:
        """Time spent training, before it was resumed as well."""
        return self.seconds_before + time.monotonic() - self.began

    @property
    def settings_told(self) -> dict[str, Any]:
        """The settings as plain data."""
        return asdict(self.settings)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, one for all: the networks are moved at the same moment."""
        settings, networks = self.settings, self.networks
        others = [*networks.generator.parameters(), *networks.siamese.parameters()]
        judges = {"params": list(networks.discriminators.parameters()), "eager": settings.eager}
        groups: list[dict[str, Any]] = [{"params": others, "eager": 1.0}, judges]
        return torch.optim.Adam(groups, settings.learning_rate, betas=(settings.beta1, 0.999))

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches from where the training stands."""
        self.draws.first = self.global_step
        return DataLoader(self.draws, batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        """The held-out spectra that it is judged by, always the same."""
        batches: Any = [self.judged_by.draw(number) for number in range(_JUDGED)]
        return DataLoader(batches, batch_size=None)

    def on_fit_start(self) -> None:
        """Make the plan, or keep the one that the training began with."""
        most = (self.settings.max_steps, self.settings.max_minutes)
        if self.plan is None:
            self.plan = plan.begin(*most, self._step_seconds)
        else:
            done = {"done": self.steps_before, "seconds": self.seconds_before}
            self.plan = plan.go_on(self.plan, *most, self._step_seconds, **done)  # type: ignore[arg-type]

    def on_train_start(self) -> None:
        """Start the clock."""
        self.began = time.monotonic()

    def training_step(self, batch: Batch, batch_idx: int) -> STEP_OUTPUT:
        """Move the networks by what all portions of a batch ask for together."""
        settings, optimizer = self.settings, self.optimizers()
        assert isinstance(optimizer, L.pytorch.core.optimizer.LightningOptimizer)
        fall = 1 - (1 - _LAST_RATE) * max(0.0, 2 * self.progress - 1)
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * fall * group["eager"]
        optimizer.zero_grad()
        share = settings.portion / settings.batch
        for portion in batch.portions(settings.portion):
            for whose, loss, parts in self.networks.losses(portion):
                self._back(whose, share * loss)
                self.log_dict({f"train/{name}": value.detach() for name, value in parts.items()})
        optimizer.step()
        self._average()
        return None

    def _back(self, whose: str, loss: Tensor) -> None:
        """Find out where a loss wants the networks to go; the generator's leaves the discriminators where they are."""
        mine = [
            weight
            for name, weight in self.networks.named_parameters()
            if name.startswith("discriminators") == (whose == "discriminator")
        ]
        self.manual_backward(loss, inputs=mine)

    @torch.no_grad()
    def _average(self) -> None:
        share = min(self.settings.average, (1 + self.global_step) / (10 + self.global_step))
        averaged: list[Tensor] = list(self.averaged.parameters())
        now: list[Tensor] = list(self.networks.generator.parameters())
        torch._foreach_lerp_(averaged, now, 1 - share)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Judge held-out spectra."""
        self.networks.train()  # whole spectra, and there is nothing else that it changes here but spectral norms
        kept = copy.deepcopy(self.networks.discriminators.state_dict())
        parts = {name: value for _, _, found in self.networks.losses(batch) for name, value in found.items()}
        self.networks.discriminators.load_state_dict(kept)
        self.log_dict({f"held_out/{name}": value for name, value in parts.items()}, batch_size=len(batch.source))
        assert HELD_OUT_LOSS in {f"held_out/{name}" for name in parts}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the settings, the plan and the time spent."""
        kept = None if self.plan is None else asdict(self.plan)
        checkpoint[SETTINGS_KEY] = {"config": self.settings_told, "seconds": self.seconds, "plan": kept}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the plan and the time spent."""
        settings = checkpoint[SETTINGS_KEY]
        self.seconds_before, self.steps_before = float(settings["seconds"]), int(checkpoint["global_step"])
        if settings.get("plan"):
            self.plan = Plan(**settings["plan"])

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Bring spectra to the networks."""
        source, target = batch.source.to(device), batch.target.to(device)
        return Batch(source, batch.source_mask.to(device), target, batch.target_mask.to(device), batch.seed)

    def _step_seconds(self) -> float:
        """Measure how long a step takes, on a copy that is thrown away."""
        networks = copy.deepcopy(self.networks)
        took = []
        for number in range(_TRIALS):
            began = time.perf_counter()
            drawn = self.transfer_batch_to_device(self.draws.draw(number), self.device, 0)
            for portion in drawn.portions(self.settings.portion):
                for _, loss, _ in networks.losses(portion):
                    torch.autograd.backward(loss)
            took.append(time.perf_counter() - began)
        return sum(took[1:]) / len(took[1:])
