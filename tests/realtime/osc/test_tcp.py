"""OSC over TCP: both framings, several clients, and none that holds up another."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.slip import encode
from pythonosc.tcp_client import SimpleTCPClient

from realtime.osc.codec import messages
from realtime.osc.osc_feedback import OscFeedback
from realtime.osc.osc_router import OscRouter
from realtime.osc.tcp import MAX_CLIENTS, Framing, TcpServer
from realtime.osc.udp import MAX_PACKET, BadPacketError
from tests.eventually import eventually
from tests.realtime.osc.osc_stage import ValueStage, message


def by_size(packet: bytes) -> bytes:
    return struct.pack(">i", len(packet)) + packet


FRAMINGS = {"size": by_size, "slip": encode}


class Connected:
    """A stage that is played over TCP."""

    def __init__(self) -> None:
        self.stage = ValueStage()
        self.feedback = OscFeedback(self.stage, lambda: {})
        self.server = TcpServer("127.0.0.1", 0, OscRouter(self.stage, feedback=self.feedback).handle)
        self.server.start()
        self.feedback.start()
        self.clients: list[socket.socket] = []

    def connect(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.server.port), timeout=5.0)
        self.clients.append(client)
        return client

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.server.close()
        self.feedback.close()


@pytest.fixture
def connected() -> Iterator[Connected]:
    made = Connected()
    yield made
    made.close()


def answers(client: socket.socket, framing: Framing, count: int) -> list[Any]:
    received: list[Any] = []
    while len(received) < count:
        data = client.recv(65_536)
        assert data, "the connection was closed"
        received += [each for packet in framing.split(data) for each, _ in messages(packet)]
    return received


@given(packets=st.lists(st.binary(min_size=1, max_size=40), min_size=1), cuts=st.lists(st.integers(1, 30), min_size=1))
@pytest.mark.parametrize("kind", FRAMINGS)
def test_packets_come_out_whole_however_the_stream_is_cut(kind: str, packets: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(FRAMINGS[kind](packet) for packet in packets)
    framing, out, at, k = Framing(), [], 0, 0
    while at < len(stream):
        out += framing.split(stream[at : at + cuts[k % len(cuts)]])
        at += cuts[k % len(cuts)]
        k += 1
    assert out == packets
    mirror = Framing()
    mirror.slip = framing.slip
    assert mirror.frame(packets[0]) == FRAMINGS[kind](packets[0])


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n", b"POST / HTTP", b"\x16\x03\x01", b"\0\x01\0\0", b"\x7f\xff\xff\xff", b"hello"]
)
def test_anything_but_osc_ends_the_connection(connected: Connected, data: bytes) -> None:
    """A browser among others: what it sends first is never taken for OSC."""
    client = connected.connect()
    client.sendall(data + by_size(message("/gain", 6.0)) + encode(message("/gain", 6.0)))
    client.settimeout(5.0)
    with contextlib.suppress(ConnectionResetError):
        assert client.recv(100) == b""
    assert connected.stage.received == []
    assert connected.server.counts.bad == 1


def test_a_slip_packet_without_end_ends_the_connection() -> None:
    framing = Framing()
    assert framing.split(b"/" + bytes(MAX_PACKET)) == []
    with pytest.raises(BadPacketError):
        framing.split(bytes(MAX_PACKET))


@pytest.mark.parametrize("mode", ["1.0", "1.1"])
def test_python_oscs_tcp_client_is_served(connected: Connected, mode: str) -> None:
    with SimpleTCPClient("127.0.0.1", connected.server.port, mode=mode) as client:
        for k in range(100):
            client.send_message("/latent/1", k / 100)
        client.send_message("/get", "/latent/1")
        received = connected.stage.wait(100)
        assert [values[0] for _, values, _ in received] == pytest.approx([k / 100 for k in range(100)])
        answer = next(iter(client.get_messages(5)))
        assert answer.address == "/latent/1"
        assert answer.params[0] == pytest.approx(0.99)


@pytest.mark.parametrize("kind", FRAMINGS)
def test_a_connection_can_subscribe_and_needs_no_renewal(connected: Connected, kind: str) -> None:
    client = connected.connect()
    framing = Framing()
    client.sendall(FRAMINGS[kind](message("/subscribe", "/gain", 100)))
    assert answers(client, framing, 2) == [("/subscribed", ("/gain", 100.0, 0.0)), ("/gain", (0.0,))]
    client.sendall(FRAMINGS[kind](message("/gain", 3.0)))
    assert answers(client, framing, 1) == [("/gain", (3.0,))]
    client.close()
    other = connected.connect()
    gains = itertools.count()

    def its_end_was_noticed() -> bool:
        other.sendall(FRAMINGS[kind](message("/gain", float(next(gains) % 10))) + FRAMINGS[kind](message("/ping")))
        answers(other, Framing(), 1)
        return not connected.feedback.subscriptions

    eventually(its_end_was_noticed)


def test_a_client_that_never_reads_does_not_block_others(connected: Connected) -> None:
    deaf = connected.connect()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client = connected.connect()
    flood = by_size(message("/ping", "x" * 1000)) * 50
    deaf.settimeout(0.5)
    with contextlib.suppress(TimeoutError):
        for _ in range(200):  # ten megabytes of answers, of which none is read
            deaf.sendall(flood)
    client.sendall(by_size(message("/ping", 1.0)))
    assert answers(client, Framing(), 1) == [("/pong", (1.0,))]


def test_a_client_that_stops_mid_message_does_not_block_others(connected: Connected) -> None:
    for part in (by_size(message("/gain", 1.0))[:-2], b"\0\0", encode(message("/gain", 1.0))[:-2]):
        connected.connect().sendall(part)
    client = connected.connect()
    client.sendall(encode(message("/gain", 2.0)))
    assert connected.stage.wait(1) == [("/gain", (2.0,), 0.0)]


def test_the_number_of_clients_is_limited_and_closed_ones_free_their_places(connected: Connected) -> None:
    for _ in range(MAX_CLIENTS):
        connected.connect().sendall(by_size(message("/gain", 1.0)))
    connected.stage.wait(MAX_CLIENTS)
    refused = connected.connect()
    assert refused.recv(1) == b""
    connected.clients[0].close()
    for _ in range(100):
        client = connected.connect()
        try:
            client.sendall(by_size(message("/ping")))
            if client.recv(100):
                break
        except OSError:
            continue
    else:
        pytest.fail("no room was made")


def test_closing_releases_the_port_at_once(connected: Connected) -> None:
    connected.connect().sendall(by_size(message("/gain", 1.0)))
    connected.stage.wait(1)
    connected.server.close()
    again = TcpServer("127.0.0.1", connected.server.port, OscRouter(connected.stage).handle)
    assert again.port == connected.server.port
    again.close()
