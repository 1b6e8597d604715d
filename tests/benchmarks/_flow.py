"""A sender of steady messages, in a process of its own so that nobody shares its interpreter.

    python -m tests.benchmarks._flow osc PORT RATE ADDRESS...
    python -m tests.benchmarks._flow midi NAME RATE

It says `ready`, sends from the line `begin` until the end of its standard input, and prints how many it has sent.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable

import numpy as np

PERIOD_S = 0.0005
MOST_AT_ONCE = 64  # after a pause, what is due is caught up with gently: nobody's buffer is to be tested here


def main() -> None:
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
    time.sleep(0.2)  # what is on its way arrives before its sender goes
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
    import rtmidi  # type: ignore[import-untyped]

    out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name=name)
    out.open_virtual_port("out")

    def send(k: int) -> None:
        out.send_message((0xB0, 20 + k % 4, k // 4 % 128))

    return send


if __name__ == "__main__":
    main()
