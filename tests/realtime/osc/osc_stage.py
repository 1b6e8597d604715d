"""A stage of values alone, and a client that receives: what the tests of control surfaces share."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pythonosc.osc_message_builder import OscMessageBuilder

from realtime.osc.codec import messages
from realtime.osc.udp import BadPacketError, number
from realtime.params.table import Parameter, ParameterError

ROWS = [
    ("/gain", "float", -80.0, 12.0, 0.0, "dB"),
    ("/mute", "bool", 0.0, 1.0, 0.0, ""),
    ("/panic", "trigger", 0.0, 1.0, 0.0, ""),
    ("/ahead", "int", 0.0, 16_384.0, 0.0, "samples"),
    ("/ahead/lock", "bool", 0.0, 1.0, 0.0, ""),
    ("/latent", "list", -6.0, 6.0, 0.0, ""),
    *((f"/latent/{k}", "float", -6.0, 6.0, 0.0, "") for k in range(1, 13)),
    *((f"/{deck}/walk/{knob}", "float", 0.0, 20.0, 0.25, "Hz") for deck in "ab" for knob in ("speed", "radius")),
]


def table(rows: Sequence[tuple[str, Any, float, float, float, str]] = ROWS) -> dict[str, Parameter]:
    """Make rows; those of a deck don't know which deck that is: `/a/walk/speed` has the row of `/walk/speed`."""
    return {
        address: Parameter(
            "/" + address.removeprefix("/a/").removeprefix("/b/").lstrip("/"),
            kind,
            low,
            high,
            default,
            unit,
            "linear",
            0.0,
            "deck",
            f"What {address} does.",
            k,
        )
        for k, (address, kind, low, high, default, unit) in enumerate(rows)
    }


class ValueStage:
    """Keeps what is set, in order, and says when something was."""

    def __init__(self) -> None:
        self.addresses: Mapping[str, Parameter] = table()
        self.values = {address: row.default for address, row in self.addresses.items()}
        self.received: list[tuple[str, tuple[object, ...], float]] = []
        self.arrived = threading.Condition()

    def set(self, address: str, *values: object, at: float = 0.0) -> None:
        row = self.addresses[address]
        if row.kind not in ("trigger", "list"):
            if len(values) != 1:
                raise ParameterError(f"{address} takes one number, not {len(values)}.")
            try:
                self.values[address] = row.clip(number(values[0], address))
            except BadPacketError as error:
                raise ParameterError(f"{error}.") from None
        with self.arrived:
            self.received.append((address, values, at))
            self.arrived.notify_all()

    def get(self, address: str) -> float:
        try:
            return self.values[address]
        except KeyError:
            raise ParameterError(f"There is no parameter {address}.") from None

    def wait(self, count: int) -> list[tuple[str, tuple[object, ...], float]]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= count, 5), (
                f"{len(self.received)} of {count} arrived"
            )
            return list(self.received)


class Controller:
    """A controller over UDP: sends from a port, and receives the replies."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5.0)
        self.port = self.socket.getsockname()[1]
        self._to = ("127.0.0.1", port)

    def send(self, address: str, *arguments: object) -> None:
        self.send_bytes(message(address, *arguments))

    def send_bytes(self, data: bytes) -> None:
        self.socket.sendto(data, self._to)

    def receive(self) -> list[tuple[str, tuple[object, ...]]]:
        """Give the messages of the next packet."""
        return [(address, params) for (address, params), _ in messages(self.socket.recv(65_536))]

    def wait_for(self, address: str, *, until: Callable[..., bool] = lambda *_: True) -> tuple[object, ...]:
        """Give the arguments of the next message with an address, those before it forgotten."""
        while True:
            for received, arguments in self.receive():
                if received == address and until(*arguments):
                    return arguments

    def hears_nothing(self, seconds: float) -> bool:
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(65_536)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(5.0)
        return False

    def close(self) -> None:
        self.socket.close()


def message(address: str, *arguments: Any, types: str | None = None) -> bytes:
    """Build a message as python-osc does."""
    builder = OscMessageBuilder(address)
    for k, argument in enumerate(arguments):
        builder.add_arg(argument, types[k] if types else None)
    return builder.build().dgram


def bundle(when: float, *contents: bytes) -> bytes:
    """Build a bundle; 0 is at once."""
    stamp = 1 if when == 0 else int((when + 2_208_988_800) * 2**32)
    return b"#bundle\0" + struct.pack(">Q", stamp) + b"".join(struct.pack(">i", len(c)) + c for c in contents)
