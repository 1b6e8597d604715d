"""Learn: which control is it that the player moves, and what does it send?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from realtime.midi.controls.mapping import Mapping, Mode, Source
from realtime.midi.protocol.control_events import ANY, NRPN_FINE, RPN_COARSE, Change
from realtime.params.table import Parameter

# Bank select and its fine half, sustain pedal, MPE's timbre; 120 and above are no controllers but commands. All of them
# come by themselves, and can be mapped by hand.
SKIPPED = {0, 32, 64, 74, *range(NRPN_FINE, RPN_COARSE + 1), 96, 97, *range(120, 128)}
ENOUGH = 8  # messages after which the kind of a control is clear
LOOK_S = 0.25  # after this, what came so far has to do
FORGET_S = 2.0
LARGEST_STEP = 15
MOST_CANDIDATES = 256
BEND_MOVED = 0.1

Key = tuple[str, int, int, str]


@dataclass
class _Candidate:
    change: Change
    port: str
    began: float
    raws: list[int] = field(default_factory=list)
    stepped: bool = False


class Learner:
    """Watches the controls for one parameter.

    Parameters
    ----------
    row
        The parameter that waits for a control.

    Attributes
    ----------
    way
        Where the control that was found had been on its way, from 0 to 1.
    """

    def __init__(self, row: Parameter) -> None:
        self.row = row
        self.way: tuple[float, ...] = ()
        self._candidates: dict[Key, _Candidate] = {}

    def feed(self, change: Change, port: str, at: float) -> Mapping | None:
        """Note what a control did; give the mapping once it is clear."""
        if change.type == "cc" and change.number in SKIPPED:
            return None
        key = (change.type, change.channel, change.number, port)
        if key not in self._candidates:
            if len(self._candidates) >= MOST_CANDIDATES:
                self._candidates.clear()
            self._candidates[key] = _Candidate(change, port, at)
        candidate = self._candidates[key]
        candidate.change = change
        if len(candidate.raws) < ENOUGH:
            candidate.raws.append(change.raw)
        candidate.stepped |= change.step != 0
        if change.type == "note" and change.raw > 0:
            return self._mapping(candidate)
        if change.type == "program":
            return self._mapping(candidate)
        return self.due(at)

    def due(self, now: float) -> Mapping | None:
        """Give the mapping if it is clear by now; to be asked every few hundredths of a second."""
        for key, candidate in list(self._candidates.items()):
            if now - candidate.began > FORGET_S and len(candidate.raws) < 2:
                del self._candidates[key]
        for kind in ("nrpn", "cc", "bend", "pressure"):
            for candidate in self._candidates.values():
                if candidate.change.type == kind and self._is_clear(candidate, now):
                    return self._mapping(self._whole(candidate))
        return None

    def forget(self) -> None:
        """Begin anew with the same parameter."""
        self._candidates.clear()

    def _is_clear(self, candidate: _Candidate, now: float) -> bool:
        change, raws = candidate.change, candidate.raws
        if change.type == "bend":
            return abs(change.position - 0.5) > BEND_MOVED
        if change.type == "pressure":
            return len(set(raws)) > 2 and change.number == ANY
        if change.type == "cc" and change.number in (6, 38) and self._has_nrpn(change.channel, candidate.port):
            return False
        button = self.row.kind in ("bool", "trigger")
        return len(raws) >= ENOUGH or (now - candidate.began >= LOOK_S and len(raws) >= (1 if button else 2))

    def _has_nrpn(self, channel: int, port: str) -> bool:
        return any(key[0] == "nrpn" and (key[1], key[3]) == (channel, port) for key in self._candidates)

    def _whole(self, candidate: _Candidate) -> _Candidate:
        """The 14-bit control that a controller is half of, if both halves came."""
        change, port = candidate.change, candidate.port
        if change.type != "cc" or change.number >= 64:
            return candidate
        coarse = change.number % 32
        halves = [("cc", change.channel, coarse + add, port) in self._candidates for add in (0, 32)]
        pair = self._candidates.get(("cc14", change.channel, coarse, port))
        return pair if all(halves) and pair is not None else candidate

    def _mapping(self, candidate: _Candidate) -> Mapping:
        change = candidate.change
        number = None if change.number == ANY else change.number
        self.way = tuple(raw / change.largest for raw in candidate.raws)
        source = Source(change.type, number, change.channel, candidate.port)
        return Mapping(source, self.row.address, mode=self._mode(candidate))

    def _mode(self, candidate: _Candidate) -> Mode:
        change = candidate.change
        if self.row.kind == "bool":
            return "toggle"
        if self.row.kind == "trigger" or candidate.stepped:
            return "absolute"
        if change.type == "note":
            return "momentary"
        if change.type != "cc":
            return "absolute"
        if set(candidate.raws) == {0, 127}:
            return "momentary"
        return relative_mode(candidate.raws) or "absolute"


def relative_mode(raws: Sequence[int]) -> Mode | None:
    """Tell the kind of an endless encoder by its values; None for a control that sends places.

    Encoders repeat small steps; what sends places never sends the same twice in a row.
    """
    repeats = any(one == other for one, other in itertools.pairwise(raws))
    if not repeats or 0 in raws or 64 in raws:
        return None
    up = [1 <= raw <= LARGEST_STEP for raw in raws]
    down = [raw >= 128 - LARGEST_STEP for raw in raws]
    around = [abs(raw - 64) <= LARGEST_STEP for raw in raws]
    signed = [64 < raw <= 64 + LARGEST_STEP for raw in raws]
    if all(a or b for a, b in zip(up, down, strict=True)):
        return "relative2c"
    if all(around):
        return "relative64"
    if all(a or b for a, b in zip(up, signed, strict=True)):
        return "relativesign"
    return None
