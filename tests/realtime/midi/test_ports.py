"""Ports on a real MIDI system, JACK: opened by name, unplugged and replugged; servers and processes killed."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from realtime.midi import Mapping, Midi, MidiError, Source, backends
from realtime.midi.ports.port_client import Ports
from tests.eventually import became, eventually
from tests.jack import JackServer
from tests.realtime.midi.stage import Stage

pytestmark = pytest.mark.plays

ROOT = Path(__file__).parents[3]
PATIENCE_S = 20.0


class Device:
    """A MIDI device that can be plugged in and pulled out."""

    def __init__(self, name: str) -> None:
        self.lines: queue.Queue[str] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.realtime.midi.sender", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        assert self.lines.get(timeout=PATIENCE_S) == "ready"

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.put(line.strip())

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.pull()

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def send(self, *messages: bytes) -> None:
        self.say("send " + " ".join(message.hex() for message in messages))

    def got(self) -> list[str]:
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self.lines.get_nowait())
        return found

    def pull(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def jack(monkeypatch: pytest.MonkeyPatch) -> Iterator[JackServer]:
    with JackServer() as server:
        for key, value in server.environment.items():
            monkeypatch.setenv(key, value)
        yield server
        ended = server._process
    if ended is not None and ended.returncode != 0:
        with server:  # JACK counts a server that crashed as one of its eight until the name is used again
            print("jackd ended with", ended.returncode)


@pytest.fixture
def playing() -> Iterator[Callable[..., tuple[Midi, Stage, list[str]]]]:
    with contextlib.ExitStack() as stack:

        def make(mappings: list[Mapping], **how: object) -> tuple[Midi, Stage, list[str]]:
            stage, notified = Stage(), []  # type: ignore[var-annotated]
            midi = Midi(stage, notify=notified.append, backend="jack", **how)  # type: ignore[arg-type]
            for mapping in mappings:
                midi.map(mapping)
            midi.start()
            stack.callback(midi.close)
            return midi, stage, notified

        yield make


def connected(midi: Midi, name: str) -> bool:
    return became(lambda: any(name in port for port in midi.ports.inputs.values()))


LEVEL = Mapping(Source("cc", 21), "/level", pickup=False)
Playing = Callable[..., tuple[Midi, Stage, list[str]]]


def test_a_running_backend_is_listed(jack: JackServer) -> None:
    assert "jack" in backends()


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(MidiError, match="alsa, jack"):
        Ports((), (), print, backend="carrier pigeon")


def test_a_device_plays_the_stage_and_its_timestamps_are_in_order(jack: JackServer, playing: Playing) -> None:
    began = time.time()
    midi, stage, notified = playing([LEVEL], inputs=["fader"])
    eventually(lambda: notified)
    with Device("Super Faders") as device:
        assert connected(midi, "Super Faders")
        for k in range(128):
            device.send(bytes((0xB0, 21, k)))
        eventually(lambda: stage.get("/level") == 1.0)
        assert stage.set_to("/level") == sorted(stage.set_to("/level"))
        stamps = [at for _, _, at in stage.log]
        assert stamps == sorted(stamps)
        assert began < stamps[0] <= stamps[-1] <= time.time()
    assert notified[0] == "The MIDI input 'fader' is missing; it is opened when it appears."
    assert notified[1] == "The MIDI input 'fader' is connected."


def test_a_device_that_is_replugged_is_opened_again(jack: JackServer, playing: Playing) -> None:
    midi, stage, notified = playing([LEVEL], inputs=["Faders"])
    for value in (100, 50, 10):
        with Device("Faders") as device:
            assert connected(midi, "Faders")
            device.send(bytes((0xB0, 21, value)))
            eventually(lambda value=value: stage.get("/level") == value / 127)  # type: ignore[misc]
        eventually(lambda: not any(midi.ports.inputs.values()))
    assert sum("was disconnected" in one for one in notified) == 3  # once each time, not more
    assert sum("is connected." in one for one in notified) in (2, 3)


def test_all_ports_are_opened_and_mappings_distinguish_them(jack: JackServer, playing: Playing) -> None:
    only = Mapping(Source("cc", 21, port="second"), "/latent/1", pickup=False)
    midi, stage, notified = playing([LEVEL, only])
    with Device("First") as first, Device("Second") as second:
        assert connected(midi, "First")
        assert connected(midi, "Second")
        first.send(b"\xb0\x15\x7f")
        eventually(lambda: stage.get("/level") == 1.0)
        assert stage.times("/latent/1") == 0
        second.send(b"\xb0\x15\x00")
        eventually(lambda: stage.times("/latent/1") == 1)
    assert not notified  # no port was named, so none is missing


def test_other_programs_can_connect_to_the_virtual_port(jack: JackServer, playing: Playing) -> None:
    midi, stage, _ = playing([LEVEL], inputs=[])
    eventually(lambda: midi.ports.inputs and midi.ports.outputs)
    with Device("Keys") as device:
        for pair in (("Keys:out", "glitch-live:in"), ("glitch-live-out:out", "Keys in:in")):
            subprocess.run(["jack_connect", *pair], check=True, capture_output=True)
        device.send(b"\xb0\x15\x7f")
        eventually(lambda: stage.get("/level") == 1.0)
        midi.panic()
        expected = {bytes((0xB0 | k, number, 0)).hex() for k in range(16) for number in (120, 123)}
        received: list[str] = []
        eventually(lambda: expected <= {one.split()[1] for one in read_all(device, received)})


def read_all(device: Device, received: list[str]) -> list[str]:
    """Add the messages that a device received since the last call, and return all of them."""
    received.extend(device.got())
    return received


def test_feedback_sends_changes_from_elsewhere_and_never_echoes_a_control(jack: JackServer, playing: Playing) -> None:
    lamp = Mapping(Source("note", 60, 1), "/mute", mode="toggle")
    midi, stage, _ = playing([LEVEL, lamp], inputs=["Motors:"], outputs=["Motors in"], virtual=False)
    with Device("Motors") as device:
        assert connected(midi, "Motors")
        eventually(lambda: midi.ports.outputs)
        received: list[str] = []
        eventually(lambda: {"got b01500", "got 903c00"} <= set(read_all(device, received)))  # the initial values
        received.clear()
        stage.values["/level"] = 100 / 127
        eventually(lambda: "got b01564" in read_all(device, received))
        received.clear()
        device.send(b"\xb0\x15\x20", b"\x90\x3c\x7f")
        eventually(lambda: "got 903c7f" in read_all(device, received))  # its lamp
        assert stage.get("/level") == 32 / 127
        stage.values["/level"] = 1.0
        eventually(lambda: "got b0157f" in read_all(device, received))
        assert "got b01520" not in received


def test_ports_are_opened_again_after_the_server_died(jack: JackServer, playing: Playing) -> None:
    midi, stage, notified = playing([LEVEL], inputs=["Faders"], outputs=["Faders in"])
    with Device("Faders") as device:
        assert connected(midi, "Faders")
        eventually(lambda: midi.ports.outputs)
        device.send(b"\xb0\x15\x40")
        eventually(lambda: stage.get("/level") == 64 / 127)
    assert jack._process is not None
    jack._process.kill()
    jack._process.wait()
    for _ in range(300):  # more than JACK's ring holds: writing to a dead server must not block
        midi.panic()
    eventually(lambda: not midi.ports.backend)
    assert sum("system has stopped" in one for one in notified) == 1
    jack.__enter__()
    with Device("Faders") as device:
        assert connected(midi, "Faders")
        device.send(b"\xb0\x15\x7f")
        eventually(lambda: stage.get("/level") == 1.0)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_the_port_process_is_restarted_if_killed_and_ends_with_its_host(jack: JackServer, playing: Playing) -> None:
    midi, stage, _ = playing([LEVEL], inputs=["Faders"])
    with Device("Faders") as device:
        assert connected(midi, "Faders")
        owner = midi._ports._process
        assert owner is not None
        os.kill(owner.pid, signal.SIGKILL)
        eventually(lambda: midi._ports._process is not owner)
        eventually(lambda: not midi.ports.backend or midi._ports.restarts)
        assert connected(midi, "Faders")

        def level_after_a_message() -> float:
            device.send(b"\xb0\x15\x7f")
            return stage.get("/level")

        eventually(lambda: level_after_a_message() == 1.0)
        last = midi._ports._process
        midi.close()
        assert last is not None
        assert last.poll() is not None


HOST = """
import sys, time
from realtime.midi import Midi
from tests.realtime.midi.stage import Stage
midi = Midi(Stage(), backend="jack")
midi.start()
while not midi.ports.backend:
    time.sleep(0.01)
print(midi._ports._process.pid, flush=True)
time.sleep(60)
"""


def test_the_port_process_ends_when_its_host_is_killed(jack: JackServer) -> None:
    host = subprocess.Popen([sys.executable, "-c", HOST], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert host.stdout is not None
    owner = psutil.Process(int(host.stdout.readline()))
    host.kill()
    host.wait()
    eventually(lambda: not owner.is_running() or owner.status() == psutil.STATUS_ZOMBIE)


def test_a_flood_arrives_complete_and_blocks_nothing(jack: JackServer, playing: Playing) -> None:
    midi, stage, _ = playing([LEVEL], inputs=["First:", "Second:"])
    with Device("First") as first, Device("Second") as second:
        assert connected(midi, "First")
        assert connected(midi, "Second")
        for device in (first, second):
            device.say("flood 20000")
        for device in (first, second):
            assert device.lines.get(timeout=60) == "flooded"
        eventually(lambda: stage.get("/level") == 1.0)
        eventually(lambda: midi.counts.messages >= 38_000)

        def quiet() -> bool:
            first.send(b"\xb0\x15\x00")  # again and again: JACK may have dropped a cycle with one of them
            return stage.get("/level") == 0.0

        eventually(quiet)


def test_without_a_midi_system_one_sentence_is_shown(monkeypatch: pytest.MonkeyPatch, playing: Playing) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "nowhere")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    midi, _, notified = playing([])
    eventually(lambda: notified)
    assert notified == ["MIDI cannot be opened on this system at present; glitch-live keeps trying."]
    assert midi.ports.backend == ""


def test_the_port_process_imports_nothing_else_of_midi() -> None:
    script = "import sys, realtime.midi.ports.port_process; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    ours = {name for name in modules.split() if name.startswith("realtime.midi.")}
    assert all(name.startswith("realtime.midi.ports") for name in ours)
    assert not {"numpy", "realtime.midi.ports.port_client"} & set(modules.split())
