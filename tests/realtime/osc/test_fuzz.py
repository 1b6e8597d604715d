"""Packets that nobody would send: random, mutated, hostile. None stops the receiver, and none has an unknown effect.

The suite sends 200,000; `OSC_FUZZ_PACKETS=1000000 python -m pytest tests/realtime/osc/test_fuzz.py` sends
a million, and `OSC_FUZZ_SEED=n` others than usual.
"""

from __future__ import annotations

import math
import os
import random
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.osc.codec import BadPacketError, messages, write_bundle, write_message
from realtime.osc.osc_feedback import OscFeedback
from realtime.osc.osc_router import OscRouter
from realtime.osc.tcp import Framing
from realtime.osc.udp import MAX_PACKET, Receiver, UdpServer
from tests.realtime.osc.osc_stage import Controller, ValueStage, bundle

PACKETS = int(os.environ.get("OSC_FUZZ_PACKETS", "200000"))
SEED = int(os.environ.get("OSC_FUZZ_SEED", "1"))

EDGES = [0, 1, 3, 4, -1, -4, 16, 255, 256, 2**31 - 1, -(2**31), 0x7FC00000, 0x7F800000]
SEEDS = [
    write_message("/gain", [0.5]),
    write_message("/latent/1", [3]),
    write_message("/latent", [0.5, -1.0, 2.0, 0.25]),
    write_message("/latent/*", [0.5]),
    write_message("//speed", [0.5]),
    write_message("/{a,b}/walk/[!x]*", [1.5]),
    write_message("/panic"),
    write_message("/mute", [True]),
    write_message("/get", ["/gain"]),
    write_message("/get", ["/latent/*", 9001]),
    write_message("/subscribe", ["/a", 30.0, 9001]),
    write_message("/unsubscribe", ["/a"]),
    write_message("/ping", [1, "two", 3.0, None, False]),
    write_message("/gain", [2**40, 0.1, "text", b"blob!"], "hdsb"),
    b"/gain\0\0\0,[i[fc]tmrSI]\0\0\0\0" + struct.pack(">ifiII", 1, 0.5, 65, 9, 9) + bytes(8) + b"abc\0",
    write_bundle([write_message("/gain", [1.0]), write_message("/mute", [1]), write_message("/latent/2", [0.5])]),
    bundle(2_000_000_000, write_message("/gain", [2.0]), write_bundle([write_message("/ahead", [3])])),
]


class Ear:
    """A peer that counts what it is answered."""

    key = "ear"
    lasting = False

    def __init__(self) -> None:
        self.answers = 0

    def send(self, packet: bytes) -> bool:
        messages(packet)
        self.answers += 1
        return True

    def at_port(self, port: int) -> Ear:
        assert 1 <= port <= 65_535
        return self


def mutate(rng: random.Random) -> bytes:
    """Take a good packet and do to it what networks, mistakes and enemies do."""
    data = bytearray(rng.choice(SEEDS))
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(8):
            case 0:
                data[at:] = b""
            case 1 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 2 if data:
                data[at % len(data)] = rng.choice(b"\0\xff,/#*?[]{}!-ifsbhtdScrmTFNI")
            case 3:
                data[at:at] = rng.randbytes(rng.randrange(8))
            case 4:
                del data[at : at + rng.randrange(8)]
            case 5:
                data[at & ~3 : (at & ~3) + 4] = struct.pack(">i", rng.choice(EDGES))
            case 6:
                other = rng.choice(SEEDS)
                data[at:] = other[rng.randrange(len(other)) :]
            case 7:
                data = bytearray(write_bundle([bytes(data)] * rng.randrange(1, 3)))
    return bytes(data)


def fuzzed() -> tuple[ValueStage, Receiver, Ear]:
    stage = ValueStage()
    feedback = OscFeedback(stage, dict)
    return stage, Receiver(OscRouter(stage, feedback=feedback).handle), Ear()


def assert_serves(stage: ValueStage, receiver: Receiver, ear: Ear, value: float) -> None:
    stage.received.clear()
    receiver.receive(write_message("/gain", [value]), ear)
    assert stage.received == [("/gain", (value,), 0.0)]


def assert_nothing_unknown(stage: ValueStage, receiver: Receiver) -> None:
    assert receiver.counts.failed == 0, receiver.counts.last_bad
    for address, value in stage.values.items():
        row = stage.addresses[address]
        assert row.minimum <= value <= row.maximum


def test_no_mutated_packet_stops_the_receiver() -> None:
    rng = random.Random(SEED)
    stage, receiver, ear = fuzzed()
    for k in range(PACKETS):
        receiver.receive(mutate(rng), ear)
        if k % 1000 == 0:
            assert_serves(stage, receiver, ear, float(k % 8))
            assert_nothing_unknown(stage, receiver)
    assert receiver.counts.messages > PACKETS / 10, "most mutations are so wild that they test nothing"
    assert receiver.counts.bad > PACKETS / 10
    assert ear.answers > 100
    assert len(receiver._heads) <= 4096


def test_packets_raise_one_exception_or_none() -> None:
    rng = random.Random(SEED + 1)
    for _ in range(PACKETS // 4):
        data = mutate(rng) if rng.random() < 0.9 else rng.randbytes(rng.randrange(64))
        try:
            for (address, _), when in messages(data):
                assert address.startswith("/")
                assert math.isfinite(when)
        except BadPacketError:
            pass


arguments = st.lists(
    st.one_of(
        st.booleans(),
        st.none(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.binary(max_size=9),
        st.text("/*[{,}]!a-1"),
    ),
    max_size=5,
)
addresses = st.one_of(
    st.sampled_from(["/gain", "/latent", "/get", "/subscribe", "/unsubscribe", "/ping", "/panic"]),
    st.text("/*?[]{}!,-ab1latent", max_size=30).map("/{}".format),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20).map("/{}".format),
)


@settings(max_examples=500, deadline=None)
@given(sent=st.lists(st.builds(write_message, addresses, arguments), max_size=5), together=st.booleans())
def test_no_message_of_any_shape_stops_the_receiver(sent: list[bytes], together: bool) -> None:
    stage, receiver, ear = fuzzed()
    for packet in [write_bundle(sent)] if together else sent:
        receiver.receive(packet, ear)
    assert_nothing_unknown(stage, receiver)
    assert_serves(stage, receiver, ear, 1.0)


@settings(max_examples=300, deadline=None)
@given(
    chunks=st.lists(st.one_of(st.binary(max_size=64), st.sampled_from(SEEDS)), max_size=8),
    first=st.sampled_from(b"\0\xc0/#x"),
)
def test_no_stream_of_bytes_stops_a_framing(chunks: list[bytes], first: int) -> None:
    framing = Framing()
    stage, receiver, ear = fuzzed()
    try:
        for chunk in [bytes([first]), *chunks]:
            for packet in framing.split(chunk):
                receiver.receive(packet, ear)
    except BadPacketError:
        pass
    assert_nothing_unknown(stage, receiver)


@pytest.fixture
def listening() -> Iterator[tuple[ValueStage, UdpServer, Controller]]:
    stage = ValueStage()
    server = UdpServer("127.0.0.1", 0, OscRouter(stage).handle)
    server.start()
    controller = Controller(server.port)
    yield stage, server, controller
    controller.close()
    server.close()


def test_the_next_good_packet_is_served_over_a_real_socket(listening: Any) -> None:
    stage, server, controller = listening
    rng = random.Random(SEED + 2)
    harmless = (b"/get", b"/ping", b"/subscribe", b"/unsubscribe")  # nothing is to be sent to ports of others
    for k in range(PACKETS // 20):
        data = mutate(rng)
        if not any(name in data for name in harmless):
            controller.send_bytes(data)
        if k % 50 == 0:
            controller.send("/ping", k)
            controller.wait_for("/pong", until=lambda received, k=k: received == k)
    controller.send("/ping", "last")  # all that was sent before it has been received once it is answered
    controller.wait_for("/pong", until=lambda received: received == "last")
    assert server.counts.failed == 0, server.counts.last_bad
    stage.received.clear()
    controller.send("/gain", 1.0)
    assert stage.wait(1)[-1][:2] == ("/gain", (1.0,))


@pytest.mark.parametrize(
    "data",
    [
        b"/gain\0\0\0," + b"T" * (MAX_PACKET - 40) + bytes(4),
        b"/gain\0\0\0," + b"[" * (MAX_PACKET - 40) + bytes(4),
        write_message("/gain", [0] * 10_000),
        write_message("/" + "*a" * 30_000, [1.0]),
        write_message("/" + "{a,b}" * 50, [1.0]),
        write_message("//" * 127 + "*", [1.0]),
        write_message("/gain", ["x" * 60_000]),
        write_bundle([b"/x\0\0"] * 8_000),
        write_bundle([write_message("/*", [1.0])] * 2_000),
    ],
)
def test_the_largest_packets_take_no_longer_than_as_many_small_ones(data: bytes) -> None:
    """Time that grows faster than the packet would let one sender take the receiver from all others."""
    small = [write_message("/gain", [0.5, k]) for k in range(len(data) // 24 + 1)]
    stage, receiver, ear = fuzzed()
    took = []
    for packets in (small, [data]):
        best = math.inf
        for _ in range(3):
            began = time.process_time()
            for packet in packets:
                receiver.receive(packet, ear)
            best = min(best, time.process_time() - began)
            stage.received.clear()
        took.append(best)
    assert took[1] < 10 * took[0] + 0.01
    assert_serves(stage, receiver, ear, 1.0)
