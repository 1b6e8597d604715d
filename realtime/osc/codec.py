"""Codec of OSC packets: a table of type tags, messages and bundles.

python-osc copies the rest of the packet for every argument, misreads the tags `c` and `S`, reads zeros past the end of
a truncated message, and loops for ever on a bundle with a negative size. This codec reads in time linear in the packet
and raises a single exception type.

References
----------
M. Wright, "The Open Sound Control 1.0 Specification", 2002. A. Freed, A. Schmeder, "Features and Future of Open Sound
Control version 1.1 for NIME", NIME 2009.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

IMMEDIATELY = 0.0
MAX_DEPTH = 16  # of nested bundles and arrays
MAX_AHEAD_S = 3600.0  # a time tag further ahead comes from a wrong clock
UNIX_EPOCH_IN_NTP = 2_208_988_800
BUNDLE = b"#bundle\0"
BUNDLE_HEAD = 16  # bytes of `#bundle` and the time tag


class BadPacketError(Exception):
    """A packet or message cannot be read or used; counted, never fatal."""


class Message(NamedTuple):
    """A message: address or address pattern, and arguments."""

    address: str
    params: tuple[object, ...]


class TimeTag(NamedTuple):
    """An argument of type `t`: seconds since 1900, and units of 2⁻³² s."""

    seconds: int
    fraction: int


class Impulse:
    """An argument of type `I`: a bang."""

    def __repr__(self) -> str:
        return "IMPULSE"


IMPULSE: Final = Impulse()


def _string(data: bytes, at: int) -> tuple[str, int]:
    end = data.find(b"\0", at)
    if end < 0:
        raise BadPacketError("a string without an end")
    try:
        return data[at:end].decode(), (end + 4) & ~3
    except UnicodeDecodeError:
        raise BadPacketError("a string that is not UTF-8") from None


def _blob(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = _INT.unpack_from(data, at)
    start = at + 4
    if not 0 <= size <= len(data) - start:
        raise BadPacketError("a blob whose size doesn't fit the message")
    return data[start : start + size], (start + size + 3) & ~3


def _character(data: bytes, at: int) -> tuple[str, int]:
    (code,) = _INT.unpack_from(data, at)
    if not 0 <= code < 0xD800:  # surrogates are not characters
        raise BadPacketError("a character that doesn't exist")
    return chr(code), at + 4


def _fixed(layout: str) -> Callable[[bytes, int], tuple[object, int]]:
    """Make a reader of fixed-size arguments: a value for a layout of one field, a tuple for more."""
    fields = struct.Struct(layout)
    single = len(layout) == 2

    def read(data: bytes, at: int) -> tuple[object, int]:
        values = fields.unpack_from(data, at)
        return (values[0] if single else values), at + fields.size

    return read


_INT = struct.Struct(">i")

READERS: dict[str, Callable[[bytes, int], tuple[object, int]]] = {
    "i": _fixed(">i"),
    "f": _fixed(">f"),
    "h": _fixed(">q"),
    "d": _fixed(">d"),
    "t": lambda data, at: (TimeTag(*struct.unpack_from(">II", data, at)), at + 8),
    "r": _fixed(">4B"),  # red, green, blue, alpha
    "m": _fixed(">4B"),  # port, status, two data bytes
    "s": _string,
    "S": _string,
    "b": _blob,
    "c": _character,
    "T": lambda _, at: (True, at),
    "F": lambda _, at: (False, at),
    "N": lambda _, at: (None, at),
    "I": lambda _, at: (IMPULSE, at),
}


def read_message(data: bytes) -> Message:
    """Read a message with any type tag of OSC 1.0 and 1.1.

    Returns
    -------
    Message
        Its arguments as Python values: `TimeTag` for `t`, `IMPULSE` for `I`, four integers for `r` and `m`, a list for
        an array.

    Raises
    ------
    BadPacketError
        The message is truncated or isn't OSC.
    """
    if not data.startswith(b"/"):
        raise BadPacketError(f"a packet of {len(data)} bytes that is not OSC")
    address, at = _string(data, 0)
    if at >= len(data):  # old senders omit the type tags of a message without arguments
        return Message(_complete(address, at, data), ())
    tags, at = _string(data, at)
    if not tags.startswith(","):
        raise BadPacketError("a message without type tags")
    arguments: list[object] = []
    outer: list[list[object]] = []
    for tag in tags[1:]:
        if tag == "[":
            if len(outer) >= MAX_DEPTH:
                raise BadPacketError("arrays nested too deep")
            outer.append(arguments)
            arguments = []
        elif tag == "]":
            if not outer:
                raise BadPacketError("an array that ends before it began")
            outer[-1].append(arguments)
            arguments = outer.pop()
        elif (read := READERS.get(tag)) is None:
            raise BadPacketError(f"the type tag '{tag}', which OSC doesn't know")
        else:
            try:
                value, at = read(data, at)
            except struct.error:
                raise BadPacketError("a message that is shorter than its type tags say") from None
            arguments.append(value)
    if outer:
        raise BadPacketError("an array without an end")
    return Message(_complete(address, at, data), tuple(arguments))


def _complete(address: str, at: int, data: bytes) -> str:
    if at > len(data):
        raise BadPacketError("a message that is shorter than its type tags say")
    return address


def messages(data: bytes, now: float | None = None) -> list[tuple[Message, float]]:
    """Return the messages of a packet in order, including those of nested bundles.

    A packet is read completely or not at all.

    Parameters
    ----------
    data
        The packet without framing.
    now
        Unix time. Default: the system's.

    Returns
    -------
    list of (Message, float)
        Messages with their time tags as Unix time; `IMMEDIATELY` without a time tag or with the immediate one.

    Raises
    ------
    BadPacketError
        The packet cannot be read.
    """
    if not data.startswith(BUNDLE):
        return [(read_message(data), IMMEDIATELY)]
    return list(_bundle(data, time.time() if now is None else now, 0))


def _bundle(data: bytes, now: float, depth: int) -> Iterator[tuple[Message, float]]:
    if len(data) < BUNDLE_HEAD or depth > MAX_DEPTH:
        raise BadPacketError("a bundle that is cut short, or bundles nested too deep")
    seconds, fraction = struct.unpack_from(">II", data, len(BUNDLE))
    when = IMMEDIATELY if (seconds, fraction) == (0, 1) else seconds - UNIX_EPOCH_IN_NTP + fraction / 2**32
    if when > now + MAX_AHEAD_S:
        raise BadPacketError(f"a time tag {(when - now) / 3600:.0f} hours ahead; the sender's clock is wrong")
    at = BUNDLE_HEAD
    while at < len(data):
        if at + 4 > len(data):
            raise BadPacketError("a bundle whose sizes don't add up")
        (size,) = _INT.unpack_from(data, at)
        at += 4
        if size <= 0 or size % 4 or at + size > len(data):
            raise BadPacketError("a bundle whose sizes don't add up")
        element = data[at : at + size]
        if element.startswith(BUNDLE):
            yield from _bundle(element, now, depth + 1)
        else:
            yield read_message(element), when
        at += size


def write_message(address: str, arguments: Iterable[object] = (), tags: str | None = None) -> bytes:
    """Write a message.

    Parameters
    ----------
    address
        OSC address.
    arguments
        Numbers, strings, booleans, None, `IMPULSE` or bytes.
    tags
        Their types (`ifhdsSbTFNI`). Default: T or F for a bool, i for an int of 32 bits and h for a larger one, f for a
        float, s for a string, N for None, b for bytes, I for `IMPULSE`.

    Returns
    -------
    packet : bytes
    """
    values = list(arguments)
    tags = "".join(map(_tag, values)) if tags is None else tags
    parts = [_padded(address.encode()), _padded(f",{tags}".encode())]
    for tag, value in zip(tags, values, strict=True):
        if tag in WRITTEN:
            try:
                parts.append(WRITTEN[tag].pack(value))
            except OverflowError:  # beyond the range of a float32
                parts.append(WRITTEN[tag].pack(float("inf") if float(value) > 0 else float("-inf")))  # type: ignore[arg-type]
        elif tag in "sS":
            parts.append(_padded(str(value).encode()))
        elif tag == "b":
            assert isinstance(value, bytes)
            parts.append(_INT.pack(len(value)) + value + bytes(-len(value) % 4))
    return b"".join(parts)


WRITTEN = {tag: struct.Struct(f">{letter}") for tag, letter in {"i": "i", "f": "f", "h": "q", "d": "d"}.items()}


def write_bundle(packets: Sequence[bytes]) -> bytes:
    """Write packets as a bundle with the immediate time tag."""
    return BUNDLE + struct.pack(">II", 0, 1) + b"".join(_INT.pack(len(packet)) + packet for packet in packets)


def _padded(text: bytes) -> bytes:
    return text + bytes(4 - len(text) % 4)


def _tag(value: object) -> str:
    match value:
        case bool():
            return "T" if value else "F"
        case int():
            return "i" if -(2**31) <= value < 2**31 else "h"
        case float():
            return "f"
        case str():
            return "s"
        case bytes():
            return "b"
        case None:
            return "N"
        case Impulse():
            return "I"
    raise TypeError(f"OSC has no type for {value!r}")
