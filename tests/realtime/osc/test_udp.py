"""OSC in: every message in order, every type that can be a number, and garbage that does nothing."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from realtime.osc.udp import BadPacketError, OscError, OscServer, UnknownAddressError, number


class Listener:
    """A server that keeps the messages it receives."""

    def __init__(self) -> None:
        self.received: list[tuple[str, list[Any], float]] = []
        self.arrived = threading.Condition()
        self.server = OscServer("127.0.0.1", 0, self.handle)
        self.server.start()
        self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def handle(self, address: str, arguments: Sequence[object], when: float) -> None:
        if address == "/unknown":
            raise UnknownAddressError(address)
        if address == "/fails":
            raise ZeroDivisionError
        with self.arrived:
            self.received.append((address, list(arguments), when))
            self.arrived.notify_all()

    def send(self, data: bytes) -> None:
        self.sender.sendto(data, ("127.0.0.1", self.server.port))

    def wait(self, count: int) -> list[tuple[str, list[Any], float]]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= count, 5), (
                f"{len(self.received)} of {count} arrived"
            )
        return self.received


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.server.close()
    made.sender.close()


def message(address: str, *arguments: Any, types: str | None = None) -> bytes:
    builder = OscMessageBuilder(address)
    for k, argument in enumerate(arguments):
        builder.add_arg(argument, types[k] if types else None)
    return builder.build().dgram


def bundle(when: float, *contents: bytes) -> bytes:
    stamp = 1 if when == IMMEDIATELY else int((when + 2_208_988_800) * 2**32)
    return b"#bundle\0" + struct.pack(">Q", stamp) + b"".join(struct.pack(">i", len(c)) + c for c in contents)


def test_messages_arrive_in_order(listener: Listener) -> None:
    for n in range(2000):
        listener.send(message("/n", n))
        if n % 200 == 0:
            listener.wait(n)
    assert [arguments[0] for _, arguments, _ in listener.wait(2000)] == list(range(2000))
    assert listener.server.counts.messages == 2000
    assert listener.server.counts.bad == 0


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [(3, "i", 3.0), (2**40, "h", 2.0**40), (0.5, "f", 0.5), (0.1, "d", 0.1), (True, "T", 1.0), (False, "F", 0.0)],
)
def test_every_numeric_type_becomes_a_number(listener: Listener, value: float, kind: str, result: float) -> None:
    listener.send(message("/x", value, types=kind))
    _, arguments, _ = listener.wait(1)[0]
    assert number(arguments[0], "/x") == pytest.approx(result)


@pytest.mark.parametrize("value", ["1", None, b"1", [1.0], float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused(value: object) -> None:
    with pytest.raises(BadPacketError, match="/x takes numbers"):
        number(value, "/x")


def test_a_bundle_keeps_its_order_and_its_time(listener: Listener) -> None:
    later = time.time() + 100
    inner = bundle(later, message("/c", 3.0))
    listener.send(bundle(IMMEDIATELY, message("/a", 1.0), message("/b", 2.0), inner, message("/d", 4.0)))
    listener.send(bundle(time.time() - 5, message("/late", 5.0)))
    received = listener.wait(5)
    assert [address for address, _, _ in received] == ["/a", "/b", "/c", "/d", "/late"]
    times = [when for _, _, when in received]
    assert times[2] == pytest.approx(later, abs=1e-3)
    assert [times[k] for k in (0, 1, 3, 4)] == [0.0] * 4


def test_bundles_as_others_build_them_are_read(listener: Listener) -> None:
    builder = OscBundleBuilder(IMMEDIATELY)
    for n in range(3):
        part = OscMessageBuilder(f"/{n}")
        part.add_arg(float(n))
        builder.add_content(part.build())
    listener.send(builder.build().dgram)
    assert [address for address, _, _ in listener.wait(3)] == ["/0", "/1", "/2"]


@pytest.mark.parametrize("size", [-4, 0, 3, 2**31 - 1, -(2**31)])
def test_a_bundle_with_impossible_sizes_is_dropped_at_once(listener: Listener, size: int) -> None:
    """A negative size sends python-osc's own bundle reader round for ever."""
    listener.send(b"#bundle\0" + struct.pack(">Qi", 1, size) + message("/x", 1.0))
    listener.send(message("/after", 1.0))
    assert [address for address, _, _ in listener.wait(1)] == ["/after"]
    assert listener.server.counts.bad == 1


def test_bundles_nested_without_end_are_dropped(listener: Listener) -> None:
    data = message("/x", 1.0)
    for _ in range(200):
        data = bundle(IMMEDIATELY, data)
    listener.send(data)
    listener.send(message("/after", 1.0))
    assert listener.wait(1)[0][0] == "/after"
    assert listener.server.counts.bad == 1


def test_unknown_and_failing_messages_are_counted_and_the_next_is_served(listener: Listener) -> None:
    for data in (
        b"garbage",
        message("/unknown", 1.0),
        message("/fails", 1.0),
        b"",
        b"/x\0\0,zz\0",
        message("/ok", 1.0),
    ):
        listener.send(data)
    assert [address for address, _, _ in listener.wait(1)] == ["/ok"]
    counts = listener.server.counts
    assert counts.unknown == 1
    assert counts.last_unknown == "/unknown"
    assert counts.bad >= 2
    assert counts.last_bad


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200), prefix=st.sampled_from([b"", b"#bundle\0", b"/latent/1\0\0\0,f\0\0", b"/a\0\0,"]))
def test_no_packet_stops_the_receiver(data: bytes, prefix: bytes) -> None:
    server = OscServer("127.0.0.1", 0, lambda *_: None)
    server.receive(prefix + data)
    server.receive(message("/x", 1.0))
    assert server.counts.messages >= 1
    server.close()


def test_the_error_for_a_port_in_use_names_the_remedy(listener: Listener) -> None:
    with pytest.raises(OscError, match=f"127.0.0.1:{listener.server.port} .*--osc-port"):
        OscServer("127.0.0.1", listener.server.port, lambda *_: None)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(OscError, match="203.0.113.7"):
        OscServer("203.0.113.7", 0, lambda *_: None)
    with pytest.raises(OscError, match="nowhere.invalid"):
        OscServer("nowhere.invalid", 0, lambda *_: None)


def test_closing_releases_the_port_at_once(listener: Listener) -> None:
    port = listener.server.port
    listener.server.close()
    again = OscServer("127.0.0.1", port, lambda *_: None)
    assert again.port == port
    again.close()
