"""Readings of the session from shared memory, rounded to what can be seen.

Values that are not finite become `None`, and are shown as a dash.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gui.host_memory import ReadOnlySegment

DASH = "–"


QUIET_DB = -80.0


MAX_PERCENT = 9999


@dataclass(frozen=True)
class Level:
    """A channel's level in dBFS; `hold` is the held peak."""

    peak: float | None = None
    rms: float | None = None
    hold: float | None = None
    clipped: bool = False


@dataclass(frozen=True)
class Load:
    """The load of a deck and its maximum in percent, and the deadline in ms."""

    percent: int | None = None
    worst: int | None = None
    deadline_ms: float | None = None


@dataclass(frozen=True)
class Underruns:
    """Underruns of decks and device since the last reset, and the missing frames."""

    deck: int = 0
    device: int = 0
    missing: int = 0

    @property
    def total(self) -> int:
        """Underruns of decks and device."""
        return self.deck + self.device


@dataclass(frozen=True)
class Latency:
    """Latency from a control to the speaker in ms, and its parts by name."""

    total_ms: float | None = None
    parts: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class OscTraffic:
    """Incoming OSC: address, messages a second, and counts."""

    address: str = DASH
    rate: int | None = None
    messages: int = 0
    bad: int = 0
    unknown: int = 0


@dataclass(frozen=True)
class Identity:
    """The model that plays, the device, and the state of the stream."""

    model: str = DASH
    device: str = DASH
    rate: int | None = None
    block: int | None = None
    state: str = "starting"


def finite(value: Any) -> float | None:
    """Return a value as a finite float, or None."""
    try:
        value = float(value)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def decibels(value: float, *, power: bool = False) -> float | None:
    """Convert a peak, or a mean square, to dBFS; at least -80."""
    if not math.isfinite(value) or value < 0:
        return None
    return max((10 if power else 20) * math.log10(max(value, 1e-12)), QUIET_DB)


def read_load(deck: Any) -> Load:
    """Read the load of a deck."""
    deadline, decode, worst = (finite(deck[key]) for key in ("deadline_ms", "decode_ms", "worst_ms"))
    if deadline is None or deadline <= 0 or decode is None:
        return Load()
    worst = None if worst is None else round(min(100 * worst / deadline, MAX_PERCENT))
    return Load(round(min(100 * decode / deadline, MAX_PERCENT)), worst, round(deadline, 2))


def read_latency(info: Any) -> Latency:
    """Read the latency from the description of the session."""
    if not isinstance(info, dict):
        return Latency()
    total = finite(info.get("total_ms"))
    listed = info.get("parts")
    pairs = [part for part in listed if isinstance(part, list) and len(part) == 2] if isinstance(listed, list) else []
    parts = [(str(name), round(max(ms, 0.0), 2)) for name, value in pairs if (ms := finite(value)) is not None]
    return Latency(None if total is None else round(total, 1), tuple(parts))


def read_identity(info: dict[str, Any], stream: Any, playing: bool) -> Identity:
    """Read the identity from the description of the session."""
    rate, block = finite(info.get("sample_rate", stream["sample_rate"])), finite(info.get("block", stream["block"]))
    model = info.get("model_name") or Path(str(info.get("model") or DASH)).stem
    state = "playing" if playing else "stalled" if int(stream["clock"]) > 0 else "starting"
    return Identity(
        str(model),
        str(info.get("device") or DASH),
        round(rate) if rate else None,
        round(block) if block else None,
        state,
    )


def read_played_latents(deck: ReadOnlySegment | None, count: int) -> list[float | None]:
    """Read the current latents of a deck, in the order of the table."""
    if deck is None:
        return [None] * count
    return [finite(value) for value in np.asarray(deck["latents"][:count])]
