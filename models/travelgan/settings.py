"""How a generator is trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from models.dsp.log_mel import LogMel
from models.spectral.settings import ConfigError
from models.travelgan.networks import GeneratorConfig
from models.travelgan.objective import Adversarial


@dataclass(frozen=True)
class TravelSettings:
    """How a generator is trained.

    Attributes
    ----------
    model, scale
        What turns one spectrogram into another, and what a spectrogram is.
    frames
        Of a training spectrogram.
    parts
        How many parts each is made in, by themselves, before the discriminator sees the whole.
    stitching
        Whether it is; else each is made at once, and whatever happens at borders is never seen.
    batch, portion
        Spectrograms of a step, of each domain, and how many of them are held in memory at a time. Pairs are compared
        within a portion.
    learning_rate, beta1
        Of Adam. The rate falls to a tenth over the second half.
    eager
        How many times faster than the others the discriminator learns.
    adversarial, spectral
        The discriminator's loss, and whether its weights are divided by their spectral norm; else its layers are
        normed over the batch.
    gist
        Weight of a second discriminator that is told of each spectrogram only what it is like on the whole; 0 is none.
    vector, margin
        Size of the siamese network's vectors, and how far apart, squared, they are kept.
    content
        Weight of margin and transformation vectors together.
    identity
        Weight of what the generator changes of spectra that are in the target domain already.
    noise
        Added to all that the discriminator sees, one standard deviation.
    level_db
        By up to so much each spectrogram is made louder or softer as it is drawn.
    average
        Share of the moving average of the generator's weights, which is what is played, that a step leaves as it is.
    max_steps, max_minutes, check_every, seed
        When it ends, how often held-out spectra are judged, and the seed of all that is random.
    """

    model: GeneratorConfig = field(default_factory=GeneratorConfig)
    scale: LogMel = field(default_factory=LogMel)
    frames: int = 128
    parts: int = 2
    stitching: bool = True
    batch: int = 16
    portion: int = 16
    learning_rate: float = 2e-4
    eager: float = 1.0
    beta1: float = 0.5
    adversarial: Adversarial = "logistic"
    spectral: bool = True
    gist: float = 0.0
    vector: int = 1000
    margin: float = 10.0
    content: float = 10.0
    identity: float = 0.0
    noise: float = 0.03
    level_db: float = 6.0
    average: float = 0.998
    max_steps: int = 5_000
    max_minutes: float | None = None
    check_every: int = 250
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained.

        Raises
        ------
        ConfigError
            A number is out of range, or contradicts another.
        """
        if self.adversarial not in get_args(Adversarial):
            raise ConfigError(f"There is no loss '{self.adversarial}'; there are {', '.join(get_args(Adversarial))}.")
        if self.model.bands != self.scale.bands or self.frames % 32 or self.scale.bands % 32:
            raise ConfigError("A spectrogram has as many bands as the generator, and they and its frames are 32, 64, …")
        if not 1 <= self.parts <= self.frames // self.model.pace:
            raise ConfigError(f"{self.frames} frames can be made in 1 to {self.frames // self.model.pace} parts.")
        if self.portion < 2 or self.batch % self.portion:
            raise ConfigError(
                f"A step of {self.batch} is made of portions of equal size, 2 at least, not {self.portion}."
            )
        if min(self.max_steps, self.check_every, self.vector) < 1 or not self.learning_rate > 0:
            raise ConfigError("Steps, vectors and the learning rate must be above 0.")
