"""The host's side of the MIDI ports: keeps the process that owns them running, and exchanges messages with it."""

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
from typing import Any

from realtime.ipc.priority import raise_thread_priority
from realtime.midi.errors import MidiError
from realtime.midi.ports.framing import EVERY_PORT, LOST, MESSAGE, NOTIFY, PORTS, FrameError, Unpacker, pack

BACKENDS = ("alsa", "jack", "core", "winmm")
RESTART_S, MAX_RESTART_S = 0.5, 8.0
MAX_BATCHES = 8  # reads of the pipe that wait to be applied; then the pipe itself fills
MAX_BATCH = 4096  # messages returned at once
READ_BYTES = 1 << 15
MAX_OUTGOING = 1024  # messages
CLOSE_S = 2.0


@dataclass(frozen=True)
class Incoming:
    """A message from an input.

    Attributes
    ----------
    at
        Unix time in seconds.
    port
        Number of the input.
    data
        Bytes of the message.
    lost
        Instead of a message: the port's queue was full or the MIDI system ended, and messages are missing.
    """

    at: float
    port: int
    data: bytes
    lost: bool = False


@dataclass(frozen=True)
class PortState:
    """Open and available ports.

    Attributes
    ----------
    backend
        The back end's name for display; empty while none is open.
    inputs, outputs
        Names of the open ports by their number; the name of a virtual port is empty.
    available_inputs, available_outputs
        Names of the ports of devices and other programs.
    """

    backend: str = ""
    inputs: dict[int, str] = field(default_factory=dict)
    outputs: dict[int, str] = field(default_factory=dict)
    available_inputs: tuple[str, ...] = ()
    available_outputs: tuple[str, ...] = ()


def backends() -> list[str]:
    """Return the names of the back ends that work here, out of `BACKENDS`, the first choice first."""
    done = subprocess.run(
        [sys.executable, "-m", "realtime.midi.ports.port_process", "--list"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return list(json.loads(done.stdout)) if done.returncode == 0 else []


class Ports:
    """MIDI ports by name, in a process of their own that is restarted when it ends.

    Parameters
    ----------
    inputs, outputs
        Parts of port names, in any case; `"*"` for all. Missing ports are opened when they appear.
    notify
        Takes sentences for the player.
    backend
        One of `BACKENDS`; default: the first that works.
    virtual
        Whether to create ports that other programs can connect to, where the system has such ports.
    client
        Name of glitch-live among the ports.

    Attributes
    ----------
    state
        Open and available ports.
    restarts
        How often the process was restarted.

    Raises
    ------
    MidiError
        There is no such backend.
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
        self._batches: queue.Queue[list[Incoming]] = queue.Queue(MAX_BATCHES)
        self._closing = threading.Event()
        self._notified: set[str] = set()  # sentences since the ports changed last
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()
        self._outgoing: deque[bytes] = deque(maxlen=MAX_OUTGOING)
        self._to_send = threading.Semaphore(0)
        self._threads = [
            threading.Thread(target=self._run, name="midi-in", daemon=True),
            threading.Thread(target=self._send_all, name="midi-out", daemon=True),
        ]

    def start(self) -> None:
        """Start the process, which opens the ports."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Close all ports and end the process."""
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
            while True:  # the reader may be waiting for room
                self._batches.get_nowait()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(CLOSE_S)

    def get(self, timeout_s: float) -> list[Incoming]:
        """Return messages that have arrived.

        Parameters
        ----------
        timeout_s
            How long to wait if there are none, in seconds.

        Returns
        -------
        list of Incoming
            Messages, oldest first; empty after the timeout.
        """
        try:
            batch = self._batches.get(timeout=timeout_s)
        except queue.Empty:
            return []
        with contextlib.suppress(queue.Empty):
            while len(batch) < MAX_BATCH:
                batch = batch + self._batches.get_nowait()
        return batch

    def send(self, message: bytes, port: int = EVERY_PORT) -> None:
        """Send a message without waiting; if too many are queued, the oldest is dropped.

        Parameters
        ----------
        message
            Bytes of the message.
        port
            Number of the output; default: all.
        """
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
        """Keep a process running, and read its frames."""
        raise_thread_priority()
        wait_s = RESTART_S
        while not self._closing.is_set():
            with self._starting:
                if self._closing.is_set():
                    return
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "realtime.midi.ports.port_process", self._order],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,  # drivers complain there about servers that aren't running
                    start_new_session=sys.platform != "win32",
                )
            self._read(self._process)
            with contextlib.suppress(OSError):
                self._process.kill()
            self._process.wait()
            if self._closing.is_set():
                return
            if self.state.backend:
                self._notify_once("The MIDI system has stopped; ports are opened again when it returns.")
                wait_s = RESTART_S
            else:
                self._notify_once("MIDI does not start; check that python-rtmidi is installed.")
                wait_s = min(2 * wait_s, MAX_RESTART_S)
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
                        self.state = _port_state(json.loads(frame.payload))
                        self._notified.clear()
                    elif frame.kind == NOTIFY:
                        self._notify_once(frame.payload.decode("utf-8", "replace"))
                if batch:
                    self._put(batch)

    def _put(self, batch: list[Incoming]) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(queue.Full):
                self._batches.put(batch, timeout=0.1)
                return

    def _notify_once(self, sentence: str) -> None:
        """Pass a sentence on, unless it was passed on since the ports changed last."""
        if sentence not in self._notified:
            self._notified.add(sentence)
            self._notify(sentence)


def _port_state(content: dict[str, Any]) -> PortState:
    """Return the ports from the JSON of the process."""
    opened, available = content["open"], content["available"]
    return PortState(
        backend=str(content["backend"]),
        inputs={port["index"]: port["name"] for port in opened if port["direction"] == "in"},
        outputs={port["index"]: port["name"] for port in opened if port["direction"] == "out"},
        available_inputs=tuple(available["in"]),
        available_outputs=tuple(available["out"]),
    )
