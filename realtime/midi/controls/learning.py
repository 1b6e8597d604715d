"""Learning: the control that moves is mapped to the parameter that was selected."""

from __future__ import annotations

from collections.abc import Callable

from realtime.midi.controls.control_detector import ControlDetector
from realtime.midi.controls.mapping import Mapping
from realtime.midi.controls.mapping_table import MappingTable
from realtime.midi.curves import to_position
from realtime.midi.protocol.control_events import ControlEvent
from realtime.params.table import Parameter


class Learning:
    """Learning for one parameter at a time.

    Parameters
    ----------
    table
        Mappings are added to this table. A learned control plays only its own parameter.
    value
        Returns the value of a parameter by its address.
    notify
        Takes sentences for the player: what was learned.
    """

    def __init__(self, table: MappingTable, value: Callable[[str], float], notify: Callable[[str], None]) -> None:
        self._table, self._value, self._notify = table, value, notify
        self._detector: ControlDetector | None = None
        self._learned: Mapping | None = None

    @property
    def address(self) -> str | None:
        """The parameter that is waiting for a control; None if learning is off."""
        detector = self._detector
        return None if detector is None else detector.row.address

    @property
    def learned(self) -> Mapping | None:
        """The mapping learned last for this parameter."""
        return self._learned

    def select(self, row: Parameter | None) -> None:
        """Select a parameter for learning; None ends learning."""
        self._detector = None if row is None else ControlDetector(row)
        self._learned = None

    def feed(self, event: ControlEvent, port: str, at: float) -> None:
        """Take an event, and map its control if that is clear.

        Parameters
        ----------
        event
            Any event of a control.
        port
            Name of its input.
        at
            Unix time in seconds.
        """
        if self._detector is not None:
            self._map(self._detector, self._detector.feed(event, port, at))

    def poll(self, now: float) -> None:
        """Map the control that is clear by now, at a Unix time in seconds."""
        if self._detector is not None:
            self._map(self._detector, self._detector.detect(now))

    def _map(self, detector: ControlDetector, mapping: Mapping | None) -> None:
        """Add a mapping, in place of the one learned before for the same parameter."""
        if mapping is None:
            return
        detector.reset()
        if self._learned is not None and self._learned.source == mapping.source:
            return
        kept = [one for one in self._table.mappings if one.source != mapping.source and one != self._learned]
        self._learned = mapping
        self._table.replace([*kept, mapping])
        if mapping.mode == "absolute":
            position = to_position(detector.row, self._value(mapping.target), mapping.range)
            for moved in detector.positions:
                self._table.control(mapping).pickup.move(moved, position)
        self._notify(f"{mapping.source.label} plays {mapping.target}.")
