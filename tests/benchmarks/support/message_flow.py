"""Senders of OSC and MIDI messages.

    python -m tests.benchmarks.support.message_flow osc PORT RATE ADDRESS...
    python -m tests.benchmarks.support.message_flow midi NAME RATE

The process prints `ready`, sends RATE messages a second from the line `begin` until the end of its standard input, and
prints how many it has sent.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from realtime import Session

PERIOD_S = 0.0005
MOST_AT_ONCE = 64  # after a pause, what is due is caught up with in small bursts, which fill nobody's buffer
END_TIMEOUT_S = 30.0
SETTLE_S = 0.2


class MessageFlow:
    """A process that sends messages at a steady rate, so that it doesn't share the interpreter of what it sends to.

    Parameters
    ----------
    kind
        `osc`, or `midi` from a port on JACK.
    to
        Port to send to, or the name of the MIDI device.
    rate
        Messages a second.
    addresses
        OSC addresses, used in turn.
    """

    def __init__(self, kind: str, to: object, rate: float, addresses: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, kind, str(to), str(rate), *addresses],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"the sender of {kind} does not start; run python -m {__name__} to see why")

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def begin(self) -> Self:
        """Send from now on."""
        assert self._process.stdin is not None
        self._process.stdin.write("begin\n")
        self._process.stdin.flush()
        return self

    def end(self) -> int:
        """Stop sending, and return how many messages were sent."""
        printed, _ = self._process.communicate(timeout=END_TIMEOUT_S)
        return int(printed.split()[-1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class OscSender:
    """Sends single OSC messages and bundles to a session."""

    def __init__(self, session: Session) -> None:
        assert session.osc is not None
        self._to = ("127.0.0.1", session.osc.port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, address: str, value: float, *, at: float | None = None) -> float:
        """Send a value, in a bundle if a unix time is given, and return when it was sent (`time.monotonic`)."""
        from pythonosc.osc_bundle_builder import OscBundleBuilder
        from pythonosc.osc_message_builder import build_msg

        message = build_msg(address, float(value))
        packet = message.dgram
        if at is not None:
            bundle = OscBundleBuilder(at)  # type: ignore[arg-type]  # a time, though it says int
            bundle.add_content(message)
            packet = bundle.build().dgram
        sent = time.monotonic()
        self._socket.sendto(packet, self._to)
        return sent

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def main() -> None:
    """Send; see the head of this module."""
    kind, to, rate, *addresses = sys.argv[1:]
    send = _osc(int(to), addresses) if kind == "osc" else _midi(to)
    ended = threading.Event()
    print("ready", flush=True)
    sys.stdin.readline()

    def listen() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    began, sent = time.perf_counter(), 0
    while not ended.is_set():
        due = int((time.perf_counter() - began) * float(rate)) - sent
        for _ in range(min(due, MOST_AT_ONCE)):
            send(sent)
            sent += 1
        time.sleep(PERIOD_S)
    time.sleep(SETTLE_S)  # let messages arrive before their sender is gone
    print(sent, flush=True)


def _osc(port: int, addresses: list[str]) -> Callable[[int], None]:
    from pythonosc.osc_message_builder import build_msg

    values = np.random.default_rng(1).uniform(-1, 1, 64)
    packets = [build_msg(address, float(value)).dgram for value in values for address in addresses]
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(k: int) -> None:
        sender.sendto(packets[k % len(packets)], ("127.0.0.1", port))

    return send


def _midi(name: str) -> Callable[[int], None]:
    import rtmidi

    out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name=name)
    out.open_virtual_port("out")

    def send(k: int) -> None:
        out.send_message((0xB0, 20 + k % 4, k // 4 % 128))

    return send


if __name__ == "__main__":
    main()
