"""A turn of the game: the judge learns to tell real from made, and the generator to be taken for real."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.dcgan.domains import Form
from models.dcgan.endless import scores_to_loss, start
from models.dcgan.settings import DcganSettings

_WEIGHTS, _TURNS, _NORMS, _SHOWN = range(4)  # what random numbers are for


class Game(nn.Module):
    """Generator and judge, and a moving average of the generator, which is what is shown and kept.

    All that is random in a turn follows from the seed and the turn's number.
    """

    def __init__(self, form: Form, settings: DcganSettings) -> None:
        super().__init__()
        self.form, self.settings = form, settings
        self.generator, self.judge = form.networks()
        random = seeded(settings.seed, _WEIGHTS)
        start(self.generator, random)
        start(self.judge, random)
        self.averaged = copy.deepcopy(self.generator).requires_grad_(False)

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for the generator, and for the judge."""
        settings = self.settings
        betas = (settings.beta1, settings.beta2)
        networks = (self.generator, self.judge)
        return [torch.optim.Adam(network.parameters(), settings.learning_rate, betas) for network in networks]

    def turn(
        self,
        optimizers: Sequence[Any],
        number: int,
        backward: Callable[[Tensor], None] = torch.autograd.backward,
    ) -> dict[str, Tensor]:
        """Let judge and generator take a step each; give their losses, and how real the judge takes both kinds for."""
        form, settings = self.form, self.settings
        of_generator, of_judge = optimizers
        random = seeded(settings.seed, _TURNS, number)
        device = next(self.judge.parameters()).device
        real = form.real(settings.batch, random).to(device)
        self.generator.train()
        self.judge.train()
        half = torch.autocast(device.type, torch.bfloat16, enabled=settings.bf16)
        with half:
            made = form.make(self.generator, form.draw(settings.batch, random).to(device))
            taken_real, taken_made = self.judge(real).float(), self.judge(made.detach()).float()
        told = [torch.rand(settings.batch, generator=random) < settings.label_noise for _ in range(2)]
        judged = scores_to_loss(taken_real, ~told[0]) + scores_to_loss(taken_made, told[1])
        of_judge.zero_grad()
        backward(judged)
        of_judge.step()

        self.judge.requires_grad_(False)
        with half:
            fooled = scores_to_loss(self.judge(made), True)
        of_generator.zero_grad()
        backward(fooled)
        of_generator.step()
        self.judge.requires_grad_(True)
        self._average(number)
        return {
            "judge": judged.detach(),
            "generator": fooled.detach(),
            "real is real": taken_real.detach().sigmoid().mean(),
            "made is real": taken_made.detach().sigmoid().mean(),
        }

    @torch.no_grad()
    def made(self, latents: Tensor) -> Tensor:
        """Make examples with the averaged generator."""
        return self.form.make(self.averaged.eval(), latents)

    def fixed(self) -> Tensor:
        """Give the latents that are shown, the same all the time."""
        return self.form.draw(self.form.shown(), seeded(self.settings.seed, _SHOWN))

    @torch.no_grad()
    def measure_norms(self, batches: int = 40) -> None:
        """Measure for the averaged generator what batch norm is to take for mean and variance."""
        norms = [module for module in self.averaged.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # all batches count alike
        self.averaged.train()
        for k in range(batches):
            self.form.make(self.averaged, self.form.draw(self.settings.batch, seeded(self.settings.seed, _NORMS, k)))
        self.averaged.eval()

    @torch.no_grad()
    def _average(self, number: int) -> None:
        """Move the average towards the generator, by more in the first turns, when it knows little."""
        share = 1 - min(self.settings.average, (1 + number) / (10 + number))
        now = self.generator.state_dict()
        for name, value in self.averaged.state_dict().items():
            if value.is_floating_point():
                value.lerp_(now[name], share)
            else:
                value.copy_(now[name])


def seeded(*key: int) -> torch.Generator:
    """Give random numbers that follow from a seed and what they are for."""
    seed = np.random.SeedSequence(list(key)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(seed >> np.uint64(1)))
