"""Back to the controller: what its motors and lights should show."""

from __future__ import annotations

from realtime.midi.controls.mapping import Source
from realtime.midi.protocol.control_events import COARSE as DATA_COARSE
from realtime.midi.protocol.control_events import FINE, NRPN_COARSE, NRPN_FINE

PANIC = tuple(bytes((0xB0 | channel, number, 0)) for channel in range(16) for number in (120, 123))


def message(source: Source, position: float) -> list[bytes]:
    """Say to a control that its parameter stands at a position from 0 to 1, in its own messages; none for a program."""
    channel = (source.channel or 1) - 1
    number = source.number or 0
    seven, fourteen = round(position * 127), round(position * 16_383)
    coarse, fine = fourteen >> 7, fourteen & 127
    cc = 0xB0 | channel
    if source.type == "cc":
        return [bytes((cc, number, seven))]
    if source.type == "cc14":
        return [bytes((cc, number, coarse)), bytes((cc, number + 32, fine))]
    if source.type == "nrpn":
        pairs = ((NRPN_COARSE, number >> 7), (NRPN_FINE, number & 127), (DATA_COARSE, coarse), (FINE, fine))
        return [bytes((cc, *pair)) for pair in pairs]
    if source.type == "note":
        return [bytes((0x90 | channel, number, seven))]
    if source.type == "bend":
        return [bytes((0xE0 | channel, fine, coarse))]
    return []
