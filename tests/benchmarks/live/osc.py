"""osc: OSC messages a second that are applied in order over UDP on loopback, beside python-osc's blocking server.

`{"messages_per_s", "reference_per_s", "ratio", "in_order", "flow": {…}}`: medians of five pairs of runs. The same
sender, a process of its own, sends the same packets to both: one float each, to 320 addresses in turn, with at most 256
in flight, so that none is lost. Our server parses the packet, finds the parameter, clips the value to its range and
puts an event into a deck's ring in shared memory; another process takes it from there and checks the order.
python-osc's `BlockingOSCUDPServer` has the same addresses mapped to a handler that keeps the value.

``flow`` is a steady flow that nothing holds back, 2,000 messages a second to the latents of a session that plays the
bundled model on the null device: `lost` of the `sent` messages were not applied, and the sender reached `per_s`.
`reference_lost` of `reference_sent` is the same flow to python-osc's server, which plays nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping

import numpy as np
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_message_builder import build_msg
from pythonosc.osc_server import BlockingOSCUDPServer

from realtime.ipc import rings
from realtime.ipc.memory_layout import EVENT, RING, Geometry
from realtime.ipc.segment_registry import SegmentRegistry
from realtime.ipc.segments import Segment
from realtime.osc.osc_router import OscRouter
from realtime.osc.udp import UdpServer, number
from realtime.params.table import Parameter
from tests.benchmarks.support.job import Figures, Job
from tests.benchmarks.support.message_flow import MessageFlow

QUICK_S, FULL_S = 11, 85
ADDRESSES = [f"/{deck}/latent/{k}" for deck in "ab" for k in range(1, 161)]
BURST, BURSTS_IN_FLIGHT = 64, 4
OURS, REFERENCE = 131_072, 16_384  # messages in a run
RUNS = 5
QUICK_OURS, QUICK_REFERENCE, QUICK_RUNS = 16_384, 4096, 1
FLOW_PER_S, FLOW_SECONDS, QUICK_FLOW_SECONDS, FLOW_SETTLE_S = 2000, 20.0, 1.0, 0.5
HOP_S = 128 / 48_000  # how often a deck looks for events


def run(job: Job) -> Figures:
    """Run both in turn."""
    runs = job.choose(QUICK_RUNS, RUNS)
    pairs: list[tuple[Figures, Figures]] = []
    for k in range(runs):
        job.progress(f"pair {k + 1} of {runs}")
        ours = _measure("ours", job.choose(QUICK_OURS, OURS))
        pairs.append((ours, _measure("reference", job.choose(QUICK_REFERENCE, REFERENCE))))
        job.partial(_medians(pairs))
    job.progress(f"{FLOW_PER_S} messages a second to a session")
    return _medians(pairs) | {"flow": job.in_process(measure_flow)}


def _medians(pairs: list[tuple[Figures, Figures]]) -> Figures:
    return {
        "messages_per_s": round(statistics.median(ours["per_s"] for ours, _ in pairs)),
        "reference_per_s": round(statistics.median(reference["per_s"] for _, reference in pairs)),
        "ratio": round(statistics.median(ours["per_s"] / reference["per_s"] for ours, reference in pairs), 2),
        "in_order": all(each["in_order"] for pair in pairs for each in pair),
    }


def describe(result: Figures) -> str:
    """Return the rates."""
    order = "all in order" if result["in_order"] else "NOT in order"
    flow = result["flow"]
    return (
        f"{result['messages_per_s']} messages a second, {order}; python-osc {result['reference_per_s']}: "
        f"{result['ratio']:.1f} times\n"
        f"{flow['per_s']} messages a second to a session: {flow['lost']} of {flow['sent']} lost; python-osc "
        f"{flow['reference_lost']} of {flow['reference_sent']}"
    )


def measure_flow(job: Job) -> Figures:
    """Send a steady flow to a session that plays, then to python-osc's server."""
    from realtime import Session

    seconds = job.choose(QUICK_FLOW_SECONDS, FLOW_SECONDS)
    with Session(device="null", osc=("127.0.0.1", 0)) as session:
        assert session.osc is not None
        latents = [f"/latent/{k + 1}" for k in range(session.card.latent.size)]
        before = session.status()
        sent, took = _flow(session.osc.port, latents, seconds)
        after = session.status()
    lost = sent - (after.osc_messages - before.osc_messages)
    received: list[float] = []
    with _reference_server(received) as server:
        reference_sent, _ = _flow(server.server_address[1], ADDRESSES, seconds)
    return {
        "sent": sent,
        "lost": lost,
        "per_s": round(sent / took),
        "reference_sent": reference_sent,
        "reference_lost": reference_sent - len(received),
    }


def _flow(port: int, addresses: list[str], seconds: float) -> tuple[int, float]:
    """Send for a while; return the number of messages and the seconds."""
    with MessageFlow("osc", port, FLOW_PER_S, addresses) as flow:
        flow.begin()
        began = time.perf_counter()
        time.sleep(seconds)
        took = time.perf_counter() - began
        sent = flow.end()
    time.sleep(FLOW_SETTLE_S)
    return sent, took


def _measure(kind: str, count: int) -> Figures:
    """Start a server, send to it, and ask it for the messages that it has received."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.live.osc", kind, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    port = int(server.stdout.readline())
    sender = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.live.osc", "send", str(port), str(count)],
        check=True,
        capture_output=True,
        text=True,
    )
    seen, _ = server.communicate("\n", timeout=60)
    return {"per_s": count / float(sender.stdout), **json.loads(seen)}


def send(port: int, count: int) -> float:
    """Send, a burst at a time, each with a `/ping` behind it; give the seconds until the last one was answered."""
    packets = [build_msg(ADDRESSES[k % len(ADDRESSES)], float(k)).dgram for k in range(count)]
    ping = build_msg("/ping", 1.0).dgram
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(10.0)
        sender.connect(("127.0.0.1", port))
        sender.send(ping)
        sender.recv(100)
        began = time.perf_counter()
        answered = 0
        for burst, at in enumerate(range(0, count, BURST)):
            for packet in packets[at : at + BURST]:
                sender.send(packet)
            sender.send(ping)
            if burst - answered >= BURSTS_IN_FLIGHT - 1:
                sender.recv(100)
                answered += 1
        while answered <= burst:
            sender.recv(100)
            answered += 1
        return time.perf_counter() - began


class RingStage:
    """A stage of parameters alone: what is set becomes an event in a deck's ring."""

    def __init__(self, segment: Segment) -> None:
        rows = [
            Parameter(address, "float", 0.0, 2.0**24, 0.0, "", "linear", 0.0, "deck", "", k)
            for k, address in enumerate(ADDRESSES)
        ]
        self.addresses: Mapping[str, Parameter] = {row.address: row for row in rows}
        self.values = np.zeros(len(rows))
        self._index, self._events = segment["event_index"], segment["events"]

    def set(self, address: str, *values: object, at: float = 0.0) -> None:
        row = self.addresses[address]
        value = row.clip(number(values[0], address))
        self.values[row.index] = value
        while not rings.push_events(self._index, self._events, np.array([(int(at), row.index, value)], EVENT)):
            time.sleep(1e-4)  # the deck that takes them has fallen behind

    def get(self, address: str) -> float:
        return float(self.values[self.addresses[address].index])


def ours(count: int) -> Figures:
    """Serve with our server, beside a process that takes events as a deck does."""
    registry = SegmentRegistry()
    segment = Segment.create(Geometry("deck", 1, RING), registry)
    stage = RingStage(segment)
    rings.push_events(segment["event_index"], segment["events"], np.zeros(1, EVENT))  # compiled before it is measured
    deck = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.live.osc", "deck", segment.name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert deck.stdout is not None
    deck.stdout.readline()
    server = UdpServer("127.0.0.1", 0, OscRouter(stage).handle)
    server.start()
    print(server.port, flush=True)
    sys.stdin.readline()
    taken = json.loads(deck.communicate(timeout=10)[0])
    server.close()
    segment.close()
    registry.close()
    return {"in_order": taken["in_order"] and server.counts.bad == server.counts.unknown == 0}


def deck(name: str, count: int) -> Figures:
    """Take events out of a deck's ring, as they come, and see that none is missing or out of order."""
    segment = Segment.attach(name)
    index, events = segment["event_index"], segment["events"]
    into = np.zeros(1024, events.dtype)
    rings.pop_events(index, events, into)
    print("ready", flush=True)
    values: list[np.ndarray] = []
    taken, ends = 0, time.monotonic() + 60
    while taken < count and time.monotonic() < ends:
        number_of = rings.pop_events(index, events, into)
        values.append(into["value"][:number_of].copy())
        taken += number_of
        if not number_of:
            time.sleep(HOP_S)
    del index, events
    segment.close()
    return {"in_order": bool(np.array_equal(np.concatenate(values), np.arange(count)))}


def reference(count: int) -> Figures:
    """Serve with python-osc's server."""
    received: list[float] = []
    with _reference_server(received) as server:
        print(server.server_address[1], flush=True)
        sys.stdin.readline()
    return {"in_order": received == [float(k) for k in range(count)]}


@contextlib.contextmanager
def _reference_server(received: list[float]) -> Iterator[BlockingOSCUDPServer]:
    """Serve with python-osc's server, which appends each value to a list."""

    def handle(_: str, value: float) -> None:
        received.append(value)

    dispatcher = Dispatcher()
    for address in ADDRESSES:
        dispatcher.map(address, handle)
    dispatcher.map("/ping", lambda _, value: ("/pong", value))
    with BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher) as server:
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield server
        server.shutdown()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["send", port, count]:
            print(send(int(port), int(count)))
        case ["deck", name, count]:
            print(json.dumps(deck(name, int(count))))
        case ["ours", count]:
            print(json.dumps(ours(int(count))))
        case ["reference", count]:
            print(json.dumps(reference(int(count))))
    sys.stdout.flush()
    os._exit(0)
