"""OSCQuery: what the stage says of itself, to clients that nobody here wrote, and to no web page."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from realtime.osc.codec import read_message
from realtime.osc.query import Announcement
from realtime.osc.query.access import known_host, refuse
from realtime.osc.query.server import MAX_CONNECTIONS
from realtime.osc.servers import OscSurface
from realtime.osc.udp import OscError
from tests.realtime.osc.osc_stage import ROWS, ValueStage, message, table
from tests.realtime.osc.ports import free_port, port_is_free

NPM_CLIENT = "oscquery@1.1.1"


class Described:
    """A stage with all of OSC."""

    def __init__(self, **options: Any) -> None:
        self.stage = ValueStage()
        self.readings: dict[str, list[float]] = {"/meter/peak": [0.5, float("-inf")]}
        options = {"query_port": 0, "announce": False, **options}
        self.surface = OscSurface(self.stage, "127.0.0.1", 0, readings=lambda: self.readings, **options)
        self.surface.start()
        assert self.surface.query is not None
        self.query = self.surface.query
        self.port = self.query.port

    def ask(self, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, json.loads(data) if data else None

    def websocket(self, **options: Any) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}/", compression=None, **options)


@pytest.fixture
def described() -> Iterator[Described]:
    made = Described()
    yield made
    made.surface.close()


def test_a_parameter_is_described_by_its_row(described: Described) -> None:
    described.stage.set("/gain", -6.0)
    assert described.ask("/gain") == (
        200,
        {
            "FULL_PATH": "/gain",
            "TYPE": "f",
            "ACCESS": 3,
            "VALUE": [-6.0],
            "RANGE": [{"MIN": -80.0, "MAX": 12.0}],
            "CLIPMODE": ["both"],
            "UNIT": ["gain.db"],
            "DESCRIPTION": "What /gain does.",
        },
    )


def test_every_address_is_in_the_tree_under_its_parts(described: Described) -> None:
    def paths(node: dict[str, Any]) -> Iterator[str]:
        if "TYPE" in node:
            yield node["FULL_PATH"]
        for name, child in node.get("CONTENTS", {}).items():
            assert child["FULL_PATH"] == f"{node['FULL_PATH'].rstrip('/')}/{name}"
            yield from paths(child)

    status, root = described.ask("/")
    assert status == 200
    assert root["FULL_PATH"] == "/"
    assert sorted(paths(root)) == sorted([*described.stage.addresses, "/meter/peak"])


def test_each_kind_has_its_type_and_access(described: Described) -> None:
    def kind(path: str) -> tuple[str, int, Any]:
        _, said = described.ask(path)
        return said["TYPE"], said["ACCESS"], said.get("VALUE")

    described.stage.set("/mute", 1.0)
    assert kind("/ahead") == ("i", 3, [0])
    assert kind("/mute") == ("T", 3, [True])
    assert kind("/ahead/lock") == ("F", 3, [False])
    assert kind("/panic") == ("I", 2, None)
    assert kind("/latent") == ("f" * 12, 2, None)
    assert kind("/meter/peak") == ("ff", 1, [0.5, None])


def test_attributes_can_be_asked_for_one_by_one(described: Described) -> None:
    assert described.ask("/gain?VALUE") == (200, {"VALUE": [0.0]})
    assert described.ask("/gain?RANGE") == (200, {"RANGE": [{"MIN": -80.0, "MAX": 12.0}]})
    assert list(described.ask("/ahead?CONTENTS")[1]["CONTENTS"]) == ["lock"]
    assert described.ask("/panic?VALUE") == (204, None)
    assert described.ask("/gain?NOTHING")[0] == 400
    assert described.ask("/nothing")[0] == 404
    assert described.ask("/nothing?VALUE")[0] == 404
    assert described.ask("/gain", method="HEAD") == (200, None)
    assert described.ask("/gain", method="POST")[0] == 405


def test_host_info_gives_the_osc_port(described: Described) -> None:
    _, info = described.ask("/?HOST_INFO")
    assert (info["OSC_IP"], info["OSC_PORT"], info["OSC_TRANSPORT"]) == ("127.0.0.1", described.surface.port, "UDP")
    assert info["WS_PORT"] == described.port
    assert info["EXTENSIONS"]["LISTEN"]


def test_the_tree_follows_a_model_that_is_loaded(described: Described) -> None:
    assert described.ask("/latent/12")[0] == 200
    described.stage.addresses = table([row for row in ROWS if row[0] != "/latent/12"])
    assert described.ask("/latent/12")[0] == 404
    assert described.ask("/latent?TYPE") == (200, {"TYPE": "f" * 11})


async def packets(websocket: ClientConnection, count: int) -> list[tuple[str, tuple[object, ...]]]:
    received: list[Any] = []
    while len(received) < count:
        data = await asyncio.wait_for(websocket.recv(), 5)
        assert isinstance(data, bytes), data
        received.append(tuple(read_message(data)))
    return received


async def hear_all(websocket: ClientConnection) -> None:
    while True:
        await asyncio.wait_for(websocket.recv(), 5)


def command(name: str, path: str) -> str:
    return json.dumps({"COMMAND": name, "DATA": path})


def test_a_listener_is_sent_changes_of_its_addresses_only(described: Described) -> None:
    async def listen() -> None:
        async with described.websocket() as one, described.websocket() as other:
            await one.send(command("LISTEN", "/gain"))
            await one.send(command("LISTEN", "/mute"))
            assert await packets(one, 2) == [("/gain", (0.0,)), ("/mute", (False,))]
            await other.send(command("LISTEN", "/a/walk"))
            assert await packets(other, 2) == [("/a/walk/speed", (0.25,)), ("/a/walk/radius", (0.25,))]
            described.stage.set("/gain", 3.0)
            assert await packets(one, 1) == [("/gain", (3.0,))]
            await one.send(command("IGNORE", "/gain"))
            await other.send(message("/gain", 4.0))
            await other.send(message("/mute", 1.0))
            assert await packets(one, 1) == [("/mute", (True,))]
            described.stage.set("/a/walk/speed", 7.0)
            assert await packets(other, 1) == [("/a/walk/speed", (7.0,))]

    asyncio.run(listen())
    assert described.stage.get("/gain") == 4.0
    assert described.query.watch.error is None


def test_meters_can_be_listened_to(described: Described) -> None:
    async def listen() -> None:
        async with described.websocket() as websocket:
            await websocket.send(command("LISTEN", "/meter/peak"))
            await packets(websocket, 1)
            described.readings = {"/meter/peak": [0.75, 0.5]}
            assert await packets(websocket, 1) == [("/meter/peak", (0.75, 0.5))]

    asyncio.run(listen())


def test_osc_over_websocket_sets_values_and_is_answered(described: Described) -> None:
    async def play() -> None:
        async with described.websocket() as websocket:
            await websocket.send(message("/latent/[12]", 0.5))
            await websocket.send(message("/get", "/latent/2"))
            assert await packets(websocket, 1) == [("/latent/2", (0.5,))]

    asyncio.run(play())


def test_listeners_are_notified_when_the_tree_changes(described: Described) -> None:
    async def listen() -> list[dict[str, str]]:
        async with described.websocket() as websocket:
            await websocket.send(message("/ping"))
            await packets(websocket, 1)
            rows = [row for row in ROWS if row[0] not in ("/latent/12", "/gain")]
            described.stage.addresses = table(
                [*rows, ("/gain", "float", -60, 0, 0, "dB"), ("/pitch", "float", 0, 1, 0, "")]
            )
            return [json.loads(await asyncio.wait_for(websocket.recv(), 5)) for _ in range(3)]

    assert asyncio.run(listen()) == [
        {"COMMAND": "PATH_REMOVED", "DATA": "/latent/12"},
        {"COMMAND": "PATH_ADDED", "DATA": "/pitch"},
        {"COMMAND": "PATH_CHANGED", "DATA": "/gain"},
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:9080"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "192.168.1.7"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_no_web_page_reaches_the_stage(described: Described, headers: dict[str, str]) -> None:
    assert described.ask("/", headers=headers)[0] == 403

    async def try_websocket() -> None:
        async with described.websocket(additional_headers={k: v for k, v in headers.items() if k != "Host"}):
            pass

    if "Host" not in headers:
        with pytest.raises(InvalidStatus, match="403"):
            asyncio.run(try_websocket())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9080", "LOCALHOST", "[::1]:80", "127.1.2.3:1"])
def test_this_machine_is_known_by_its_numbers_and_as_localhost(described: Described, host: str) -> None:
    assert described.ask("/gain", headers={"Host": host})[0] == 200


def test_direct_navigation_in_a_browser_is_allowed(described: Described) -> None:
    assert described.ask("/", headers={"Sec-Fetch-Site": "none"})[0] == 200


def test_ip_addresses_and_the_local_host_name_are_known_on_a_network() -> None:
    own = socket.gethostname().partition(".")[0]
    for host in ("192.168.1.7:9080", "[fe80::1]:1", f"{own}.local:9080", own):
        assert known_host(host, loopback=False), host
        assert not known_host(host, loopback=True), host
    for host in ("evil.example", "1.2.3.4.evil.example", "evil.local", ""):
        assert not known_host(host, loopback=False), host


def test_a_web_page_that_is_trusted_may_ask() -> None:
    trusted = ["http://localhost:8080"]
    asked = {"Host": "localhost", "Origin": trusted[0], "Sec-Fetch-Site": "same-site"}
    assert refuse(asked, True, trusted) is None
    assert refuse({**asked, "Origin": "http://localhost:8081"}, True, trusted) is not None


@pytest.mark.parametrize(
    "data",
    [
        *(b"\r\n\r\n", b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET  HTTP/1.1\r\n\r\n"),
        b"GET /%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000,
        b"GET " + b"/a" * 2000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n",
    ],
)
def test_invalid_requests_are_ignored(described: Described, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", described.port), timeout=10) as client:
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(65_536)
            assert answer == b"" or not answer.startswith(b"HTTP/1.1 2")
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert described.ask("/gain")[0] == 200


def test_invalid_websocket_messages_are_ignored(described: Described) -> None:
    async def misbehave() -> None:
        async with described.websocket() as websocket:
            for text in (
                "",
                "x",
                "[]",
                "{}",
                '{"COMMAND": 1}',
                command("JUMP", "/"),
                command("LISTEN", "no"),
                "[" * 50_000,
            ):
                await websocket.send(text)
            for data in (b"", b"\0", b"#bundle\0", b"/gain", message("/nothing", 1.0)):
                await websocket.send(data)
            await websocket.send(message("/ping"))
            assert await packets(websocket, 1) == [("/pong", ())]
        async with described.websocket() as websocket:
            await websocket.send(bytes(200_000))
            with pytest.raises(ConnectionClosed):
                await hear_all(websocket)

    asyncio.run(misbehave())
    counts = described.surface.counts
    assert (counts.failed, counts.unknown) == (0, 1)
    assert counts.bad >= 7
    assert described.ask("/gain")[0] == 200


def test_connections_beyond_the_limit_are_closed_and_earlier_ones_stay_open(described: Described) -> None:
    async def crowd() -> None:
        async with described.websocket() as first:
            silent = [socket.create_connection(("127.0.0.1", described.port)) for _ in range(3 * MAX_CONNECTIONS)]
            await first.send(command("LISTEN", "/gain"))
            assert await packets(first, 1) == [("/gain", (0.0,))]
            for each in silent:
                each.close()

    asyncio.run(crowd())
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        try:
            assert described.ask("/gain")[0] == 200
            return
        except OSError:
            continue
    pytest.fail("no room was made")


def test_a_listener_that_never_reads_does_not_block_others(described: Described) -> None:
    async def listen() -> None:
        async with described.websocket() as reader, described.websocket(max_queue=1) as deaf:
            deaf.transport.pause_reading()
            for websocket in (reader, deaf):
                await websocket.send(command("LISTEN", "/"))
            await packets(reader, 20)
            for k in range(1, 40):
                for n in range(1, 13):
                    described.stage.set(f"/latent/{n}", k / 10)
                await asyncio.sleep(0.01)
            latest: dict[str, tuple[object, ...]] = {}
            while latest.get("/latent/12") != pytest.approx((3.9,)):
                latest |= dict(await packets(reader, 1))
            assert [latest[f"/latent/{n}"] for n in range(1, 13)] == [pytest.approx((3.9,))] * 12
            deaf.transport.abort()

    asyncio.run(listen())


def test_closing_disconnects_clients_and_frees_the_ports() -> None:
    described = Described()

    async def close() -> None:
        async with described.websocket() as websocket:
            await websocket.send(command("LISTEN", "/"))
            await packets(websocket, 10)
            await asyncio.to_thread(described.surface.close)
            with pytest.raises(ConnectionClosed):
                await hear_all(websocket)

    asyncio.run(close())
    described.surface.close()
    assert port_is_free(described.surface.udp.port, socket.SOCK_DGRAM)
    assert port_is_free(described.surface.tcp.port, socket.SOCK_STREAM)
    assert port_is_free(described.port, socket.SOCK_STREAM)


def test_the_error_for_a_port_in_use_names_the_remedy_and_no_port_stays_bound(described: Described) -> None:
    port = free_port()
    with pytest.raises(OscError, match=f"127.0.0.1:{described.port} .*--query-port"):
        OscSurface(ValueStage(), "127.0.0.1", port, query_port=described.port)
    assert port_is_free(port, socket.SOCK_DGRAM)
    assert port_is_free(port, socket.SOCK_STREAM)


def test_the_stage_is_announced_by_zeroconf_and_withdrawn_on_exit() -> None:
    from zeroconf import ServiceBrowser, ServiceStateChange, Zeroconf

    name = f"glitch-live test {os.getpid()}"
    seen: dict[str, ServiceStateChange] = {}
    announcement = Announcement(name, "127.0.0.1", query_port=1234, osc_port=5678)
    announcement.start()
    assert announcement.announced.wait(20), announcement.error
    with Zeroconf(interfaces=["127.0.0.1"]) as network:
        kinds = {"_oscjson._tcp.local.": 1234, "_osc._udp.local.": 5678}
        ServiceBrowser(
            network, list(kinds), [lambda zeroconf, service_type, name, state_change: seen.update({name: state_change})]
        )

        def wait(change: ServiceStateChange) -> None:
            ends = time.monotonic() + 20
            while not all(seen.get(f"{name}.{kind}") == change for kind in kinds) and time.monotonic() < ends:
                time.sleep(0.02)
            assert {kind: seen.get(f"{name}.{kind}") for kind in kinds} == dict.fromkeys(kinds, change)

        wait(ServiceStateChange.Added)
        for kind, port in kinds.items():
            found = network.get_service_info(kind, f"{name}.{kind}")
            assert found is not None
            assert (found.port, found.parsed_addresses()) == (port, ["127.0.0.1"])
        announcement.close()
        wait(ServiceStateChange.Removed)


def test_the_stage_plays_if_zeroconf_fails() -> None:
    announcement = Announcement("x", "203.0.113.7", query_port=1, osc_port=2)
    announcement.start()
    announcement.close()
    assert announcement.error
    assert not announcement.announced.is_set()


def test_a_client_from_pypi_reads_values_and_sets_them(described: Described) -> None:
    """python-oscquery finds where OSC goes, lists a container and reads its values; python-osc sends."""
    from pythonosc.udp_client import SimpleUDPClient
    from pythonoscquery.osc_query_client import OSCQueryClient
    from zeroconf import ServiceInfo

    address = socket.inet_aton("127.0.0.1")
    service = ServiceInfo("_oscjson._tcp.local.", "x._oscjson._tcp.local.", described.port, addresses=[address])
    client = OSCQueryClient(service)
    info = client.get_host_info()
    listed = client.query_node("/a/walk")
    assert info is not None
    assert listed is not None
    assert {node.full_path: node.value for node in listed.contents} == {
        "/a/walk/speed": [0.25],
        "/a/walk/radius": [0.25],
    }
    with SimpleUDPClient(str(info.osc_ip), int(info.osc_port or 0)) as sender:
        assert isinstance(sender, SimpleUDPClient)
        sender.send_message("/a/walk/speed", 5.0)
    described.stage.wait(1)
    changed = client.query_node("/a/walk/speed")
    assert changed is not None
    assert changed.value == [5.0]
    assert client.query_node("/nothing") is None


NPM_SCRIPT = """
const { DiscoveredService } = require("oscquery");
const dgram = require("node:dgram");
(async () => {
    const service = new DiscoveredService("127.0.0.1", PORT);
    await service.update();
    const listed = service.flat().map(node => ({ path: node.full_path, access: node.access, args: node.arguments }));
    const packet = Buffer.concat([Buffer.from("/gain\\0\\0\\0,f\\0\\0"), Buffer.alloc(4)]);
    packet.writeFloatBE(-12, 12);
    const socket = dgram.createSocket("udp4");
    await new Promise(done => socket.send(packet, service.hostInfo.oscPort, service.hostInfo.oscIp, done));
    let gain = 0;
    while (gain !== -12) {
        await service.update();
        gain = service.resolvePath("/gain").getValue(0);
    }
    socket.close();
    console.log(JSON.stringify({ listed, name: service.hostInfo.name, gain }));
})();
"""


@pytest.fixture(scope="session")
def npm_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the npm package oscquery in it."""
    folder = tmp_path_factory.mktemp("node")
    patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=1000"]
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts"]
    arguments: list[str | Path] = ["npm", "install", *quiet, *patience, "--prefix", folder, NPM_CLIENT]
    subprocess.run(arguments, check=True, timeout=120)
    return folder


def test_a_client_from_npm_lists_reads_and_sets_parameters(described: Described, npm_client: Path) -> None:
    (npm_client / "play.js").write_text(NPM_SCRIPT.replace("PORT", str(described.port)))
    done = subprocess.run(["node", "play.js"], cwd=npm_client, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    listed = {node["path"]: node for node in said["listed"]}
    assert set(described.stage.addresses) - {"/panic"} <= set(listed)
    assert listed["/ahead"]["args"][0]["range"] == {"min": 0, "max": 16_384}
    assert len(listed["/latent"]["args"]) == 12
    assert said["gain"] == -12
    assert described.stage.get("/gain") == -12.0
