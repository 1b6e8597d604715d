"""Frames on the pipes between the host and the process that owns the MIDI ports.

A frame is a head of 12 bytes in little-endian byte order and a payload:

======  ======  ===================================================
offset  type    field
======  ======  ===================================================
0       uint8   kind
1       uint8   port
2       uint16  length of the payload in bytes
4       double  Unix time in seconds
======  ======  ===================================================
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

HEAD = struct.Struct("<BBHd")
MESSAGE = 1  # both ways: bytes of a MIDI message
PORTS = 2  # to the host: JSON of the ports, see `client.PortState`
NOTIFY = 3  # to the host: a sentence for the player
LOST = 4  # to the host: a port's queue was full, and messages are missing
EVERY_PORT = 255


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes
    ----------
    kind
        `MESSAGE`, `PORTS`, `NOTIFY` or `LOST`.
    port
        Number of the port, or `EVERY_PORT`.
    at
        Unix time in seconds; 0 where it has no meaning.
    payload
        At most 65535 bytes.
    """

    kind: int
    port: int
    at: float
    payload: bytes


class FrameError(Exception):
    """The bytes are not a frame."""


def pack(kind: int, port: int, payload: bytes, at: float = 0.0) -> bytes:
    """Return the bytes of a frame, with the fields of `Frame`."""
    return HEAD.pack(kind, port, len(payload), at) + payload


class Unpacker:
    """Reads the frames of a byte stream, in pieces of any size."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Read bytes.

        Parameters
        ----------
        data
            The next bytes of the stream.

        Yields
        ------
        Frame
            Each frame that is complete.

        Raises
        ------
        FrameError
            A frame has an unknown kind.
        """
        data = self._rest + data
        offset = 0
        while len(data) - offset >= HEAD.size:
            kind, port, length, at = HEAD.unpack_from(data, offset)
            if not MESSAGE <= kind <= LOST:
                raise FrameError(f"The kind of a frame is {MESSAGE} to {LOST}, not {kind}.")
            end = offset + HEAD.size + length
            if end > len(data):
                break
            yield Frame(kind, port, at, data[offset + HEAD.size : end])
            offset = end
        self._rest = data[offset:]
