"""HTTP and WebSocket on one port, in one thread with a loop of its own: nothing here can hold up the stage.

HTTP answers `GET /path` with all that is known of a node, and `GET /path?VALUE` with one attribute. A WebSocket client
sends `{"COMMAND": "LISTEN", "DATA": "/path"}` and is then sent what changes there as OSC packets in binary messages;
OSC packets that it sends set values. Each client has its own task that reads the latest values when it can send, so
that a slow one gets fewer of them and no other notices.
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

from realtime.osc.feedback import Readings, Watch
from realtime.osc.query.guard import is_loopback, refuse
from realtime.osc.query.namespace import ATTRIBUTES, TAGS, Namespace
from realtime.osc.router import no_readings
from realtime.osc.udp import LARGEST_PACKET, OscError, Peer, Receiver, Route, open_socket
from realtime.params.surface import Stage
from realtime.params.table import Parameter

DEFAULT_QUERY_PORT = 9080
CONNECTIONS = 64
RATE_HZ = 30.0  # how often listeners are told
HANDSHAKE_S, CLOSE_S = 5.0, 0.5
ANSWERS = 256  # OSC answers that may wait for a client; beyond them the oldest are dropped
OPTIONAL = "ACCESS VALUE RANGE UNIT CLIPMODE DESCRIPTION LISTEN PATH_ADDED PATH_REMOVED PATH_CHANGED"
EXTENSIONS = dict.fromkeys(OPTIONAL.split(), True)


@dataclass(eq=False)
class Client:
    """A WebSocket client: what it listens to, and what waits to be sent to it. A `Peer` for the answers to its OSC."""

    number: int
    listening: dict[str, None] = field(default_factory=dict)
    fresh: dict[str, None] = field(
        default_factory=dict
    )  # listened to since the last time, and told whether changed or not
    seen: int = 0
    answers: collections.deque[bytes] = field(default_factory=lambda: collections.deque(maxlen=ANSWERS))
    gone: bool = False
    lasting: bool = True

    @property
    def key(self) -> Hashable:
        """What tells peers apart."""
        return ("websocket", self.number)

    def send(self, packet: bytes) -> bool:
        """Send with the next values."""
        self.answers.append(packet)
        return not self.gone

    def at_port(self, port: int) -> Peer:
        """A connection is answered on itself, whatever port was named."""
        return self


class QueryServer:
    """Describes a stage by OSCQuery.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes a free one.
    stage, readings
        What is described.
    route
        Where OSC that clients send over WebSocket goes.
    name
        Of the stage.
    osc_port
        Where it takes OSC over UDP.
    origins
        Origins of web pages that may ask; no others may.

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
        self._socket = open_socket(host, port, socket.SOCK_STREAM, option="--query-port")
        try:
            self._socket.listen(CONNECTIONS)
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
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Let all clients go and give the port back."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(4 * CLOSE_S)
        else:
            self._loop.close()
        self._socket.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:  # which also ends the tasks of clients
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = serve(
            self._follow,
            sock=self._socket,
            process_request=self._answer,
            create_connection=self._limited(),
            compression=None,  # packets are small, and what unpacks can be made to unpack without end
            max_size=LARGEST_PACKET,
            open_timeout=HANDSHAKE_S,
            close_timeout=CLOSE_S,
            server_header=None,
            logger=_silent(),
        )
        async with server:
            await self._over.wait()

    def _limited(self) -> type[ServerConnection]:
        """Make the kind of connection that ends at once where there are too many already."""
        owner = self

        class Limited(ServerConnection):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                owner._open += 1
                if owner._open > CONNECTIONS and isinstance(transport, asyncio.Transport):
                    transport.abort()

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                owner._open -= 1

        return Limited

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request over HTTP; None lets a WebSocket client in."""
        headers = {name.title(): value for name, value in request.headers.raw_items()}
        reason = refuse(headers, self._loopback, self._origins)
        if reason is not None:
            return _respond(HTTPStatus.FORBIDDEN, {"ERROR": reason})
        if "websocket" in headers.get("Upgrade", "").lower():
            return None
        method = getattr(request, "method", "GET")
        if method not in ("GET", "HEAD"):
            return _respond(HTTPStatus.METHOD_NOT_ALLOWED, {"ERROR": "OSCQuery is asked with GET."})
        try:
            where = urlsplit(request.path)
            status, said = self._look_up(unquote(where.path, errors="strict"), where.query, connection)
        except ValueError:  # no URL, or no UTF-8 in it
            status, said = HTTPStatus.BAD_REQUEST, {"ERROR": "This is no path."}
        return _respond(status, said, body=method == "GET")

    def _look_up(self, path: str, query: str, connection: ServerConnection) -> tuple[HTTPStatus, dict[str, Any]]:
        attribute = query.partition("&")[0].partition("=")[0]
        if attribute == "HOST_INFO":
            return HTTPStatus.OK, self._host_info(connection)
        if attribute and attribute not in ATTRIBUTES:
            return HTTPStatus.BAD_REQUEST, {"ERROR": f"There is no attribute {attribute:.40}."}
        said = self._namespace.describe(path)
        if said is None:
            return HTTPStatus.NOT_FOUND, {"ERROR": f"There is nothing at {path:.80}."}
        if not attribute:
            return HTTPStatus.OK, said
        if attribute not in said:
            return HTTPStatus.NO_CONTENT, {}
        return HTTPStatus.OK, {attribute: said[attribute]}

    def _host_info(self, connection: ServerConnection) -> dict[str, Any]:
        here = connection.local_address[0]  # the address at which this client has reached us
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
        """Serve a WebSocket client until it goes."""
        client = Client(next(self._numbers))
        telling = asyncio.create_task(self._tell(connection, client))
        try:
            async for message in connection:
                if isinstance(message, str):
                    self._obey(message, client)
                elif message:
                    self._receiver.receive(message, client)
                await asyncio.sleep(0)  # a flood from one client leaves room for the others
        except ConnectionClosed:
            pass
        finally:
            client.gone = True
            telling.cancel()

    def _obey(self, text: str, client: Client) -> None:
        """Do what a client asks for: LISTEN or IGNORE. What it asks for otherwise is counted, and left."""
        try:
            asked = json.loads(text)
            command, path = asked["COMMAND"], asked["DATA"]
            if command not in ("LISTEN", "IGNORE") or not isinstance(path, str):
                raise ValueError
        except (ValueError, TypeError, KeyError, RecursionError):
            self.counts.bad += 1
            self.counts.last_bad = f"a WebSocket message that is no command ({text:.60})"
            return
        self._refresh()
        for address in self.watch.under(path):
            if command == "IGNORE":
                client.listening.pop(address, None)
            elif address not in client.listening:
                client.listening[address] = None
                client.fresh[address] = None

    async def _tell(self, connection: ServerConnection, client: Client) -> None:
        """Send a client what has changed, over and over."""
        addresses = self._stage.addresses
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(1 / RATE_HZ)
                if self._stage.addresses is not addresses:
                    before, addresses = addresses, self._stage.addresses
                    for command, path in _differences(before, addresses):
                        await connection.send(json.dumps({"COMMAND": command, "DATA": path}))
                for packet in self._news(client):
                    await connection.send(packet)

    def _news(self, client: Client) -> list[bytes]:
        news = [client.answers.popleft() for _ in range(len(client.answers))]
        if client.listening:
            self._refresh()
            news += self.watch.since(0, client.fresh)
            news += self.watch.since(client.seen, [name for name in client.listening if name not in client.fresh])
            client.fresh.clear()
            client.seen = self.watch.now
        return news

    def _refresh(self) -> None:
        """Read the values, once for all clients."""
        if self._loop.time() - self._refreshed >= 0.5 / RATE_HZ:
            self._refreshed = self._loop.time()
            self.watch.refresh()


def _differences(before: Mapping[str, Parameter], after: Mapping[str, Parameter]) -> list[tuple[str, str]]:
    """Say what a model that was loaded has changed, as commands and paths."""
    gone = [("PATH_REMOVED", address) for address in before if address not in after]
    added = [("PATH_ADDED", address) for address in after if address not in before]
    changed = [
        ("PATH_CHANGED", name) for name in after if name in before and _shown(before[name]) != _shown(after[name])
    ]
    return [*gone, *added, *changed]


def _shown(row: Parameter) -> tuple[object, ...]:
    return (row.kind, row.minimum, row.maximum, row.unit, row.text)


def _respond(status: HTTPStatus, said: Mapping[str, Any], *, body: bool = True) -> Response:
    data = json.dumps(said).encode() if status != HTTPStatus.NO_CONTENT else b""
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
    """Give a logger that says nothing: what clients do wrong is no news for a terminal on a stage."""
    logger = logging.getLogger("realtime.osc.query.websockets")
    logger.disabled = True
    return logger
