"""The latent space of a TorchScript file: names, mean, and the order of importance."""

from __future__ import annotations

import dataclasses

import torch

from export.format.card import Latent
from export.torchscript.script.detect_state import preserved_state
from export.torchscript.script.method_roles import Role
from export.torchscript.script.nn_tilde import Script
from export.torchscript.tracing.windowed_models import noise_at_mean

FRAMES = 4
STEP = 1.5  # standard deviations by which each latent is moved


def describe_latent(script: Script, size: int, roles: list[Role]) -> Latent:
    """Describe the latent space of a script.

    Principal components keep their order. Otherwise the order of importance is measured by the change of the sound.

    Parameters
    ----------
    script : Script
    size : int
        Number of dimensions.
    roles : list of Role
        Its methods.

    Returns
    -------
    Latent
    """
    latent = Latent.plain(size)
    decoder = next((role for role in roles if role.key == "decode"), None)
    labels = decoder.method.input_labels if decoder else ()
    names = [label.removeprefix("(signal)").strip() for label in labels]
    if len(names) == size and all(names) and len(set(names)) == size:
        latent = dataclasses.replace(latent, names=tuple(names))
    info = script.latent
    if info.principal or decoder is None:
        return latent
    if info.mean is not None and len(info.mean) == size:
        latent = dataclasses.replace(latent, mean=info.mean)
    return dataclasses.replace(latent, order=_measure_order(script, decoder, latent))


def _measure_order(script: Script, role: Role, latent: Latent) -> tuple[int, ...]:
    """Change each latent dimension alone, and sort them by the change of the output, largest first."""
    mean = torch.tensor(latent.mean).reshape(1, -1, 1).repeat(1, 1, FRAMES)
    with noise_at_mean():
        plain = _play(script, role, mean)
        changes = []
        for k in range(latent.size):
            moved = mean.clone()
            moved[:, k] += STEP
            changes.append(float((_play(script, role, moved) - plain).square().mean()))
    return tuple(sorted(range(latent.size), key=lambda k: -changes[k]))


def _play(script: Script, role: Role, latents: torch.Tensor) -> torch.Tensor:
    with preserved_state(script):
        return role.play(script, latents)
