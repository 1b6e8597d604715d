"""Settings that go together: how much time somebody has, said in one word."""

from __future__ import annotations

from typing import Any, Literal

Preset = Literal["fast", "good", "overnight"]

PRESETS: dict[Preset, dict[str, Any]] = {
    # A few minutes on two cores: to hear whether the sounds are worth more.
    "fast": {
        "max_steps": 4_000,
        "segments": 32,
        "warmup_steps": 100,
        "check_every": 200,
        "media_every": 2_000,
        "model": {"latent": 8, "encoder_hidden": 160, "hidden": 256, "harmonics": 48, "bands": 64},
    },
    # What the settings are without any: half an hour.
    "good": {},
    # A wider network that has all night, and isn't stopped by an hour in which nothing gets better.
    "overnight": {
        "max_steps": 200_000,
        "learning_rate": 1e-3,
        "warmup_steps": 1_000,
        "check_every": 1_000,
        "media_every": 20_000,
        "patience": 40,
        "model": {"encoder_hidden": 480, "hidden": 768, "layers": 3},
    },
}
"""What each preset changes of the settings, as a configuration file would."""
