"""Detection of the control that moves: its type, its number, and whether it is a fader, a button or an encoder."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from realtime.midi.controls.mapping import Mapping, Mode
from realtime.midi.controls.mapping_source import Source
from realtime.midi.protocol.control_events import ANY, MAX_7_BIT, ControlEvent
from realtime.midi.protocol.controllers import (
    BANK_SELECT,
    DATA_DECREMENT,
    DATA_ENTRY_LSB,
    DATA_ENTRY_MSB,
    DATA_INCREMENT,
    LSB_OFFSET,
    MODE_MESSAGES,
    NRPN_LSB,
    NRPN_MSB,
    RPN_LSB,
    RPN_MSB,
    SUSTAIN,
    TIMBRE,
)
from realtime.params.table import Parameter

# Keyboards send these on their own. They can be mapped by hand.
SKIPPED_CONTROLLERS = {
    *(BANK_SELECT, BANK_SELECT + LSB_OFFSET, SUSTAIN, TIMBRE, DATA_INCREMENT, DATA_DECREMENT),
    *(NRPN_LSB, NRPN_MSB, RPN_LSB, RPN_MSB),
    *MODE_MESSAGES,
}
SURE_EVENTS = 8  # events after which the kind of a control is clear
SURE_S = 0.25  # seconds after which fewer events are enough
FORGET_S = 2.0  # seconds after which a single event is forgotten
MAX_ENCODER_STEP = 15
MAX_CANDIDATES = 256
MIN_BEND = 0.1  # from the centre, with 0.5 a full bend

Key = tuple[str, int, int, str]  # type, channel, number and port


@dataclass
class _Candidate:
    event: ControlEvent  # the latest
    port: str
    began: float
    raws: list[int] = field(default_factory=list)
    stepped: bool = False


class ControlDetector:
    """Detects the control that a parameter is mapped to.

    Parameters
    ----------
    row
        The parameter.

    Attributes
    ----------
    positions
        First positions of the detected control, 0 to 1.
    """

    def __init__(self, row: Parameter) -> None:
        self.row = row
        self.positions: tuple[float, ...] = ()
        self._candidates: dict[Key, _Candidate] = {}

    def feed(self, event: ControlEvent, port: str, at: float) -> Mapping | None:
        """Take an event.

        Parameters
        ----------
        event
            Any event of a control.
        port
            Name of its input.
        at
            Unix time in seconds.

        Returns
        -------
        Mapping or None
            The mapping, once the control is clear.
        """
        if event.type == "cc" and event.number in SKIPPED_CONTROLLERS:
            return None
        key = (event.type, event.channel, event.number, port)
        if key not in self._candidates:
            if len(self._candidates) >= MAX_CANDIDATES:
                self._candidates.clear()
            self._candidates[key] = _Candidate(event, port, at)
        candidate = self._candidates[key]
        candidate.event = event
        if len(candidate.raws) < SURE_EVENTS:
            candidate.raws.append(event.raw)
        candidate.stepped |= event.step != 0
        if (event.type == "note" and event.raw > 0) or event.type == "program":
            return self._mapping(candidate)
        return self.detect(at)

    def detect(self, now: float) -> Mapping | None:
        """Return the mapping if the control is clear by now; to be called every few hundredths of a second.

        Parameters
        ----------
        now
            Unix time in seconds.

        Returns
        -------
        Mapping or None
            The mapping; None while no control is clear.
        """
        for key, candidate in list(self._candidates.items()):
            if now - candidate.began > FORGET_S and len(candidate.raws) < 2:
                del self._candidates[key]
        for type_ in ("nrpn", "cc", "bend", "pressure"):
            for candidate in self._candidates.values():
                if candidate.event.type == type_ and self._is_clear(candidate, now):
                    return self._mapping(self._as_14_bit(candidate))
        return None

    def reset(self) -> None:
        """Forget all events."""
        self._candidates.clear()

    def _is_clear(self, candidate: _Candidate, now: float) -> bool:
        event, raws = candidate.event, candidate.raws
        if event.type == "bend":
            return abs(event.position - 0.5) > MIN_BEND
        if event.type == "pressure":
            return len(set(raws)) > 2 and event.number == ANY
        data_entry = event.type == "cc" and event.number in (DATA_ENTRY_MSB, DATA_ENTRY_LSB)
        if data_entry and self._has_nrpn(event.channel, candidate.port):
            return False
        is_button = self.row.kind in ("bool", "trigger")
        return len(raws) >= SURE_EVENTS or (now - candidate.began >= SURE_S and len(raws) >= (1 if is_button else 2))

    def _has_nrpn(self, channel: int, port: str) -> bool:
        return any(key[0] == "nrpn" and (key[1], key[3]) == (channel, port) for key in self._candidates)

    def _as_14_bit(self, candidate: _Candidate) -> _Candidate:
        """Return the 14-bit control that a controller is half of, if both halves have arrived."""
        event, port = candidate.event, candidate.port
        if event.type != "cc" or event.number >= 2 * LSB_OFFSET:
            return candidate
        msb = event.number % LSB_OFFSET
        halves = [("cc", event.channel, number, port) in self._candidates for number in (msb, msb + LSB_OFFSET)]
        pair = self._candidates.get(("cc14", event.channel, msb, port))
        return pair if all(halves) and pair is not None else candidate

    def _mapping(self, candidate: _Candidate) -> Mapping:
        event = candidate.event
        number = None if event.number == ANY else event.number
        self.positions = tuple(raw / event.raw_max for raw in candidate.raws)
        source = Source(event.type, number, event.channel, candidate.port)
        return Mapping(source, self.row.address, mode=self._mode(candidate))

    def _mode(self, candidate: _Candidate) -> Mode:
        type_ = candidate.event.type
        if self.row.kind == "bool":
            return "toggle"
        if self.row.kind == "trigger" or candidate.stepped:
            return "absolute"
        if type_ == "note":
            return "momentary"
        if type_ != "cc":
            return "absolute"
        if set(candidate.raws) == {0, MAX_7_BIT}:
            return "momentary"
        return encoder_mode(candidate.raws) or "absolute"


def encoder_mode(raws: Sequence[int]) -> Mode | None:
    """Return the kind of an endless encoder.

    Encoders repeat small steps; faders and knobs never send the same value twice in a row.

    Parameters
    ----------
    raws
        Values that a control has sent, 0 to 127.

    Returns
    -------
    Mode or None
        One of `RELATIVE`; None for a fader or knob.
    """
    repeats = any(one == other for one, other in itertools.pairwise(raws))
    if not repeats or 0 in raws or 64 in raws:
        return None
    right = [1 <= raw <= MAX_ENCODER_STEP for raw in raws]
    left_2c = [raw >= 128 - MAX_ENCODER_STEP for raw in raws]
    left_sign = [64 < raw <= 64 + MAX_ENCODER_STEP for raw in raws]
    if all(a or b for a, b in zip(right, left_2c, strict=True)):
        return "relative2c"
    if all(abs(raw - 64) <= MAX_ENCODER_STEP for raw in raws):
        return "relative64"
    if all(a or b for a, b in zip(right, left_sign, strict=True)):
        return "relativesign"
    return None
