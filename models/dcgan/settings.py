"""Everything that a training of a DCGAN can be told."""

from __future__ import annotations

from dataclasses import dataclass

from models.spectral.settings import ConfigError

WIDEST = 512
FEWEST_CHUNK = 32
"""Frames of a chunk, at least: the judge looks at so many at once."""


@dataclass(frozen=True)
class DcganSettings:
    """What is trained, and how.

    Source: Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
    Adversarial Networks" (ICLR 2016), for all numbers that are not explained here.

    Attributes
    ----------
    latent
        Numbers that a picture, or a frame of sound, is made of.
    filters
        Channels of the layers next to the picture; each further one has twice as many, up to eight times.
    batch
        Pictures, or pairs of chunks, in a step of either network.
    learning_rate, beta1, beta2
        Adam's. Where training is restless, a rate of 1e-4 calms it.
    label_noise
        Share of the judge's labels that are exchanged, real for made.
    average
        Share of the generator's moving average that a step leaves as it is; what is shown and kept is the average.
    stitching
        Of sound: whether two neighbouring chunks are judged together. Without it each is made, and judged, alone.
    shared
        Of sound: how many of the latents stay as they are over neighbouring chunks; the others go from place to place.
    chunk
        Of sound: frames of a chunk.
    bf16
        Whether networks compute in bfloat16: twice as fast where the processor can, and slower where it cannot.
    max_steps, max_minutes
        The training is over after so many steps, or after as many as so many minutes will do.
    keep_minutes
        How old the checkpoint may become.
    seed
        Of all that is random.
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
    """Give settings back if a training can be done with them.

    Raises
    ------
    ConfigError
        Names the first one that is out of range.
    """
    for name in ("latent", "filters", "batch", "max_steps"):
        _expect(getattr(settings, name) >= 1, f"{name} must be at least 1, not {getattr(settings, name)}")
    for name in ("latent", "filters"):
        _expect(getattr(settings, name) <= WIDEST, f"{name} must be at most {WIDEST}, not {getattr(settings, name)}")
    _expect(settings.chunk >= FEWEST_CHUNK, f"chunk must be at least {FEWEST_CHUNK}, not {settings.chunk}")
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
