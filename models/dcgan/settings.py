"""Settings of the training of a DCGAN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models.training.errors import ConfigError

MAX_WIDTH = 512
MIN_CHUNK = 32
"""Smallest number of frames in a chunk: the reach of the discriminator."""


@dataclass(frozen=True)
class DcganSettings:
    """Settings of a training.

    Source: Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
    Adversarial Networks" (ICLR 2016), for all values without an explanation here.

    Attributes
    ----------
    latent
        Latent dimensions of a picture, or of a frame of sound.
    filters
        Channels of the layers next to the picture; each further layer has twice as many, up to eight times.
    batch
        Pictures, or pairs of chunks, in a step of either network.
    learning_rate, beta1, beta2
        Of Adam. A rate of 1e-4 stabilises a training that oscillates.
    label_noise
        Share of the discriminator's labels that are swapped, real for made.
    average
        Share of the generator's moving average that a step keeps; the average is shown and exported.
    stitching
        Of sound: whether the discriminator sees two neighbouring chunks together. Without it, each chunk alone.
    shared
        Of sound: number of latent dimensions that are the same in neighbouring chunks; the others move.
    chunk
        Of sound: frames of a chunk.
    bf16
        Whether networks compute in bfloat16: twice as fast on processors that support it, slower on others.
    max_steps, max_minutes
        The training ends after that many steps, or after the steps that fit into the minutes.
    keep_minutes
        How old the checkpoint may become, minutes.
    seed
        Seed of all random numbers.
    """

    latent: int = 100
    filters: int = 64
    batch: int = 64
    learning_rate: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    label_noise: float = 0.0
    average: float = 0.995
    stitching: bool = True
    shared: int = 36
    chunk: int = 32
    bf16: bool = False
    max_steps: int = 20_000
    max_minutes: float | None = None
    keep_minutes: float = 2.0
    seed: int = 0


def checked(settings: DcganSettings) -> DcganSettings:
    """Check settings.

    Returns
    -------
    settings : DcganSettings
        Unchanged.

    Raises
    ------
    ConfigError
        A setting is out of range; the message names the first one.
    """
    for name in ("latent", "filters", "batch", "max_steps"):
        _expect(getattr(settings, name) >= 1, f"{name} must be at least 1, not {getattr(settings, name)}")
    for name in ("latent", "filters"):
        _expect(
            getattr(settings, name) <= MAX_WIDTH, f"{name} must be at most {MAX_WIDTH}, not {getattr(settings, name)}"
        )
    _expect(settings.chunk >= MIN_CHUNK, f"chunk must be at least {MIN_CHUNK}, not {settings.chunk}")
    _expect(settings.batch >= 2, "batch must be at least 2, since batch norm looks at all of them together")
    _expect(0 < settings.learning_rate < 1, f"learning_rate must be between 0 and 1, not {settings.learning_rate:g}")
    _expect(0 <= settings.label_noise < 0.5, f"label_noise must be 0 to 0.5, not {settings.label_noise:g}")
    _expect(0 <= settings.average < 1, f"average must be 0 to 1, not {settings.average:g}")
    _expect(0 <= settings.shared <= settings.latent, f"shared must be 0 to {settings.latent}, not {settings.shared}")
    minutes = settings.max_minutes
    _expect(minutes is None or minutes > 0, "max_minutes must be more than 0")
    return settings


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ConfigError(f"{otherwise}.")


FIXED = ("latent", "filters", "batch", "stitching", "shared", "chunk", "seed")
"""Settings that a resumed training keeps."""


def from_plain(data: dict[str, Any]) -> DcganSettings:
    """Read what `dataclasses.asdict` gives; raises KeyError if the data are those of another architecture."""
    _ = data["stitching"]
    return DcganSettings(**data)
