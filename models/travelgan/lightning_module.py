"""The training of a TraVeLGAN as a Lightning module: the losses of a batch, the update of all networks."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import lightning as L
import torch
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor, nn
from torch.utils.data import DataLoader

from models.training.scheduled_module import HELD_OUT_LOSS, ScheduledModule
from models.training.weight_averaging import kept_share
from models.travelgan.domain_spectra import Batch, Draws, Spectra
from models.travelgan.networks import Discriminator, Gist, Siamese, generator
from models.travelgan.objective import (
    discriminator_loss,
    generator_loss,
    margin,
    masked,
    part_lengths,
    transform_in_parts,
    transformation,
)
from models.travelgan.settings import TravelSettings

_LAST_RATE = 0.1
_TRIALS = 4
_EVALUATED = 2  # batches of held-out spectra


class TravelNetworks(nn.Module):
    """The networks, and the losses of a batch.

    Parameters
    ----------
    settings
        Sizes of the networks, and weights of the losses.
    """

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
        """Frames of each part that is generated without knowledge of the others."""
        settings = self.settings
        return part_lengths(settings.frames, settings.parts if settings.stitching else 1, settings.model.pace)

    def transform(self, x: Tensor, mask: Tensor) -> Tensor:
        """Transform spectra [batch, bands, frames] part by part; `mask` [batch, 1, frames] is 0 after a sound."""
        return masked(transform_in_parts(self.generator, x, self.lengths), mask)

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """Compute the discriminators' loss, then that of generator and siamese network, each with its parts by name.

        The caller may free the graph of the first before it asks for the second.

        Yields
        ------
        name, loss, parts : str, Tensor, dict of Tensor
            Name of the optimizer, its loss, and the terms of the loss by name.

        Notes
        -----
        Source: Amodio and Krishnaswamy, "TraVeLGAN" (2019), section 3.1.
        """
        settings = self.settings
        random = torch.Generator(device=batch.source.device).manual_seed(batch.seed)

        def rated(x: Tensor) -> list[Tensor]:
            noise = torch.randn(x.shape, generator=random, device=x.device)
            regions, *gist = self.discriminators
            return [regions(x + settings.noise * noise), *(discriminator(x) for discriminator in gist)]

        weights = (1.0, settings.gist)
        made = self.transform(batch.source, batch.source_mask)
        true, false = rated(batch.target), rated(made.detach())
        found = [discriminator_loss(a, b, settings.adversarial) for a, b in zip(true, false, strict=True)]
        total = torch.stack([weight * loss for weight, loss in zip(weights, found, strict=False)]).sum()
        parts = {"discriminator": found[0], "true": true[0].mean(), "false": false[0].mean()}
        yield "discriminator", total, parts | ({"gist": found[1]} if settings.gist else {})

        passes = [generator_loss(logits, settings.adversarial) for logits in rated(made)]
        adversarial = torch.stack([weight * loss for weight, loss in zip(weights, passes, strict=False)]).sum()
        before, after = self.siamese(batch.source), self.siamese(made)
        moved, kept = transformation(before, after), margin(before, settings.margin)
        total = adversarial + settings.content * (moved + kept)
        parts = {"adversarial": adversarial, "travel": moved, "margin": kept}
        if settings.identity:
            few = max(1, len(batch.target) // 4)  # enough of them, at a quarter of the cost
            target, mask = batch.target[:few], batch.target_mask[:few]
            same = (self.transform(target, mask) - target).abs().mean()
            total = total + settings.identity * same
            parts["identity"] = same
        yield "generator", total, {"loss": total, **parts}


class TravelModule(ScheduledModule):
    """Trains the networks; a step updates all of them.

    Parameters
    ----------
    settings
        The settings.
    train, held_out
        Spectra of source and target, to train on and to evaluate on.
    """

    settings: TravelSettings
    renamed_weights: ClassVar[dict[str, str]] = {"networks.siamese.told.": "networks.siamese.embedding."}

    def __init__(
        self, settings: TravelSettings, train: tuple[Spectra, Spectra], held_out: tuple[Spectra, Spectra]
    ) -> None:
        super().__init__(settings)
        self.automatic_optimization = False
        self.held_out = held_out
        self.networks = TravelNetworks(settings)
        self.averaged = copy.deepcopy(self.networks.generator).requires_grad_(False)
        self.draws, self.evaluation_draws = Draws(*train, settings), Draws(*held_out, settings, salt=1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """One Adam for all networks, which are updated at the same time."""
        settings, networks = self.settings, self.networks
        others = [*networks.generator.parameters(), *networks.siamese.parameters()]
        discriminators = {"params": list(networks.discriminators.parameters()), "eager": settings.eager}
        groups: list[dict[str, Any]] = [{"params": others, "eager": 1.0}, discriminators]
        return torch.optim.Adam(groups, settings.learning_rate, betas=(settings.beta1, 0.999))

    def train_dataloader(self) -> DataLoader[Batch]:
        """Give the batches from the current step on."""
        self.draws.first = self.global_step
        return DataLoader(self.draws, batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        """Give the batches of held-out spectra, the same ones every time."""
        batches: Any = [self.evaluation_draws.draw(number) for number in range(_EVALUATED)]
        return DataLoader(batches, batch_size=None)

    def training_step(self, batch: Batch, batch_idx: int) -> STEP_OUTPUT:
        """Update the networks by the gradients of all portions of a batch together."""
        settings, optimizer = self.settings, self.optimizers()
        assert isinstance(optimizer, L.pytorch.core.optimizer.LightningOptimizer)
        fall = 1 - (1 - _LAST_RATE) * max(0.0, 2 * self.progress - 1)
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * fall * group["eager"]
        optimizer.zero_grad()
        share = settings.portion / settings.batch
        for portion in batch.portions(settings.portion):
            for whose, loss, parts in self.networks.losses(portion):
                self._backward(whose, share * loss)
                self.log_dict({f"train/{name}": value.detach() for name, value in parts.items()})
        optimizer.step()
        self._average()
        return None

    def _backward(self, whose: str, loss: Tensor) -> None:
        """Accumulate the gradients of a loss: the discriminators' own, or those of all other networks."""
        mine = [
            weight
            for name, weight in self.networks.named_parameters()
            if name.startswith("discriminators") == (whose == "discriminator")
        ]
        self.manual_backward(loss, inputs=mine)

    @torch.no_grad()
    def _average(self) -> None:
        share = kept_share(self.settings.average, self.global_step)
        averaged: list[Tensor] = list(self.averaged.parameters())
        now: list[Tensor] = list(self.networks.generator.parameters())
        torch._foreach_lerp_(averaged, now, 1 - share)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Evaluate on held-out spectra."""
        self.networks.train()  # for whole spectra; of all state it changes only the spectral norms, restored below
        kept = copy.deepcopy(self.networks.discriminators.state_dict())
        parts = {name: value for _, _, found in self.networks.losses(batch) for name, value in found.items()}
        self.networks.discriminators.load_state_dict(kept)
        self.log_dict({f"held_out/{name}": value for name, value in parts.items()}, batch_size=len(batch.source))
        assert HELD_OUT_LOSS in {f"held_out/{name}" for name in parts}

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move spectra to a device."""
        source, target = batch.source.to(device), batch.target.to(device)
        return Batch(source, batch.source_mask.to(device), target, batch.target_mask.to(device), batch.seed)

    def step_seconds(self) -> float:
        """Measure how long a step takes, on a copy that is discarded."""
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
