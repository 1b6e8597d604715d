"""OSC over TCP, framed by size (OSC 1.0) or by SLIP (OSC 1.1), recognised by a client's first byte.

One thread serves all clients and waits for none. A client that sends anything else is closed at its first byte: the
`GET` or `POST` of a browser, so that no web page reaches the stage, or the handshake of TLS.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable, Hashable

from realtime.ipc.priority import raise_thread_priority
from realtime.osc.codec import BadPacketError
from realtime.osc.udp import MAX_PACKET, OscError, Peer, Receiver, Route, open_socket

MAX_CLIENTS = 32
READ_BYTES = 1 << 16
MAX_UNSENT = 1 << 18  # bytes queued for a slow client; further packets are dropped

END, ESCAPE, ESCAPED_END, ESCAPED_ESCAPE = b"\xc0", b"\xdb", b"\xdb\xdc", b"\xdb\xdd"


class Framing:
    """Splits a stream of bytes into packets and frames packets, in the format of the first byte."""

    def __init__(self) -> None:
        self.slip: bool | None = None  # unknown until the first byte
        self._buffer = bytearray()

    def split(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream.

        Returns
        -------
        list of bytes
            The packets that are complete now.

        Raises
        ------
        BadPacketError
            The stream isn't OSC, or a packet is too large; the stream cannot be continued.
        """
        if self.slip is None and data:
            if data[0] not in b"\0\xc0/#":
                raise BadPacketError("a TCP client that doesn't speak OSC")
            self.slip = data[0] != 0
        self._buffer += data
        return self._split_slip() if self.slip else self._split_sizes()

    def frame(self, packet: bytes) -> bytes:
        """Frame a packet."""
        if not self.slip:
            return len(packet).to_bytes(4, "big") + packet
        return END + packet.replace(ESCAPE, ESCAPED_ESCAPE).replace(END, ESCAPED_END) + END

    def _split_sizes(self) -> list[bytes]:
        packets, buffer, at = [], self._buffer, 0
        while len(buffer) - at >= 4:
            size = int.from_bytes(buffer[at : at + 4], "big")
            if size > MAX_PACKET:
                raise BadPacketError(f"a packet of {size} bytes over TCP; {MAX_PACKET} are the most")
            if len(buffer) - at - 4 < size:
                break
            packets.append(bytes(buffer[at + 4 : at + 4 + size]))
            at += 4 + size
        del buffer[:at]
        return packets

    def _split_slip(self) -> list[bytes]:
        *frames, rest = bytes(self._buffer).split(END)
        if any(len(frame) > 2 * MAX_PACKET for frame in (*frames, rest)):
            raise BadPacketError(f"a packet over TCP of more than {MAX_PACKET} bytes")
        self._buffer = bytearray(rest)
        return [frame.replace(ESCAPED_END, END).replace(ESCAPED_ESCAPE, ESCAPE) for frame in frames if frame]


class TcpPeer:
    """A connected client."""

    lasting = True

    def __init__(self, connection: socket.socket, where: tuple[object, ...], wake: Callable[[], None]) -> None:
        self.connection, self.where = connection, where
        self.framing = Framing()
        self.gone = False
        self._unsent = bytearray()
        self._lock = threading.Lock()
        self._wake = wake

    @property
    def key(self) -> Hashable:
        """Identity of the peer: transport, host and port."""
        return ("tcp", self.where)

    @property
    def unsent(self) -> bool:
        """Whether bytes are queued."""
        return bool(self._unsent)

    def send(self, packet: bytes) -> bool:
        """Queue a packet for the receiving thread to send; drop it if the queue is full."""
        with self._lock:
            if len(self._unsent) + len(packet) > MAX_UNSENT:
                return not self.gone
            self._unsent += self.framing.frame(packet)
        self._wake()
        return not self.gone

    def at_port(self, port: int) -> Peer:
        """Return the connection itself, whatever the port."""
        return self

    def flush(self) -> None:
        """Send as much of the queue as the socket takes."""
        with self._lock, contextlib.suppress(BlockingIOError):
            sent = self.connection.send(self._unsent)
            del self._unsent[:sent]


class TcpServer(Receiver):
    """Receives OSC over TCP from several clients.

    Parameters
    ----------
    host, port
        Address to listen on; port 0 takes a free one.
    route, drop_late_s
        As in `Receiver`; called from the receiving thread.

    Raises
    ------
    OscError
        The port cannot be opened.
    """

    def __init__(self, host: str, port: int, route: Route, *, drop_late_s: float | None = None) -> None:
        super().__init__(route, drop_late_s)
        self._socket = open_socket(host, port, socket.SOCK_STREAM)
        try:
            self._socket.listen(MAX_CLIENTS)
        except OSError as error:
            self._socket.close()
            raise OscError(f"OSC cannot listen on {host}:{port} over TCP ({error.strerror or error}).") from None
        self._socket.setblocking(False)
        self.host, self.port = host, int(self._socket.getsockname()[1])
        self.clients: dict[socket.socket, TcpPeer] = {}
        self._selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._running = True
        self._thread = threading.Thread(target=self._run, name="osc tcp", daemon=True)

    def start(self) -> None:
        """Start receiving."""
        self._thread.start()

    def close(self) -> None:
        """Stop receiving, disconnect all clients and release the port."""
        self._running = False
        self._wake()
        if self._thread.is_alive():
            self._thread.join(1.0)
        for peer in list(self.clients.values()):
            self._drop(peer)
        self._selector.close()
        for each in (self._socket, self._waker, self._woken):
            each.close()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")

    def _run(self) -> None:
        raise_thread_priority()
        while self._running:
            for key, events in self._selector.select():
                if key.fileobj is self._socket:
                    self._accept()
                elif key.fileobj is self._woken:
                    with contextlib.suppress(OSError):
                        self._woken.recv(READ_BYTES)
                elif not key.data.gone:
                    self._serve(key.data, events)
            for peer in self.clients.values():
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.unsent else 0)
                if self._selector.get_key(peer.connection).events != wanted:
                    self._selector.modify(peer.connection, wanted, peer)

    def _accept(self) -> None:
        try:
            connection, where = self._socket.accept()
        except OSError:
            return
        if len(self.clients) >= MAX_CLIENTS:
            connection.close()
            return
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # notices a client that vanished
        peer = self.clients[connection] = TcpPeer(connection, where, self._wake)
        self._selector.register(connection, selectors.EVENT_READ, peer)

    def _serve(self, peer: TcpPeer, events: int) -> None:
        """Read once from a client, and write once to it: none keeps the others waiting."""
        try:
            if events & selectors.EVENT_WRITE:
                peer.flush()
            if events & selectors.EVENT_READ:
                data = peer.connection.recv(READ_BYTES)
                if not data:
                    self._drop(peer)
                for packet in peer.framing.split(data):
                    self.receive(packet, peer)
        except BlockingIOError:
            return
        except BadPacketError as error:
            self._count_bad(str(error))
            self._drop(peer)
        except OSError:
            self._drop(peer)

    def _drop(self, peer: TcpPeer) -> None:
        peer.gone = True
        if self.clients.pop(peer.connection, None) is not None:
            self._selector.unregister(peer.connection)
        peer.connection.close()
