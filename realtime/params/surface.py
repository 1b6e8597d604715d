"""What control surfaces know of the stage: OSC, OSCQuery and MIDI are written against this and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from realtime.params.table import Parameter


class Stage(Protocol):
    """The stage as a surface sees it. `Session` is one."""

    @property
    def addresses(self) -> Mapping[str, Parameter]:
        """Every address there is now, with its row; the mapping is replaced when a model is loaded, never changed."""

    def set(self, address: str, *values: object, at: float = 0.0) -> None:
        """Set a parameter at once, or at a unix time; raises `ParameterError` where it can't."""

    def get(self, address: str) -> float:
        """Give a parameter's value as it was set last."""
