"""OSC in: our own receive loop over python-osc's codec.

The loop never sleeps on a message and never dies of one: what cannot be read, found or used is counted and shown.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pythonosc.osc_message import OscMessage

from export.contract import GlitchError
from realtime.priority import prefer_thread

DEFAULT_PORT = 9000
RECEIVE_BUFFER = 1 << 21
LARGEST_PACKET = 65_536
DEEPEST_BUNDLE = 16
IMMEDIATELY = 0.0
BUNDLE = b"#bundle\0"
TAG_BYTES = {**dict.fromkeys("ifrmc", 4), **dict.fromkeys("hdt", 8), **dict.fromkeys("TFNI[]", 0)}
BUNDLE_HEAD = 16  # the word and the time tag
UNIX_EPOCH_IN_NTP = 2_208_988_800

# address, arguments, unix time at which it acts (0: at once)
Handler = Callable[[str, Sequence[object], float], None]


class OscError(GlitchError):
    """The port cannot be opened."""


class BadPacketError(Exception):
    """A packet or message that cannot be read or used; counted, never fatal."""


@dataclass
class Counts:
    """What has come in since the start."""

    messages: int = 0
    bad: int = 0
    unknown: int = 0
    last_bad: str = ""
    last_unknown: str = ""


class UnknownAddressError(Exception):
    """What a handler raises for an address that it doesn't have."""


class OscServer:
    """Receives OSC over UDP and hands every message on, in the order it came.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes a free one. Loopback unless the player asks otherwise.
    handle
        Called for each message from the receiving thread; raises `UnknownAddressError` or `BadPacketError`.
    """

    def __init__(self, host: str, port: int, handle: Handler) -> None:
        self._handle = handle
        self.counts = Counts()
        self._socket = _open(host, port)
        self.host, self.port = host, int(self._socket.getsockname()[1])
        self._running = True
        self._thread = threading.Thread(target=self._run, name="osc", daemon=True)

    def start(self) -> None:
        """Begin to receive."""
        self._thread.start()

    def close(self) -> None:
        """Stop receiving and give the port back."""
        self._running = False
        with contextlib.suppress(OSError), socket.socket(self._socket.family, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self._socket.getsockname())  # wakes the receiver on every system
        if self._thread.is_alive():
            self._thread.join(1.0)
        self._socket.close()

    def _run(self) -> None:
        prefer_thread()
        while self._running:
            try:
                data = self._socket.recv(LARGEST_PACKET)
            except ConnectionResetError:  # Windows tells of an unreachable peer here
                continue
            except OSError:
                return
            if data and self._running:
                self.receive(data)

    def receive(self, data: bytes) -> None:
        """Read a packet and hand its messages on; count what is wrong with it."""
        counts = self.counts
        try:
            for message, when in messages(data):
                counts.messages += 1
                try:
                    self._handle(message.address, message.params, when)
                except UnknownAddressError:
                    counts.unknown += 1
                    counts.last_unknown = message.address[:80]
                except BadPacketError as error:
                    counts.bad += 1
                    counts.last_bad = str(error)[:120]
        except Exception as error:  # whatever the codec makes of garbage
            counts.bad += 1
            counts.last_bad = f"a packet of {len(data)} bytes that is not OSC ({type(error).__name__})"


def messages(data: bytes, when: float = IMMEDIATELY, depth: int = 0) -> Iterator[tuple[OscMessage, float]]:
    """Give the messages of a packet in order, those of nested bundles included, each with the time it acts.

    Raises
    ------
    BadPacketError
        A bundle's sizes don't add up. (What python-osc does with such a bundle is to read it for ever.)
    """
    if not data.startswith(BUNDLE):
        check_length(data)
        yield OscMessage(data), when
        return
    if len(data) < BUNDLE_HEAD or depth > DEEPEST_BUNDLE:
        raise BadPacketError("a bundle that is cut short, or bundles nested too deep")
    seconds, fraction = struct.unpack_from(">II", data, len(BUNDLE))
    stamp = seconds - UNIX_EPOCH_IN_NTP + fraction / 2**32
    later = stamp if stamp > time.time() else IMMEDIATELY
    at = BUNDLE_HEAD
    while at < len(data):
        (size,) = struct.unpack_from(">i", data, at)
        at += 4
        if size <= 0 or size % 4 or at + size > len(data):
            raise BadPacketError("a bundle whose sizes don't add up")
        yield from messages(data[at : at + size], later, depth + 1)
        at += size


def check_length(data: bytes) -> None:
    """See that a message is as long as its type tags say; python-osc would read zeros past the end of a short one.

    Raises
    ------
    BadPacketError
        It is cut short, or has a type tag that OSC doesn't know.
    """
    at = _after_string(data, 0)
    if at >= len(data):
        return  # no type tags: a message without arguments, as old senders write it
    end = _after_string(data, at)
    tags = data[at:end].split(b"\0", 1)[0].decode("ascii", "replace")
    if not tags.startswith(","):
        raise BadPacketError("a message without type tags")
    at = end
    for tag in tags[1:]:
        if tag in "sS":
            at = _after_string(data, at)
        elif tag == "b":
            (size,) = struct.unpack_from(">i", data, at)
            if size < 0:
                raise BadPacketError("a blob of negative size")
            at += 4 + (size + 3) // 4 * 4
        elif tag in TAG_BYTES:
            at += TAG_BYTES[tag]
        else:
            raise BadPacketError(f"the type tag '{tag}', which OSC doesn't know")
    if at > len(data):
        raise BadPacketError("a message that is shorter than its type tags say")


def _after_string(data: bytes, at: int) -> int:
    """Give where a string's padding ends."""
    end = data.find(b"\0", at)
    if end < 0:
        raise BadPacketError("a string without an end")
    return (end + 4) // 4 * 4


def number(value: object, address: str) -> float:
    """Make a float of an OSC argument of any numeric type (i, h, f, d, T, F).

    Raises
    ------
    BadPacketError
        It is no number, or not a finite one.
    """
    if isinstance(value, bool | int | float):
        result = float(value)
        if result - result == 0.0:  # neither infinite nor NaN
            return result
    raise BadPacketError(f"{address} takes numbers, not {value!r:.40}")


def _open(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65_535:
        raise OscError(f"An OSC port is 0 to 65535, not {port}.")
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        opened = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OscError(f"'{host}' is not an address of this machine ({error}); 127.0.0.1 always is.") from None
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        opened.bind(where)
    except OSError as error:
        opened.close()
        raise OscError(
            f"OSC cannot listen on {host}:{port} ({error.strerror or error}); "
            "another program has the port, so choose a free one with --osc-port."
        ) from None
    return opened
