"""Setting of parameters from MIDI, in order; only the latest values if more arrive than can be applied."""

from __future__ import annotations

from collections.abc import Callable

from realtime.midi.counts import Counts
from realtime.params.stage_protocol import Stage

MAX_REASON = 160  # characters kept of an error
MAX_REASONS = 100  # different errors that are reported


class ParameterWriter:
    """Sets the parameters of a stage.

    Parameters
    ----------
    stage
        The stage.
    counts
        Counts coalesced and refused values.
    notify
        Takes sentences for the player: each reason for a refusal, once.
    delay_s
        Seconds added to every time.
    """

    def __init__(self, stage: Stage, counts: Counts, notify: Callable[[str], None], *, delay_s: float = 0.0) -> None:
        self._stage, self._counts, self._notify, self._delay_s = stage, counts, notify, delay_s
        self._pending: dict[str, tuple[float, float]] | None = None  # address: value and time; None: set at once
        self._reasons: set[str] = set()

    def begin(self, *, coalesce: bool) -> None:
        """Begin a batch of messages.

        Parameters
        ----------
        coalesce
            Whether to keep only the latest value of each parameter until `flush`, or set each value at once.
        """
        self._pending = {} if coalesce else None

    def value(self, address: str) -> float:
        """Return a parameter's latest value, in its unit."""
        if self._pending and address in self._pending:
            return self._pending[address][0]
        return self._stage.get(address)

    def set(self, address: str, value: float, at: float) -> None:
        """Set a parameter to a value in its unit, at a Unix time in seconds."""
        at += self._delay_s
        if self._pending is None:
            self._stage.set(address, value, at=at)
            return
        if self._pending.pop(address, None) is not None:
            self._counts.coalesced += 1
        self._pending[address] = (value, at)

    def trigger(self, address: str, at: float) -> None:
        """Set a trigger at a Unix time in seconds, after all values before it."""
        self.flush()
        self._stage.set(address, at=at + self._delay_s)

    def flush(self) -> None:
        """Set the values that are pending; one that is refused doesn't affect the others."""
        if not self._pending:
            return
        pending, self._pending = self._pending, {}
        for address, (value, at) in pending.items():
            try:
                self._stage.set(address, value, at=at)
            except Exception as error:
                self.refuse(str(error))

    def refuse(self, reason: str) -> None:
        """Count a refusal, and report its reason if it is new."""
        self._counts.refused += 1
        self._counts.last_refused = reason[:MAX_REASON]
        if reason not in self._reasons and len(self._reasons) < MAX_REASONS:
            self._reasons.add(reason)
            self._notify(f"MIDI: {reason}")
