"""What a session tells of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """How the session is, now."""

    device: str
    latency_ms: dict[str, float]
    load: float  # share of the time to its deadline that a hop takes
    worst_load: float
    underruns: int
    device_underruns: int
    level_db: float
    osc_messages: int
    osc_bad: int
    osc_unknown: int
    nonfinite: int
    clock: int
    seconds: float
    deck_alive: bool

    @property
    def total_ms(self) -> float:
        """Control to speaker, on average."""
        return sum(self.latency_ms.values())
