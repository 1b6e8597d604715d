"""Settings that go together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from models.spectral.settings import ConfigError
from models.travelgan.networks import GeneratorConfig
from models.travelgan.settings import TravelSettings

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
"""`halves` and `thirds` as they were published, for sounds that may change altogether; `notes` is quick on a CPU, keeps
pitch and rhythm, and takes every frame by itself: a generator that halves time treats some frames otherwise than
others, and that can be heard."""

LOW_MEMORY = 4


def preset(name: str, *, low_memory: bool = False, **wishes: Any) -> TravelSettings:
    """Give the settings of that name, with some of them otherwise; None leaves them as they are.

    Raises
    ------
    ConfigError
        There are none of that name, or one of them is out of range.
    """
    if name not in PRESETS:
        raise ConfigError(f"There is no preset '{name}'; there are {', '.join(PRESETS)}.")
    given: dict[str, Any] = {key: value for key, value in wishes.items() if value is not None}
    if low_memory:
        given["portion"] = LOW_MEMORY
    return replace(PRESETS[name], **given)
