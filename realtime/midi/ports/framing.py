"""What the host and the process that owns the MIDI ports say to each other through their pipes, byte for byte.

A frame is a head (kind, port, length of the payload, unix time) and a payload.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

HEAD = struct.Struct("<BBHd")
MESSAGE = 1  # either way: the bytes of a message, in or out
PORTS = 2  # to the host: JSON, see `PortState`
SAY = 3  # to the host: a sentence for the player
LOST = 4  # to the host: a port's queue was full; messages are missing
EVERY_PORT = 255
LONGEST = 65_535


@dataclass(frozen=True)
class Frame:
    """One frame."""

    kind: int
    port: int
    at: float
    payload: bytes


class FrameError(Exception):
    """The other end speaks nonsense."""


def pack(kind: int, port: int, payload: bytes, at: float = 0.0) -> bytes:
    """Make a frame's bytes."""
    return HEAD.pack(kind, port, len(payload), at) + payload


class Unpacker:
    """Gives the frames of a stream of bytes that comes in pieces of any size."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Give every frame that is complete now.

        Raises
        ------
        FrameError
            A frame of a kind that doesn't exist.
        """
        data = self._rest + data
        at = 0
        while len(data) - at >= HEAD.size:
            kind, port, length, stamp = HEAD.unpack_from(data, at)
            if not MESSAGE <= kind <= LOST:
                raise FrameError(f"a frame of kind {kind}")
            end = at + HEAD.size + length
            if end > len(data):
                break
            yield Frame(kind, port, stamp, data[at + HEAD.size : end])
            at = end
        self._rest = data[at:]
