"""OSC over UDP: a receive loop that never waits for a message's effect and survives any packet.

Messages that cannot be read, routed or used are counted and reported.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any, Protocol

from export.errors import GlitchError
from realtime.ipc.priority import raise_thread_priority
from realtime.osc.codec import BUNDLE, IMMEDIATELY, BadPacketError, messages

__all__ = [
    "DEFAULT_PORT",
    "IMMEDIATELY",
    "BadPacketError",
    "Counts",
    "OscError",
    "OscServer",
    "Peer",
    "Receiver",
    "UdpServer",
    "UnknownAddressError",
    "messages",
    "number",
]

MAX_REASON = 300  # characters kept of an error
DEFAULT_PORT = 9000
RECEIVE_BUFFER = 1 << 21  # bytes
MAX_PACKET = 65_535  # bytes
MAX_CACHED = 4096  # message heads and senders
DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)


class OscError(GlitchError):
    """The port cannot be opened."""


class UnknownAddressError(Exception):
    """A handler doesn't have this address: the message's own, or one in its arguments."""


class Peer(Protocol):
    """The sender of a message, and a way to answer."""

    @property
    def key(self) -> Hashable:
        """Identity of the peer."""

    @property
    def lasting(self) -> bool:
        """Whether it is a connection, whose end is noticed, so that subscriptions need no renewal."""

    def send(self, packet: bytes) -> bool:
        """Send without waiting; drop the packet if a slow peer has no room. Returns False if the peer is gone."""

    def at_port(self, port: int) -> Peer:
        """Return the peer at another UDP port of the same host."""


# address, arguments, Unix time at which it takes effect (0: at once)
Handler = Callable[[str, Sequence[object], float], None]
# the same, and the sender
Route = Callable[[str, Sequence[object], float, Peer | None], None]


@dataclass
class Counts:
    """Messages received since the start."""

    messages: int = 0
    bad: int = 0
    unknown: int = 0
    late: int = 0  # dropped as too late, if `drop_late_s` is given
    failed: int = 0  # of the bad ones: errors in a handler
    last_bad: str = ""
    last_unknown: str = ""

    def __add__(self, other: Counts) -> Counts:
        """Sum the counts of two receivers."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Counts(*(mine + yours if isinstance(mine, int) else yours or mine for mine, yours in pairs))


class Receiver:
    """Reads packets and routes their messages in order; counts errors.

    Parameters
    ----------
    route
        Called for each message; raises `UnknownAddressError` or `BadPacketError`.
    drop_late_s
        Drop messages whose time tag is further in the past than this; None lets them take effect at once.
    """

    def __init__(self, route: Route, drop_late_s: float | None = None) -> None:
        self.counts = Counts()
        self._route = route
        self._drop_late_s = drop_late_s
        self._heads: dict[bytes, tuple[str, Callable[..., tuple[Any, ...]]]] = {}

    def receive(self, data: bytes, peer: Peer | None = None) -> None:
        """Read a packet and route its messages. Never raises.

        Most messages carry one float or int to an address seen before: all bytes but the last four are then found in a
        cache. All others are parsed.
        """
        known = self._heads.get(data[:-4])
        if known is not None:
            address, unpack = known
            self._dispatch(address, unpack(data, len(data) - 4), IMMEDIATELY, peer)
            return
        try:
            batch = messages(data)
        except BadPacketError as error:
            self._count_bad(str(error))
            return
        now = time.time() if data.startswith(BUNDLE) else IMMEDIATELY
        for (address, arguments), when in batch:
            if when > now:
                self._dispatch(address, arguments, when, peer)
            elif self._drop_late_s is not None and when != IMMEDIATELY and now - when > self._drop_late_s:
                self.counts.late += 1
            else:
                self._dispatch(address, arguments, IMMEDIATELY, peer)
        if len(batch) == 1:
            self._cache_head(data, batch[0][0].address)

    def _dispatch(self, address: str, arguments: Sequence[object], when: float, peer: Peer | None) -> None:
        counts = self.counts
        counts.messages += 1
        try:
            self._route(address, arguments, when, peer)
        except UnknownAddressError as error:
            counts.unknown += 1
            counts.last_unknown = str(error)[:80]
        except BadPacketError as error:
            self._count_bad(str(error))
        except Exception as error:  # a bug in a handler must not end the concert
            counts.failed += 1
            self._count_bad(f"{address:.80} failed ({type(error).__name__}: {error})")

    def _count_bad(self, reason: str) -> None:
        self.counts.bad += 1
        self.counts.last_bad = reason[:MAX_REASON]

    def _cache_head(self, data: bytes, address: str) -> None:
        """Cache the head of a message with one float or int."""
        head = address.encode()
        head += bytes(4 - len(head) % 4)
        for tags, layout in ((b",f\0\0", ">f"), (b",i\0\0", ">i")):
            if data[:-4] == head + tags:
                if len(self._heads) >= MAX_CACHED:
                    self._heads.clear()
                self._heads[data[:-4]] = (address, struct.Struct(layout).unpack_from)


@dataclass(frozen=True)
class UdpPeer:
    """A sender of datagrams; answered from the port it sent to."""

    where: tuple[Any, ...]  # host and port; IPv6 has two more fields
    socket: socket.socket
    lasting: bool = False

    @property
    def key(self) -> Hashable:
        """Identity of the peer: host and port."""
        return self.where

    def send(self, packet: bytes) -> bool:
        """Send without waiting."""
        try:
            self.socket.sendto(packet, DONT_WAIT, self.where)
        except (BlockingIOError, ConnectionError):
            pass  # no room, or nobody there at present
        except OSError:
            return self.socket.fileno() >= 0
        return True

    def at_port(self, port: int) -> UdpPeer:
        """Return the peer at another port of the same host."""
        return replace(self, where=(self.where[0], port, *self.where[2:]))


class UdpServer(Receiver):
    """Receives OSC over UDP.

    Parameters
    ----------
    host, port
        Address to listen on; port 0 takes a free one. Loopback unless the user chooses another host.
    route, drop_late_s
        As in `Receiver`; called from the receiving thread.

    Raises
    ------
    OscError
        The port cannot be opened.
    """

    def __init__(self, host: str, port: int, route: Route, *, drop_late_s: float | None = None) -> None:
        super().__init__(route, drop_late_s)
        self._socket = open_socket(host, port, socket.SOCK_DGRAM)
        self.host, self.port = host, int(self._socket.getsockname()[1])
        self._running = True
        self._thread = threading.Thread(target=self._run, name="osc", daemon=True)

    def start(self) -> None:
        """Start receiving."""
        self._thread.start()

    def close(self) -> None:
        """Stop receiving and release the port."""
        self._running = False
        with contextlib.suppress(OSError), socket.socket(self._socket.family, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self._socket.getsockname())  # wakes the receiver, on every system
        if self._thread.is_alive():
            self._thread.join(1.0)
        self._socket.close()

    def peer(self, host: str, port: int) -> UdpPeer:
        """Return the peer at a host and port."""
        return UdpPeer((host, port), self._socket)

    def _run(self) -> None:
        raise_thread_priority()
        peers: dict[object, UdpPeer] = {}
        receive, listen = self.receive, self._socket.recvfrom
        while self._running:
            try:
                data, where = listen(MAX_PACKET)
            except ConnectionResetError:  # Windows reports an unreachable peer here
                continue
            except OSError:
                return
            if not data or not self._running:
                continue
            peer = peers.get(where)
            if peer is None:
                if len(peers) >= MAX_CACHED:
                    peers.clear()
                peer = peers[where] = UdpPeer(where, self._socket)
            receive(data, peer)


class OscServer(UdpServer):
    """Receives OSC over UDP for a handler that needs no answers.

    Parameters
    ----------
    host, port
        Address to listen on; port 0 takes a free one.
    handle
        Called for each message from the receiving thread; raises `UnknownAddressError` or `BadPacketError`.
    """

    def __init__(self, host: str, port: int, handle: Handler) -> None:
        super().__init__(host, port, lambda address, arguments, when, _: handle(address, arguments, when))


def number(value: object, address: str) -> float:
    """Convert an OSC argument of any numeric type (i, h, f, d, T, F) to float.

    Returns
    -------
    float
        Finite; 1 for T and 0 for F.

    Raises
    ------
    BadPacketError
        The argument isn't a finite number.
    """
    if isinstance(value, bool | int | float):
        result = float(value)
        if result - result == 0.0:  # neither infinite nor NaN
            return result
    raise BadPacketError(f"{address} takes numbers, not {value!r:.40}")


def open_socket(
    host: str, port: int, kind: socket.SocketKind, option: str = "--osc-port", service: str = "OSC"
) -> socket.socket:
    """Open a socket for datagrams or connections.

    Parameters
    ----------
    host, port
        Address; port 0 takes a free one.
    kind
        `socket.SOCK_DGRAM` or `socket.SOCK_STREAM`.
    option
        Command-line option that chooses the port, for error messages.
    service
        Name of the service that listens, for error messages.

    Returns
    -------
    socket.socket
        Bound; a socket for connections doesn't listen yet.

    Raises
    ------
    OscError
        The host or the port cannot be used.
    """
    if not 0 <= port <= 65_535:
        raise OscError(f"An OSC port is 0 to 65535, not {port}.")
    try:
        family, _, protocol, _, where = socket.getaddrinfo(host, port, type=kind)[0]
        opened = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OscError(f"'{host}' is not an address of this machine ({error}); 127.0.0.1 always is.") from None
    try:
        if kind == socket.SOCK_DGRAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        elif hasattr(socket, "SO_REUSEADDR") and not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # lingering connections don't block the port
        opened.bind(where)
    except OSError as error:
        opened.close()
        raise OscError(
            f"{service} cannot listen on {host}:{port} ({error.strerror or error}); "
            f"another program has the port, so choose a free one with {option}."
        ) from None
    return opened
