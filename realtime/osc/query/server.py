"""OSCQuery over HTTP and WebSocket on one port, in a thread with its own event loop, so it cannot delay the stage.

`GET /path` returns the description of a node, `GET /path?VALUE` one attribute. A WebSocket client sends `{"COMMAND":
"LISTEN", "DATA": "/path"}` and receives changes as OSC packets in binary messages; OSC packets that it sends set
values. Each client has its own task, which reads the latest values when it can send, so a slow client gets fewer of
them without affecting others.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import json
import logging
import socket
import threading
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from realtime.osc.osc_feedback import Readings, Watch
from realtime.osc.osc_router import no_readings
from realtime.osc.query.access import is_loopback, refuse
from realtime.osc.query.namespace import ATTRIBUTES, TAGS, Namespace
from realtime.osc.udp import MAX_PACKET, OscError, Peer, Receiver, Route, open_socket
from realtime.params.stage_protocol import Stage
from realtime.params.table import Parameter

DEFAULT_QUERY_PORT = 9080
MAX_CONNECTIONS = 64
RATE_HZ = 30.0  # updates per second
HANDSHAKE_S, CLOSE_S = 5.0, 0.5
MAX_REPLIES = 256  # OSC replies queued for a client; the oldest are dropped
OPTIONAL = "ACCESS VALUE RANGE UNIT CLIPMODE DESCRIPTION LISTEN PATH_ADDED PATH_REMOVED PATH_CHANGED"
EXTENSIONS = dict.fromkeys(OPTIONAL.split(), True)


@dataclass(eq=False)
class Client:
    """A WebSocket client: its LISTEN paths and queued replies. It is the `Peer` of its OSC messages."""

    number: int
    listening: dict[str, None] = field(default_factory=dict)
    fresh: dict[str, None] = field(default_factory=dict)  # new LISTEN paths, sent once even if unchanged
    seen: int = 0
    replies: collections.deque[bytes] = field(default_factory=lambda: collections.deque(maxlen=MAX_REPLIES))
    gone: bool = False
    lasting: bool = True

    @property
    def key(self) -> Hashable:
        """Identity of the peer."""
        return ("websocket", self.number)

    def send(self, packet: bytes) -> bool:
        """Queue a packet for the next update."""
        self.replies.append(packet)
        return not self.gone

    def at_port(self, port: int) -> Peer:
        """Return the connection itself, whatever the port."""
        return self


class QueryServer:
    """Serves a stage by OSCQuery.

    Parameters
    ----------
    host, port
        Address to listen on; port 0 takes a free one.
    stage, readings
        Stage and readings to describe.
    route
        Route of OSC messages that clients send over WebSocket.
    osc_port
        Port of OSC over UDP.
    name
        Name of the stage.
    origins
        Origins of web pages that are allowed; all others are refused.

    Raises
    ------
    OscError
        The port cannot be opened.
    """

    def __init__(
        self,
        host: str,
        port: int,
        stage: Stage,
        route: Route,
        *,
        osc_port: int,
        readings: Readings = no_readings,
        name: str = "glitch-live",
        origins: Collection[str] = (),
    ) -> None:
        self._stage, self._readings = stage, readings
        self._namespace = Namespace(stage, readings)
        self.watch = Watch(stage, readings, TAGS)
        self._receiver = Receiver(route)
        self.counts = self._receiver.counts
        self._name, self._osc_port, self._origins = name, osc_port, origins
        self._socket = open_socket(host, port, socket.SOCK_STREAM, "--query-port", service="OSCQuery")
        try:
            self._socket.listen(MAX_CONNECTIONS)
        except OSError as error:
            self._socket.close()
            raise OscError(f"OSCQuery cannot listen on {host}:{port} ({error.strerror or error}).") from None
        self.host, self.port = host, int(self._socket.getsockname()[1])
        self._loopback = is_loopback(host)
        self._numbers = itertools.count(1)
        self._open = 0  # connections
        self._refreshed = 0.0
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="oscquery", daemon=True)

    def start(self) -> None:
        """Start serving."""
        self._thread.start()

    def close(self) -> None:
        """Disconnect all clients and release the port."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(4 * CLOSE_S)
        else:
            self._loop.close()
        self._socket.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:  # also ends the tasks of clients
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = serve(
            self._follow,
            sock=self._socket,
            process_request=self._answer,
            create_connection=self._limited(),
            compression=None,  # packets are small, and decompression can be abused
            max_size=MAX_PACKET,
            open_timeout=HANDSHAKE_S,
            close_timeout=CLOSE_S,
            server_header=None,
            logger=_silent(),
        )
        async with server:
            await self._over.wait()

    def _limited(self) -> type[ServerConnection]:
        """Return a connection class that closes at once if there are too many connections."""
        owner = self

        class Limited(ServerConnection):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                owner._open += 1
                if owner._open > MAX_CONNECTIONS and isinstance(transport, asyncio.Transport):
                    transport.abort()

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                owner._open -= 1

        return Limited

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer an HTTP request; None accepts a WebSocket client."""
        headers = {name.title(): value for name, value in request.headers.raw_items()}
        reason = refuse(headers, self._loopback, self._origins)
        if reason is not None:
            return _respond(HTTPStatus.FORBIDDEN, {"ERROR": reason})
        if "websocket" in headers.get("Upgrade", "").lower():
            return None
        method = getattr(request, "method", "GET")
        if method not in ("GET", "HEAD"):
            return _respond(HTTPStatus.METHOD_NOT_ALLOWED, {"ERROR": "OSCQuery takes GET requests only."})
        try:
            where = urlsplit(request.path)
            status, content = self._look_up(unquote(where.path, errors="strict"), where.query, connection)
        except ValueError:  # not a URL, or not UTF-8
            status, content = HTTPStatus.BAD_REQUEST, {"ERROR": "This is not a path."}
        return _respond(status, content, body=method == "GET")

    def _look_up(self, path: str, query: str, connection: ServerConnection) -> tuple[HTTPStatus, dict[str, Any]]:
        attribute = query.partition("&")[0].partition("=")[0]
        if attribute == "HOST_INFO":
            return HTTPStatus.OK, self._host_info(connection)
        if attribute and attribute not in ATTRIBUTES:
            return HTTPStatus.BAD_REQUEST, {"ERROR": f"There is no attribute {attribute:.40}."}
        content = self._namespace.describe(path)
        if content is None:
            return HTTPStatus.NOT_FOUND, {"ERROR": f"There is nothing at {path:.80}."}
        if not attribute:
            return HTTPStatus.OK, content
        if attribute not in content:
            return HTTPStatus.NO_CONTENT, {}
        return HTTPStatus.OK, {attribute: content[attribute]}

    def _host_info(self, connection: ServerConnection) -> dict[str, Any]:
        here = connection.local_address[0]  # the address that the client connected to
        return {
            "NAME": self._name,
            "EXTENSIONS": EXTENSIONS,
            "OSC_IP": here,
            "OSC_PORT": self._osc_port,
            "OSC_TRANSPORT": "UDP",
            "WS_IP": here,
            "WS_PORT": self.port,
        }

    async def _follow(self, connection: ServerConnection) -> None:
        """Serve a WebSocket client until it disconnects."""
        client = Client(next(self._numbers))
        updates = asyncio.create_task(self._send_updates(connection, client))
        try:
            async for message in connection:
                if isinstance(message, str):
                    self._run_command(message, client)
                elif message:
                    self._receiver.receive(message, client)
                await asyncio.sleep(0)  # let other clients run during a flood
        except ConnectionClosed:
            pass
        finally:
            client.gone = True
            updates.cancel()

    def _run_command(self, text: str, client: Client) -> None:
        """Run a client's LISTEN or IGNORE; anything else is counted as bad."""
        try:
            asked = json.loads(text)
            command, path = asked["COMMAND"], asked["DATA"]
            if command not in ("LISTEN", "IGNORE") or not isinstance(path, str):
                raise ValueError
        except (ValueError, TypeError, KeyError, RecursionError):
            self.counts.bad += 1
            self.counts.last_bad = f"a WebSocket message that is not a command ({text:.60})"
            return
        self._refresh()
        for address in self.watch.under(path):
            if command == "IGNORE":
                client.listening.pop(address, None)
            elif address not in client.listening:
                client.listening[address] = None
                client.fresh[address] = None

    async def _send_updates(self, connection: ServerConnection, client: Client) -> None:
        """Send a client changes and replies, again and again."""
        addresses = self._stage.addresses
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(1 / RATE_HZ)
                if self._stage.addresses is not addresses:
                    before, addresses = addresses, self._stage.addresses
                    for command, path in _differences(before, addresses):
                        await connection.send(json.dumps({"COMMAND": command, "DATA": path}))
                for packet in self._updates(client):
                    await connection.send(packet)

    def _updates(self, client: Client) -> list[bytes]:
        packets = [client.replies.popleft() for _ in range(len(client.replies))]
        if client.listening:
            self._refresh()
            packets += self.watch.since(0, client.fresh)
            packets += self.watch.since(client.seen, [name for name in client.listening if name not in client.fresh])
            client.fresh.clear()
            client.seen = self.watch.now
        return packets

    def _refresh(self) -> None:
        """Read the values, shared by all clients."""
        if self._loop.time() - self._refreshed >= 0.5 / RATE_HZ:
            self._refreshed = self._loop.time()
            self.watch.refresh()


def _differences(before: Mapping[str, Parameter], after: Mapping[str, Parameter]) -> list[tuple[str, str]]:
    """Return the changes of the namespace after a model was loaded, as commands and paths."""
    gone = [("PATH_REMOVED", address) for address in before if address not in after]
    added = [("PATH_ADDED", address) for address in after if address not in before]
    changed = [
        ("PATH_CHANGED", name) for name in after if name in before and _shown(before[name]) != _shown(after[name])
    ]
    return [*gone, *added, *changed]


def _shown(row: Parameter) -> tuple[object, ...]:
    return (row.kind, row.minimum, row.maximum, row.unit, row.text)


def _respond(status: HTTPStatus, content: Mapping[str, Any], *, body: bool = True) -> Response:
    data = json.dumps(content).encode() if status != HTTPStatus.NO_CONTENT else b""
    headers = Headers(
        {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
        }
    )
    return Response(status.value, status.phrase, headers, data if body else b"")


def _silent() -> logging.Logger:
    """Return a disabled logger: clients' errors don't belong in a terminal on stage."""
    logger = logging.getLogger("realtime.osc.query.websockets")
    logger.disabled = True
    return logger
