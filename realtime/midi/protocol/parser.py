"""Parsing of a MIDI byte stream: running status, real-time bytes between others, and anything that isn't MIDI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from realtime.midi.protocol.messages import FIRST_REAL_TIME, FIRST_SYSTEM, SPECS, Message, decode

NO_STATUS = 0  # data bytes are skipped until the next status byte


class Parser:
    """Parser of the bytes of one port, in pieces of any size.

    System exclusive and unknown messages are skipped. A message that is cut short by another status byte is dropped.
    Running status is as in the MIDI 1.0 specification, section "Running Status": it applies to channel messages and
    ends with any system common message.
    """

    def __init__(self) -> None:
        self._status = NO_STATUS
        self._data: list[int] = []

    def feed(self, data: Iterable[int]) -> Iterator[Message]:
        """Parse bytes.

        Parameters
        ----------
        data
            The next bytes of the stream, each 0 to 255.

        Yields
        ------
        Message
            Each message as it is completed.
        """
        for byte in data:
            if byte >= FIRST_REAL_TIME:  # may occur between the bytes of other messages
                message = decode(byte) if byte in SPECS else None
            elif byte >= 0x80:
                self._begin(byte)
                continue
            elif self._status != NO_STATUS:
                message = self._add(byte)
            else:
                continue
            if message is not None:
                yield message

    def _begin(self, status: int) -> None:
        self._data.clear()
        spec = SPECS.get(status)
        self._status = status if spec is not None and spec.length else NO_STATUS

    def _add(self, byte: int) -> Message | None:
        status = self._status
        self._data.append(byte)
        if len(self._data) < SPECS[status].length:
            return None
        message = decode(status, self._data)
        self._data.clear()
        if status >= FIRST_SYSTEM:
            self._status = NO_STATUS  # system messages have no running status
        return message
