"""The stage as control surfaces see it: OSC, OSCQuery and MIDI use only this protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from realtime.params.table import Parameter


class Stage(Protocol):
    """Parameters by address, to be read and set. Implemented by `Session`."""

    @property
    def addresses(self) -> Mapping[str, Parameter]:
        """All present addresses with their rows; the mapping is replaced when a model is loaded, never modified."""

    def set(self, address: str, *values: object, at: float = 0.0) -> None:
        """Set a parameter at once or at a Unix time.

        Raises
        ------
        ParameterError
            There is no such parameter, or it doesn't take the values.
        """

    def get(self, address: str) -> float:
        """Return a parameter's value as set last."""
