"""Settings of the training of a generator, and presets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, get_args

from models.dsp.log_mel import LogMel
from models.training.errors import ConfigError
from models.travelgan.networks import GeneratorConfig, config_from_plain
from models.travelgan.objective import Adversarial


@dataclass(frozen=True)
class TravelSettings:
    """Settings of a training.

    Attributes
    ----------
    model, scale
        The generator, and the scale of the spectrograms.
    frames
        Frames of a training spectrogram.
    parts
        Number of parts in which each spectrogram is generated, each without knowledge of the others, before the
        discriminator sees the whole.
    stitching
        Whether it is generated in parts; if not, boundaries are never seen in training.
    batch, portion
        Spectrograms of a step, of each domain, and how many of them are held in memory at a time. Pairs are compared
        within a portion.
    learning_rate, beta1
        Of Adam. The rate falls to a tenth over the second half.
    eager
        Factor of the discriminator's learning rate.
    adversarial, spectral
        The discriminator's loss, and whether it has spectral normalisation; if not, it has batch norm.
    gist
        Weight of a second discriminator that sees only statistics of each spectrogram; 0 for none.
    vector, margin
        Size of the siamese network's vectors, and the squared distance that they should keep.
    content
        Weight of margin and transformation vectors together.
    identity
        Weight of the change that the generator makes to spectra of the target domain.
    noise
        Standard deviation of the noise that is added to the discriminator's input.
    level_db
        Largest random change of level of a spectrogram, dB.
    average
        Share of the moving average of the generator's weights that a step keeps; the average is exported.
    max_steps, max_minutes, check_every, seed
        When the training ends, steps between two evaluations, and the seed of all random numbers.
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
        """Check the settings.

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


PRESETS = {
    "halves": TravelSettings(),
    "thirds": TravelSettings(parts=3, adversarial="hinge", vector=128, margin=2.0, identity=0.5),
    "notes": TravelSettings(
        model=GeneratorConfig(widths=(16, 24, 32, 48), paced=0, reach=(1, 2, 4, 8)),
        batch=8,
        portion=8,
        learning_rate=5e-4,
        eager=2.0,
        adversarial="hinge",
        vector=128,
        gist=1.0,
        margin=2.0,
        identity=1.0,
    ),
}
"""`halves` and `thirds` as published, for sounds that may change altogether; `notes` is fast on a CPU, keeps pitch and
rhythm, and processes every frame alike: a generator that halves the frame rate treats some frames differently from
others, which is audible."""

LOW_MEMORY = 4
"""Spectrograms in memory at a time with `--low-memory`."""


def preset(name: str, *, low_memory: bool = False, **overrides: Any) -> TravelSettings:
    """Give the settings of a preset, some of them replaced.

    Parameters
    ----------
    name
        A name of `PRESETS`.
    low_memory
        Whether to set `portion` to `LOW_MEMORY`.
    overrides
        Fields of `TravelSettings` by name; None leaves a setting unchanged.

    Returns
    -------
    settings : TravelSettings

    Raises
    ------
    ConfigError
        There is no such preset, or a setting is out of range.
    """
    if name not in PRESETS:
        raise ConfigError(f"There is no preset '{name}'; there are {', '.join(PRESETS)}.")
    given: dict[str, Any] = {key: value for key, value in overrides.items() if value is not None}
    if low_memory:
        given["portion"] = LOW_MEMORY
    return replace(PRESETS[name], **given)


FIXED = ("model", "scale", "parts", "stitching", "batch", "portion", "vector", "spectral", "gist", "seed")
"""Settings that a resumed training keeps."""


def from_plain(data: dict[str, Any]) -> TravelSettings:
    """Read what `dataclasses.asdict` gives."""
    return TravelSettings(**{**data, "model": config_from_plain(data["model"]), "scale": LogMel(**data["scale"])})
