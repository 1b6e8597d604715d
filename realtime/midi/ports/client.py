"""The host's side of the MIDI ports: keeps the process that owns them running, and hands on what it fetches."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from export.errors import GlitchError
from realtime.ipc.priority import raise_thread_priority
from realtime.midi.ports.framing import EVERY_PORT, LOST, MESSAGE, PORTS, SAY, FrameError, Unpacker, pack

BACKENDS = ("alsa", "jack", "core", "winmm")
RESTART_S, LONGEST_RESTART_S = 0.5, 8.0
BATCHES = 8  # reads of the pipe that may wait for the worker; beyond that the pipe itself waits
READ_BYTES = 1 << 15
OUT_WAITING = 1024


class MidiError(GlitchError):
    """MIDI cannot be used as asked."""


@dataclass(frozen=True)
class Incoming:
    """A message that came in: the bytes, the port, and the unix time."""

    at: float
    port: int
    data: bytes
    lost: bool = False  # no message: the port's queue was full, and messages are missing


@dataclass(frozen=True)
class PortState:
    """What is open and what could be.

    Attributes
    ----------
    backend
        As the system calls it; empty while there is none.
    inputs, outputs
        Names of the open ports by their number; the virtual one's is empty.
    available_inputs, available_outputs
        Names of the ports of other programs and devices.
    """

    backend: str = ""
    inputs: dict[int, str] = field(default_factory=dict)
    outputs: dict[int, str] = field(default_factory=dict)
    available_inputs: tuple[str, ...] = ()
    available_outputs: tuple[str, ...] = ()


def backends() -> list[str]:
    """Name the MIDI backends that work here, the first choice first."""
    done = subprocess.run(
        [sys.executable, "-m", "realtime.midi.ports.process", "--list"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return list(json.loads(done.stdout)) if done.returncode == 0 else []


class Ports:
    """MIDI ports by name, in a process of their own.

    Parameters
    ----------
    inputs, outputs
        Parts of names, in any case; `"*"` is every port there is. What is missing is said and waited for.
    notify
        Takes sentences for the player.
    backend
        One of `BACKENDS`; None takes the system's first that works.
    virtual
        Whether to offer a port of our own to other programs, in and out, where the system can.
    client
        Our name among the ports.

    Raises
    ------
    MidiError
        No such backend.
    """

    def __init__(
        self,
        inputs: Sequence[str],
        outputs: Sequence[str],
        notify: Callable[[str], None],
        *,
        backend: str | None = None,
        virtual: bool = True,
        client: str = "glitch-live",
    ) -> None:
        if backend is not None and backend not in BACKENDS:
            raise MidiError(f"There is no MIDI backend '{backend}'; there are {', '.join(BACKENDS)}.")
        self.state = PortState()
        self.restarts = 0
        self._notify = notify
        order = {"inputs": list(inputs), "outputs": list(outputs), "backend": backend, "virtual": virtual}
        self._order = json.dumps({**order, "client": client})
        self._batches: queue.Queue[list[Incoming]] = queue.Queue(BATCHES)
        self._closing = threading.Event()
        self._last_said: dict[str, bool] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()
        self._outgoing: deque[bytes] = deque(maxlen=OUT_WAITING)
        self._to_send = threading.Semaphore(0)
        self._threads = [
            threading.Thread(target=self._run, name="midi-in", daemon=True),
            threading.Thread(target=self._send_all, name="midi-out", daemon=True),
        ]

    def start(self) -> None:
        """Open what is there."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Close every port."""
        self._closing.set()
        self._to_send.release()
        with self._starting:
            process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                process.stdin.close()
            try:
                process.wait(1.0)
            except subprocess.TimeoutExpired:
                process.kill()
        with contextlib.suppress(queue.Empty):
            while True:  # the reader may wait for room
                self._batches.get_nowait()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(2.0)

    def get(self, timeout_s: float) -> list[Incoming]:
        """Give the messages that have come, oldest first; wait for some if there are none."""
        try:
            batch = self._batches.get(timeout=timeout_s)
        except queue.Empty:
            return []
        with contextlib.suppress(queue.Empty):
            while len(batch) < 4096:
                batch = batch + self._batches.get_nowait()
        return batch

    def send(self, message: bytes, port: int = EVERY_PORT) -> None:
        """Send a message to one output, or to all of them. Never waits; of too much, the oldest is dropped."""
        self._outgoing.append(pack(MESSAGE, port, message))
        self._to_send.release()

    def _send_all(self) -> None:
        while not self._closing.is_set():
            self._to_send.acquire()
            try:
                data = self._outgoing.popleft()
            except IndexError:
                continue
            process = self._process
            if process is not None and process.stdin is not None:
                with contextlib.suppress(OSError, ValueError):
                    process.stdin.write(data)
                    process.stdin.flush()

    def _run(self) -> None:
        """Keep a process running, and read what it says."""
        raise_thread_priority()
        wait_s = RESTART_S
        while not self._closing.is_set():
            with self._starting:
                if self._closing.is_set():
                    return
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "realtime.midi.ports.process", self._order],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,  # drivers write there of servers that don't run
                    start_new_session=sys.platform != "win32",
                )
            self._read(self._process)
            with contextlib.suppress(OSError):
                self._process.kill()
            self._process.wait()
            if self._closing.is_set():
                return
            if self.state.backend:
                self._tell("The MIDI system has gone; its ports are opened again when it comes back.")
                wait_s = RESTART_S
            else:
                self._tell("MIDI does not start here; is python-rtmidi installed?")
                wait_s = min(2 * wait_s, LONGEST_RESTART_S)
            self.state = PortState()
            self.restarts += 1
            self._put([Incoming(time.time(), 0, b"", lost=True)])
            self._closing.wait(wait_s)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        unpacker = Unpacker()
        with contextlib.suppress(OSError, ValueError, FrameError):
            while data := process.stdout.read1(READ_BYTES):  # type: ignore[attr-defined]
                batch = []
                for frame in unpacker.feed(data):
                    if frame.kind in (MESSAGE, LOST):
                        batch.append(Incoming(frame.at, frame.port, frame.payload, frame.kind == LOST))
                    elif frame.kind == PORTS:
                        self.state = _state(json.loads(frame.payload))
                        self._last_said.clear()
                    elif frame.kind == SAY:
                        self._tell(frame.payload.decode("utf-8", "replace"))
                if batch:
                    self._put(batch)

    def _put(self, batch: list[Incoming]) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(queue.Full):
                self._batches.put(batch, timeout=0.1)
                return

    def _tell(self, sentence: str) -> None:
        """Say a sentence, but not again what was said since anything changed."""
        if sentence not in self._last_said:
            self._last_said[sentence] = True
            self._notify(sentence)


def _state(told: dict[str, object]) -> PortState:
    opened = told["open"]
    there = told["there"]
    assert isinstance(opened, list)
    assert isinstance(there, dict)
    return PortState(
        backend=str(told["backend"]),
        inputs={port["index"]: port["name"] for port in opened if port["way"] == "in"},
        outputs={port["index"]: port["name"] for port in opened if port["way"] == "out"},
        available_inputs=tuple(there["in"]),
        available_outputs=tuple(there["out"]),
    )
