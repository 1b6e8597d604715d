"""The process that owns the MIDI ports: names to ports, messages to a pipe.

A process of its own, because the driver libraries aren't safe company for an audio host: JACK asks its clients for
their messages inside the audio cycle, where an interpreter that is busy elsewhere would hold up the sound of everybody;
when its server dies, its library frees every client of the process behind our backs, and writing to a dead one spins
for ever. Here that costs nothing but this process, and the host starts another. The messages are fetched out of
rtmidi's own queue, which its native thread fills and stamps; Python never runs in that thread.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import ctypes.util
import importlib
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realtime.ipc.priority import raise_thread_priority
from realtime.midi.ports.framing import EVERY_PORT, LOST, MESSAGE, PORTS, SAY, Unpacker, pack
from realtime.midi.ports.timestamps import Stamps

POLL_S = 0.001
EAGER_POLL_S, EAGER_S = 0.00025, 5.0  # while somebody plays, and so long after the last message
SCAN_S = 0.25
RETRY_S = 0.5
LEAVE_S = 0.5
QUEUE = 16_384  # messages a port may be behind
MOST_PORTS = 128
LONGEST_MESSAGE = 1024
# rtmidi's JACK ring takes 16 KiB and then waits until there is room, which a server that died never makes. At several
# times a cable's speed it isn't full before the end of the server is known and this process with it.
OUT_BYTES_A_SCAN = 8192 - 1024
OUT_WAITING = 4096
EVERYTHING = "*"
IGNORED = ("midi through", "through:")
ALSA_NUMBERS = re.compile(r"\s+\d+:\d+$")

_quit = threading.Event()


@dataclass
class Port:
    """A port that is open: rtmidi's object, its place in the frames, and its time line."""

    name: str
    index: int
    client: Any
    stamps: Stamps = field(default_factory=Stamps)


@dataclass
class Wanted:
    """What the player asked for: parts of names, one way."""

    way: str  # "in" or "out"
    names: tuple[str, ...]
    missing: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)


class Owner:
    """Opens what is wanted when it is there, and carries messages both ways."""

    def __init__(self, order: dict[str, Any], emit: Callable[[bytes], None]) -> None:
        self._rtmidi = driver()
        self._emit = emit
        self._client_name: str = order["client"]
        self._api = api_of(order["backend"])
        self._virtual: bool = order["virtual"]
        self._wanted = [Wanted("in", tuple(order["inputs"])), Wanted("out", tuple(order["outputs"]))]
        self._ports: dict[tuple[str, str], Port] = {}
        self._indices: dict[tuple[str, str], int] = {}
        self._probes: dict[str, Any] = {}
        self._told: bytes = b""
        self._outgoing: collections.deque[tuple[int, bytes]] = collections.deque(maxlen=OUT_WAITING)
        self._may_send = 0

    def open(self) -> None:
        """Open the virtual ports, and what lists the others; raises rtmidi's errors where the system has no MIDI."""
        for way in ("in", "out"):
            client = self._client(way)
            if self._virtual and self._api != self._rtmidi.API_WINDOWS_MM:
                try:
                    client.open_virtual_port(way)
                    self._ports[way, ""] = Port("", self._index(way, ""), client)
                except (self._rtmidi.RtMidiError, NotImplementedError, SystemError):
                    pass
            self._probes[way] = client

    def run(self) -> None:
        """Carry until the host ends."""
        next_scan = eager_until = 0.0
        while not _quit.is_set():
            now = time.monotonic()
            if now >= next_scan:
                self._scan()
                next_scan = now + SCAN_S
            moved = self._fetch()
            self._send()
            if moved:
                eager_until = now + EAGER_S
            else:
                time.sleep(EAGER_POLL_S if now < eager_until else POLL_S)

    def close(self) -> None:
        """Take leave of the driver: a JACK server may not survive clients that end without it."""
        for client in {
            id(one): one for one in (*(p.client for p in self._ports.values()), *self._probes.values())
        }.values():
            client.delete()
        self._ports.clear()
        self._probes.clear()

    def take(self, port: int, message: bytes) -> None:
        """Put a message into line for an output; called from the thread that listens to the host."""
        self._outgoing.append((port, message))

    def _client(self, way: str) -> Any:
        rtmidi = self._rtmidi
        jack = self._api == rtmidi.API_UNIX_JACK
        if way == "out":
            return rtmidi.MidiOut(self._api, name=f"{self._client_name}-out" if jack else self._client_name)
        client = rtmidi.MidiIn(self._api, name=self._client_name, queue_size_limit=QUEUE)
        client.ignore_types(sysex=True, timing=False, active_sense=True)
        return client

    def _index(self, way: str, name: str) -> int:
        if (way, name) not in self._indices:
            self._indices[way, name] = len(self._indices) % MOST_PORTS
        return self._indices[way, name]

    def _scan(self) -> None:
        """Open what has come, close what has gone, and tell the host when anything differs."""
        self._may_send = OUT_BYTES_A_SCAN
        there: dict[str, list[str]] = {}
        for wanted in self._wanted:
            names = [plain(name) for name in self._probes[wanted.way].get_ports()]
            there[wanted.way] = [name for name in names if not self._is_ours(name)]
            for key in [key for key in self._ports if key[0] == wanted.way and key[1] and key[1] not in names]:
                self._close(key)
            for number, name in enumerate(names):
                key = (wanted.way, name)
                if key not in self._ports and not self._is_ours(name) and wants(wanted.names, name):
                    self._open(key, number, wanted)
            self._say_what_is_missing(wanted)
        self._tell(there)

    def _is_ours(self, name: str) -> bool:
        return name.startswith((f"{self._client_name}:", f"{self._client_name}-"))

    def _open(self, key: tuple[str, str], number: int, wanted: Wanted) -> None:
        if len(self._ports) >= MOST_PORTS:
            return
        client = self._client(wanted.way)
        try:
            client.open_port(number, name=f"{wanted.way} {key[1]}".replace(":", " ")[:60])
        except (self._rtmidi.RtMidiError, SystemError, ValueError):
            client.delete()  # gone between listing and opening, or taken by another program; the next scan tries again
            return
        self._ports[key] = Port(key[1], self._index(*key), client)

    def _close(self, key: tuple[str, str]) -> None:
        self._ports.pop(key).client.delete()

    def _say_what_is_missing(self, wanted: Wanted) -> None:
        """Say once that a port is missing, and once that it is back."""
        opened = [name for way, name in self._ports if way == wanted.way and name]
        verb = {"in": "input", "out": "output"}[wanted.way]
        for part in wanted.names:
            if part == EVERYTHING:
                continue
            if any(wants((part,), name) for name in opened):
                if part in wanted.missing:
                    wanted.missing.discard(part)
                    self._say(f"The MIDI {verb} '{part}' is there.")
                wanted.found.add(part)
            elif part not in wanted.missing:
                wanted.missing.add(part)
                gone = "has gone" if part in wanted.found else "is not there"
                self._say(f"The MIDI {verb} '{part}' {gone}; it is opened when it comes.")

    def _say(self, sentence: str) -> None:
        self._emit(pack(SAY, 0, sentence.encode()))

    def _tell(self, there: dict[str, list[str]]) -> None:
        state = {
            "backend": self._rtmidi.get_api_display_name(self._api),
            "open": [{"way": way, "name": port.name, "index": port.index} for (way, _), port in self._ports.items()],
            "there": {way: names[:MOST_PORTS] for way, names in there.items()},
        }
        told = json.dumps(state).encode()
        if told != self._told:
            self._told = told
            self._emit(pack(PORTS, 0, told))

    def _fetch(self) -> bool:
        """Hand on what every input holds, oldest first; give whether there was anything."""
        found: list[tuple[float, int, bytes]] = []
        for (way, _), port in self._ports.items():
            if way == "in":
                self._drain(port, found)
        if not found:
            return False
        found.sort(key=lambda one: one[0])
        self._emit(b"".join([pack(MESSAGE, index, message, at) for at, index, message in found]))
        return True

    def _drain(self, port: Port, found: list[tuple[float, int, bytes]]) -> None:
        get = port.client.get_message
        count = 0
        while count < QUEUE and (got := get()) is not None:
            message, delta = got
            count += 1
            at = port.stamps.at(delta, time.time())
            if len(message) <= LONGEST_MESSAGE:
                found.append((at, port.index, bytes(message)))
        if count >= QUEUE - 1:
            self._emit(pack(LOST, port.index, b""))

    def _send(self) -> None:
        while self._outgoing and self._may_send > 0:
            index, message = self._outgoing.popleft()
            self._may_send -= len(message) + 4
            for key, port in list(self._ports.items()):
                if key[0] == "out" and index in (EVERY_PORT, port.index):
                    with contextlib.suppress(self._rtmidi.RtMidiError, SystemError, ValueError):
                        port.client.send_message(message)


def driver() -> Any:
    """rtmidi, which has no types."""
    return importlib.import_module("rtmidi")


def plain(name: str) -> str:
    """A port's name without the numbers that ALSA gives it anew at each start."""
    return ALSA_NUMBERS.sub("", name)


def wants(parts: tuple[str, ...], name: str) -> bool:
    """Whether a port's name is one of those asked for."""
    low = name.casefold()
    if any(part != EVERYTHING and part.casefold() in low for part in parts):
        return True
    return EVERYTHING in parts and not any(word in low for word in IGNORED)


def api_of(name: str) -> int:
    """Give rtmidi's number of a backend by its name."""
    rtmidi = driver()
    return next(api for api in rtmidi.get_compiled_api() if rtmidi.get_api_name(api).casefold() == name)


def working_backends() -> list[str]:
    """Name the backends that open here, the system's first choice first."""
    rtmidi = driver()
    working = []
    for api in rtmidi.get_compiled_api():
        try:
            client = rtmidi.MidiOut(api, name="glitch-live-probe")
        except (rtmidi.RtMidiError, SystemError):
            continue
        client.delete()
        working.append(rtmidi.get_api_name(api).casefold())
    return working


def when_jack_ends(client_name: str, call: Callable[[], None]) -> Callable[[], None]:
    """Have `call` called when the JACK server ends, which rtmidi doesn't tell; give what ends the watch."""
    beside = Path(driver().__file__).parent.parent / "python_rtmidi.libs"  # where wheels carry their own
    path = ctypes.util.find_library("jack") or next(map(str, beside.glob("libjack*")), None)
    if path is None:
        return lambda: None
    try:
        jack = ctypes.CDLL(path)
        jack.jack_client_open.restype = ctypes.c_void_p
        jack.jack_client_open.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
        told = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: call())
        no_start_server = 1
        client = jack.jack_client_open(f"{client_name}-watch".encode(), no_start_server, None)
        if not client:
            return lambda: None
        jack.jack_on_shutdown.argtypes = [ctypes.c_void_p, type(told), ctypes.c_void_p]
        jack.jack_on_shutdown(client, told, None)
        jack.jack_client_close.argtypes = [ctypes.c_void_p]
    except (OSError, AttributeError):
        return lambda: None

    def end() -> None:
        jack.jack_client_close(client)
        del told_kept[:]

    told_kept = [told]  # JACK's library calls it as long as the client lives
    return end


def listen(owner: Owner, rest: Unpacker) -> None:
    """Take the host's messages until its pipe ends; then this process ends."""
    with contextlib.suppress(OSError):
        while data := os.read(0, 1 << 16):
            for frame in rest.feed(data):
                owner.take(frame.port, frame.payload)
    _quit.set()
    time.sleep(LEAVE_S)
    os._exit(0)  # the main thread is held by a driver


def emit(data: bytes) -> None:
    """Write all of it to the host, however long that takes: until then, rtmidi's own queues hold what comes."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(1, view) :]
    except OSError:
        os._exit(0)


def main() -> None:
    """Do as the host says in the argument, in JSON; `--list` only names the backends that work."""
    if sys.argv[1] == "--list":
        print(json.dumps(working_backends()))
        return
    order = json.loads(sys.argv[1])
    raise_thread_priority()
    chosen = order["backend"] or next(iter(working_backends()), None)
    owner = None
    said = False
    while owner is None:
        try:
            if chosen is None:
                raise LookupError
            owner = Owner({**order, "backend": chosen}, emit)
            owner.open()
        except Exception:  # whatever a driver makes of a server that isn't there
            owner = None
            if not said:
                emit(pack(SAY, 0, b"MIDI cannot be opened on this system now; it is tried again until it can."))
                said = True
            _wait_for_host(RETRY_S)
            chosen = order["backend"] or next(iter(working_backends()), None)
    threading.Thread(target=listen, args=(owner, Unpacker()), daemon=True).start()
    end_watch = when_jack_ends(order["client"], lambda: os._exit(3)) if chosen == "jack" else lambda: None
    owner.run()
    end_watch()
    owner.close()
    os._exit(0)


def _wait_for_host(seconds: float) -> None:
    """Wait, and end when the host has."""
    if sys.platform == "win32":
        time.sleep(seconds)
        return
    import select

    readable, _, _ = select.select([0], [], [], seconds)
    if readable and not os.read(0, 1 << 16):
        os._exit(0)


if __name__ == "__main__":
    main()
