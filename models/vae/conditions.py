"""Conditions of a decoder beside its latent; on stage each is a live control.

A condition is one number for each frame, in the performer's unit: a MIDI note number, a level in dBFS, the number of a
class. The network gets features of it, which are computed here, in training and in the exported graph alike.

Shapes: a condition is `[batch]` for pictures and `[batch, frames]` for streams; features lie on the axis after the
batch, as latents do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from export.errors import GlitchError
from export.format.card import Control

PITCH_WAVES = 5
"""Sine and cosine pairs that encode a pitch; the first has a period of four octaves, each next one half of that."""

MAX_LISTED = 300
"""Largest number of characters for a list of labels; longer lists are replaced by a count."""


class ConditionError(GlitchError):
    """A condition is missing, unknown or of another shape."""


@dataclass(frozen=True)
class Condition:
    """One condition of a decoder.

    Attributes
    ----------
    name
        Name of the condition, and of the control.
    kind
        How it is encoded. `pitch`: sines and cosines of the note, so that neighbouring semitones differ and octaves are
        similar. `level`: its place in its range, −1 to 1. `class`: a weight for each class, 1 for the class of that
        number; between two whole numbers a mixture of both, so that a control can morph one into the next.
    default, minimum, maximum, unit, text
        Of the control.
    """

    name: str
    kind: Literal["pitch", "level", "class"]
    default: float
    minimum: float
    maximum: float
    unit: str = ""
    text: str = ""

    @property
    def size(self) -> int:
        """Number of features."""
        if self.kind == "class":
            return round(self.maximum - self.minimum) + 1
        return 1 + 2 * PITCH_WAVES if self.kind == "pitch" else 1

    def features(self, value: Tensor) -> Tensor:
        """Encode values: [batch, ...] → [batch, size, ...]."""
        if self.kind == "pitch":
            return pitch_features(value, PITCH_WAVES, dim=1)
        if self.kind == "level":
            return ((2 * value - self.minimum - self.maximum) / (self.maximum - self.minimum))[:, None]
        place = (value - self.minimum).clamp(0, self.size - 1)[:, None]  # [batch, 1, ...]
        number = torch.arange(self.size, device=value.device, dtype=place.dtype)
        number = number.reshape(-1, *[1] * (value.dim() - 1))  # [size, ...]
        return (1 - (place - number).abs()).clamp(min=0)

    def control(self) -> Control:
        """Describe the control for the card."""
        return Control(self.name, self.default, self.minimum, self.maximum, unit=self.unit, text=self.text)


def pitch() -> Condition:
    """Pitch, as a MIDI keyboard gives it."""
    return Condition("pitch", "pitch", 57.0, 24.0, 108.0, unit="MIDI note", text="Pitch; 69 is A4, 440 Hz.")


def loudness(quietest_db: float = -90.0) -> Condition:
    """Loudness, from silence to 6 dB below full scale."""
    return Condition(
        "loudness", "level", -20.0, quietest_db, -6.0, unit="dBFS", text="Level (RMS); the lowest is silence."
    )


def one_of(name: str, labels: Sequence[str]) -> Condition:
    """Make a condition that selects one of several classes by number.

    Parameters
    ----------
    name
        Name of the condition.
    labels
        Names of the classes.

    Returns
    -------
    condition : Condition
        From 0, the first label and default, to the number of the last; a value between two gives a mixture.

    Raises
    ------
    ConditionError
        There are fewer than two.
    """
    if len(labels) < 2:
        raise ConditionError(f"The condition '{name}' needs at least two classes to choose from, not {len(labels)}.")
    listed = ", ".join(f"{k} {label}" for k, label in enumerate(labels))
    which = listed if len(listed) <= MAX_LISTED else f"one of {len(labels)}"
    return Condition(name, "class", 0.0, 0.0, len(labels) - 1.0, text=f"Which: {which}; between two, a mixture.")


def total_size(conditions: Sequence[Condition]) -> int:
    """Return the number of features of all conditions together."""
    return sum(condition.size for condition in conditions)


def append_conditions(conditions: Sequence[Condition], values: Mapping[str, Tensor], latent: Tensor) -> Tensor:
    """Append the features of conditions to a latent.

    Parameters
    ----------
    conditions
        The conditions of the decoder.
    values : mapping of str to Tensor [shape=(batch,) or (batch, frames)]
        The value of each condition, by name; frames as in the latent.
    latent : Tensor [shape=(batch, latent, ...)]

    Returns
    -------
    Tensor [shape=(batch, latent + total_size, ...)]

    Raises
    ------
    ConditionError
        One is missing, or doesn't fit the latent.
    """
    parts = [latent]
    for condition in conditions:
        if condition.name not in values:
            raise ConditionError(
                f"This model needs the condition '{condition.name}', which is missing; give it beside the latent."
            )
        value = values[condition.name]
        wanted = [latent.shape[0], *latent.shape[2:]]
        if not torch.compiler.is_compiling() and list(value.shape) != wanted:
            raise ConditionError(
                f"'{condition.name}' must have the shape {wanted}, as its latent, not {[*value.shape]}."
            )
        parts.append(condition.features(value.to(latent.dtype)))
    return torch.cat(parts, dim=1)


def pitch_features(pitch: Tensor, waves: int, dim: int = -1) -> Tensor:
    """MIDI note numbers [...] → the note in octaves from 64, and sines and cosines of it, on a new axis `dim`."""
    octave = (pitch - 64.0) / 12.0  # [...]
    angles = [octave * (2**k * math.pi / 2) for k in range(waves)]
    return torch.stack([octave, *(torch.sin(a) for a in angles), *(torch.cos(a) for a in angles)], dim=dim)
