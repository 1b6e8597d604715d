"""The adversarial step of a DCGAN: discriminator and generator are updated in turn.

Source: Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks" (ICLR 2016); losses after Goodfellow et al., "Generative Adversarial Nets" (2014), non-saturating.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.dcgan.domains import Domain
from models.dcgan.settings import DcganSettings
from models.training.seeding import generator_for
from models.training.weight_averaging import kept_share

_WEIGHTS, _STEPS, _NORMS, _SHOWN = range(4)  # purposes of random numbers


class AdversarialNetworks(nn.Module):
    """Generator and discriminator, and a moving average of the generator, which is shown and exported.

    All random numbers of a step follow from the seed and the step's number.

    Parameters
    ----------
    domain
        The data, and the networks for them.
    settings
        Sizes and training.
    """

    def __init__(self, domain: Domain, settings: DcganSettings) -> None:
        super().__init__()
        self.domain, self.settings = domain, settings
        self.generator, self.discriminator = domain.networks()
        random = generator_for(settings.seed, _WEIGHTS)
        initialise(self.generator, random)
        initialise(self.discriminator, random)
        self.averaged = copy.deepcopy(self.generator).requires_grad_(False)

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for the generator, and for the discriminator."""
        settings = self.settings
        betas = (settings.beta1, settings.beta2)
        networks = (self.generator, self.discriminator)
        return [torch.optim.Adam(network.parameters(), settings.learning_rate, betas) for network in networks]

    def step(
        self,
        optimizers: Sequence[Any],
        number: int,
        backward: Callable[[Tensor], None] = torch.autograd.backward,
    ) -> dict[str, Tensor]:
        """Update the discriminator, then the generator.

        Parameters
        ----------
        optimizers
            Those of `optimizers`.
        number
            The step, counted from 0.
        backward
            Computes the gradients of a loss.

        Returns
        -------
        dict of str to Tensor [shape=()]
            Both losses, and the mean probability that real and made examples are classified as real.
        """
        domain, settings = self.domain, self.settings
        of_generator, of_discriminator = optimizers
        random = generator_for(settings.seed, _STEPS, number)
        device = next(self.discriminator.parameters()).device
        real = domain.real(settings.batch, random).to(device)
        self.generator.train()
        self.discriminator.train()
        half = torch.autocast(device.type, torch.bfloat16, enabled=settings.bf16)
        with half:
            made = domain.make(self.generator, domain.draw(settings.batch, random).to(device))
            logits_real = self.discriminator(real).float()  # [batch, places]
            logits_made = self.discriminator(made.detach()).float()
        flipped = [torch.rand(settings.batch, generator=random) < settings.label_noise for _ in range(2)]
        loss = classification_loss(logits_real, ~flipped[0]) + classification_loss(logits_made, flipped[1])
        of_discriminator.zero_grad()
        backward(loss)
        of_discriminator.step()

        self.discriminator.requires_grad_(False)
        with half:
            generator_loss = classification_loss(self.discriminator(made), True)
        of_generator.zero_grad()
        backward(generator_loss)
        of_generator.step()
        self.discriminator.requires_grad_(True)
        self._average(number)
        return {
            "discriminator": loss.detach(),
            "generator": generator_loss.detach(),
            "real is real": logits_real.detach().sigmoid().mean(),
            "made is real": logits_made.detach().sigmoid().mean(),
        }

    @torch.no_grad()
    def made(self, latents: Tensor) -> Tensor:
        """Make examples with the averaged generator."""
        return self.domain.make(self.averaged.eval(), latents)

    def shown_latents(self) -> Tensor:
        """Give the latents of the preview grid, the same every time."""
        return self.domain.draw(self.domain.shown(), generator_for(self.settings.seed, _SHOWN))

    @torch.no_grad()
    def measure_norms(self, batches: int = 40) -> None:
        """Measure the batch-norm statistics of the averaged generator."""
        norms = [module for module in self.averaged.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # an equal weight for all batches
        self.averaged.train()
        for k in range(batches):
            random = generator_for(self.settings.seed, _NORMS, k)
            self.domain.make(self.averaged, self.domain.draw(self.settings.batch, random))
        self.averaged.eval()

    @torch.no_grad()
    def _average(self, number: int) -> None:
        share = 1 - kept_share(self.settings.average, number)
        now = self.generator.state_dict()
        for name, value in self.averaged.state_dict().items():
            if value.is_floating_point():
                value.lerp_(now[name], share)
            else:
                value.copy_(now[name])


def initialise(network: nn.Module, random: torch.Generator) -> None:
    """Draw the initial weights of a DCGAN: N(0, 0.02), and N(1, 0.02) for the scales of batch norm.

    Source: Radford, Metz and Chintala (2016), section 4.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d):
            module.weight.data.normal_(0.0, 0.02, generator=random)
            if module.bias is not None:
                module.bias.data.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.data.normal_(1.0, 0.02, generator=random)
            module.bias.data.zero_()


def classification_loss(logits: Tensor, real: Tensor | bool) -> Tensor:
    """Cross-entropy of a discriminator's logits.

    Parameters
    ----------
    logits : Tensor [shape=(batch, places)]
    real : bool or Tensor [shape=(batch,)]
        Whether all examples, or each of them, are labelled as real.

    Returns
    -------
    Tensor [shape=()]
        Nats.
    """
    wanted = torch.full((len(logits),), float(real)) if isinstance(real, bool) else real.float()
    logits = logits.float()
    return F.binary_cross_entropy_with_logits(logits, wanted.to(logits)[:, None].expand_as(logits))
