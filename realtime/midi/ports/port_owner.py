"""Opens MIDI ports by name when they appear, and transfers their messages.

Messages are read from rtmidi's own queue, which its native thread fills and timestamps; Python never runs in that
thread.
"""

from __future__ import annotations

import collections
import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from realtime.midi.ports.framing import EVERY_PORT, LOST, MESSAGE, NOTIFY, PORTS, pack
from realtime.midi.ports.rtmidi_names import EVERYTHING, api_number, matches, rtmidi, stable_name
from realtime.midi.ports.timestamps import Timestamps

POLL_S = 0.001
BUSY_POLL_S, BUSY_S = 0.00025, 5.0  # polling is faster for this long after a message
SCAN_S = 0.25
QUEUE_SIZE = 16_384  # messages
MAX_PORTS = 128
MAX_MESSAGE = 1024  # bytes
# rtmidi's JACK ring holds 16 KiB, and writing to a full one blocks for ever if the server has died. At this limit,
# which is several times the rate of a MIDI cable, it can't fill before the end of the server is noticed.
MAX_BYTES_PER_SCAN = 8192 - 1024
MAX_OUTGOING = 4096  # messages

PortKey = tuple[str, str]  # direction ("in" or "out") and name


@dataclass
class Port:
    """A port that is open; the name of the virtual one is empty."""

    name: str
    index: int
    client: Any
    timestamps: Timestamps = field(default_factory=Timestamps)


@dataclass
class Wanted:
    """Parts of port names to open, in one direction."""

    direction: str
    names: tuple[str, ...]
    missing: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)


class PortOwner:
    """Owns the MIDI ports.

    Parameters
    ----------
    order
        JSON of the host: `inputs`, `outputs`, `backend`, `virtual` and `client`, as for `client.Ports`.
    emit
        Writes frames to the host.
    """

    def __init__(self, order: dict[str, Any], emit: Callable[[bytes], None]) -> None:
        self._rtmidi = rtmidi()
        self._emit = emit
        self._client_name: str = order["client"]
        self._api = api_number(order["backend"])
        self._virtual: bool = order["virtual"]
        self._wanted = [Wanted("in", tuple(order["inputs"])), Wanted("out", tuple(order["outputs"]))]
        self._ports: dict[PortKey, Port] = {}
        self._indices: dict[PortKey, int] = {}
        self._probes: dict[str, Any] = {}
        self._sent_state: bytes = b""
        self._outgoing: collections.deque[tuple[int, bytes]] = collections.deque(maxlen=MAX_OUTGOING)
        self._bytes_left = 0

    def open(self) -> None:
        """Open the virtual ports, and a client that lists the others.

        Errors of rtmidi are raised if the system has no MIDI.
        """
        for direction in ("in", "out"):
            client = self._new_client(direction)
            if self._virtual and self._api != self._rtmidi.API_WINDOWS_MM:
                try:
                    client.open_virtual_port(direction)
                    self._ports[direction, ""] = Port("", self._index((direction, "")), client)
                except (self._rtmidi.RtMidiError, NotImplementedError, SystemError):
                    pass
            self._probes[direction] = client

    def run(self, ended: threading.Event) -> None:
        """Transfer messages until an event is set."""
        next_scan = busy_until = 0.0
        while not ended.is_set():
            now = time.monotonic()
            if now >= next_scan:
                self._scan()
                next_scan = now + SCAN_S
            received = self._receive()
            self._send()
            if received:
                busy_until = now + BUSY_S
            else:
                time.sleep(BUSY_POLL_S if now < busy_until else POLL_S)

    def close(self) -> None:
        """Close all clients; a JACK server may not survive clients that end without closing."""
        clients = [*(port.client for port in self._ports.values()), *self._probes.values()]
        for client in {id(one): one for one in clients}.values():
            client.delete()
        self._ports.clear()
        self._probes.clear()

    def send(self, port: int, message: bytes) -> None:
        """Queue a message for an output; may be called from any thread."""
        self._outgoing.append((port, message))

    def _new_client(self, direction: str) -> Any:
        module = self._rtmidi
        if direction == "out":
            suffix = "-out" if self._api == module.API_UNIX_JACK else ""
            return module.MidiOut(self._api, name=f"{self._client_name}{suffix}")
        client = module.MidiIn(self._api, name=self._client_name, queue_size_limit=QUEUE_SIZE)
        client.ignore_types(sysex=True, timing=False, active_sense=True)
        return client

    def _index(self, key: PortKey) -> int:
        if key not in self._indices:
            self._indices[key] = len(self._indices) % MAX_PORTS
        return self._indices[key]

    def _scan(self) -> None:
        """Open ports that have appeared, close those that have gone, and report changes to the host."""
        self._bytes_left = MAX_BYTES_PER_SCAN
        available: dict[str, list[str]] = {}
        for wanted in self._wanted:
            names = [stable_name(name) for name in self._probes[wanted.direction].get_ports()]
            available[wanted.direction] = [name for name in names if not self._is_ours(name)]
            for key in list(self._ports):
                if key[0] == wanted.direction and key[1] and key[1] not in names:
                    self._ports.pop(key).client.delete()
            for number, name in enumerate(names):
                key = (wanted.direction, name)
                if key not in self._ports and not self._is_ours(name) and matches(wanted.names, name):
                    self._open_port(key, number)
            self._notify_changes(wanted)
        self._send_state(available)

    def _is_ours(self, name: str) -> bool:
        return name.startswith((f"{self._client_name}:", f"{self._client_name}-"))

    def _open_port(self, key: PortKey, number: int) -> None:
        if len(self._ports) >= MAX_PORTS:
            return
        direction, name = key
        client = self._new_client(direction)
        try:
            client.open_port(number, name=f"{direction} {name}".replace(":", " ")[:60])
        except (self._rtmidi.RtMidiError, SystemError, ValueError):
            client.delete()  # just gone, or in use by another program; the next scan tries again
            return
        self._ports[key] = Port(name, self._index(key), client)

    def _notify_changes(self, wanted: Wanted) -> None:
        """Report once that a named port is missing, and once that it is connected again."""
        opened = [name for direction, name in self._ports if direction == wanted.direction and name]
        kind = {"in": "input", "out": "output"}[wanted.direction]
        for part in wanted.names:
            if part == EVERYTHING:
                continue
            if any(matches((part,), name) for name in opened):
                if part in wanted.missing:
                    wanted.missing.discard(part)
                    self._notify(f"The MIDI {kind} '{part}' is connected.")
                wanted.found.add(part)
            elif part not in wanted.missing:
                wanted.missing.add(part)
                state = "was disconnected" if part in wanted.found else "is missing"
                self._notify(f"The MIDI {kind} '{part}' {state}; it is opened when it appears.")

    def _notify(self, sentence: str) -> None:
        self._emit(pack(NOTIFY, 0, sentence.encode()))

    def _send_state(self, available: dict[str, list[str]]) -> None:
        state = {
            "backend": self._rtmidi.get_api_display_name(self._api),
            "open": [
                {"direction": direction, "name": port.name, "index": port.index}
                for (direction, _), port in self._ports.items()
            ],
            "available": {direction: names[:MAX_PORTS] for direction, names in available.items()},
        }
        data = json.dumps(state).encode()
        if data != self._sent_state:
            self._sent_state = data
            self._emit(pack(PORTS, 0, data))

    def _receive(self) -> bool:
        """Transfer the messages of all inputs to the host, oldest first; return whether there were any."""
        received: list[tuple[float, int, bytes]] = []
        for (direction, _), port in self._ports.items():
            if direction == "in":
                self._read(port, received)
        if not received:
            return False
        received.sort(key=lambda one: one[0])
        self._emit(b"".join([pack(MESSAGE, index, message, at) for at, index, message in received]))
        return True

    def _read(self, port: Port, received: list[tuple[float, int, bytes]]) -> None:
        get = port.client.get_message
        count = 0
        while count < QUEUE_SIZE and (got := get()) is not None:
            message, delta = got
            count += 1
            at = port.timestamps.next(delta, time.time())
            if len(message) <= MAX_MESSAGE:
                received.append((at, port.index, bytes(message)))
        if count >= QUEUE_SIZE - 1:
            self._emit(pack(LOST, port.index, b""))

    def _send(self) -> None:
        while self._outgoing and self._bytes_left > 0:
            index, message = self._outgoing.popleft()
            self._bytes_left -= len(message) + 4
            for (direction, _), port in list(self._ports.items()):
                if direction == "out" and index in (EVERY_PORT, port.index):
                    with contextlib.suppress(self._rtmidi.RtMidiError, SystemError, ValueError):
                        port.client.send_message(message)
