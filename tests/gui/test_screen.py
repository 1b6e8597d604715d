"""The window as a process of its own on a virtual screen, with a real mouse and real keys."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from realtime.ipc.segments import Segment
from tests.eventually import eventually
from tests.gui.display import Screen
from tests.gui.fake_host import FakeHost, tone
from tests.reference import level_model, tone_model

pytestmark = pytest.mark.plays


class OpenedModel:
    """A window as opened by the host, which has the other end of its standard input."""

    def __init__(self, segment: str, screen: Screen) -> None:
        self._command = [sys.executable, "-m", "tests.gui.probe", segment]
        self._screen = screen

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            self._command, env=self._screen.environment, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )
        assert self.process.stdout is not None
        self.places: dict[str, Any] = json.loads(self.process.stdout.readline())
        self._screen.do("windowfocus", self.places["id"])  # there is no window manager to do it
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def handle(self, address: str) -> tuple[int, int]:
        x, y = self.places["handles"][address]
        return x, y


@pytest.fixture(scope="module")
def screen() -> Iterator[Screen]:
    with Screen() as screen:
        yield screen


def test_a_drag_with_a_real_mouse_arrives_at_the_host(screen: Screen, fake_host: FakeHost) -> None:
    with OpenedModel(fake_host.name, screen) as window:
        x, y = window.handle("/latent/3")
        screen.drag((x, y), (x + 3, y - 40))
        assert fake_host.wait_for(lambda: len(fake_host.values_of("/latent/3")) > 3)
        assert fake_host.wait_for(lambda: fake_host.value("/latent/3") > 1)
        assert {address for address, _ in fake_host.received} == {"/latent/3"}
        sent = fake_host.values_of("/latent/3")
        assert sent == sorted(sent), "the handle went up, and only up"


def test_real_keys_reach_the_window(screen: Screen, fake_host: FakeHost) -> None:
    with OpenedModel(fake_host.name, screen) as window:
        screen.do("key", "Escape")
        assert fake_host.wait_for(lambda: bool(fake_host.values_of("/panic")))
        screen.do("key", "m")
        assert fake_host.wait_for(lambda: fake_host.values_of("/mute") == [1.0])
        screen.do("mousemove", *window.handle("/latent/2"), "click", "4")
        assert fake_host.wait_for(lambda: fake_host.values_of("/latent/2") == [pytest.approx(0.12)])
        screen.do("key", "question")  # the page of keys takes the click that follows, and nothing else does
        x, y, width, height = window.places["parts"]["panic"]
        screen.do("mousemove", x + width // 2, y + height // 2, "click", "1")
        screen.do("key", "q")
        assert window.process.wait(10) == 0
        assert len(fake_host.values_of("/panic")) == 1


@pytest.mark.parametrize("end", ["pipe", "stopping", "interrupt"])
def test_the_window_ends_with_its_host(screen: Screen, fake_host: FakeHost, end: str) -> None:
    with OpenedModel(fake_host.name, screen) as window:
        process = window.process
        assert process.stdin is not None
        if end == "interrupt":  # Ctrl-C is for the host, whose end is the window's
            process.send_signal(signal.SIGINT)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.3)
        if end == "stopping":
            fake_host.stream["stopping"] = 1
        else:
            process.stdin.close()
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_killed_window_leaves_shared_memory_intact(screen: Screen, fake_host: FakeHost) -> None:
    before = fake_host.segment["history"].copy()
    with OpenedModel(fake_host.name, screen) as window:
        fake_host.play(tone(1000, 0.5))
        os.kill(window.process.pid, signal.SIGKILL)
        window.process.wait(10)
    with Segment.attach(fake_host.name) as segment:
        assert segment["stream"]["clock"][0] == 24_000
    assert (fake_host.segment["history"][24_000:] == before[24_000:]).all()


# With the real host


def history_of(session: Any) -> np.ndarray:
    """The last second of output, mono."""
    clock, history = int(session.segment["stream"]["clock"][0]), session.segment["history"]
    return history[np.arange(max(clock - 48_000, 0), clock) % len(history)].mean(axis=1)


def test_a_drag_on_a_latent_changes_the_sound_of_the_host(screen: Screen, tmp_path: Path) -> None:
    from realtime import Session

    model = level_model(tmp_path / "level.onnx", latents=8)
    with Session(model, device="null", osc=("127.0.0.1", 0)) as session:
        session.set("/walk/radius", 0)
        with OpenedModel(session.segment.name, screen) as window:
            eventually(lambda: float(np.abs(history_of(session)[-2400:]).max()) < 1e-3)
            x, y = window.handle("/latent/1")
            screen.drag((x, y), (x, y - 40))
            eventually(lambda: session.get("/latent/1") > 1)
            # The audio is a tenth of the latent; the mixer's filter takes what is constant away, a step remains.
            eventually(lambda: float(np.abs(history_of(session)).max()) > 0.05)
            eventually(lambda: abs(session.latents[0] - session.get("/latent/1")) < 0.05)


def test_killing_the_window_changes_no_sample(screen: Screen, tmp_path: Path) -> None:
    import soundfile

    from realtime import Session

    model = tone_model(tmp_path / "tone.onnx")

    def play(name: str, *, with_window: bool) -> np.ndarray | None:
        """Record two seconds; None if there were underruns, with or without a window."""
        path = tmp_path / name
        with Session(model, device="null", osc=("127.0.0.1", 0), seed=7, record=path, seconds=2.0) as session:
            session.set("/ahead", 16_384)  # other programs may run beside this test
            if with_window:
                with OpenedModel(session.segment.name, screen) as window:
                    os.kill(window.process.pid, signal.SIGKILL)
                    window.process.wait(10)
            eventually(lambda: not session.playing)
            underruns = session.status().underruns
        sound, _ = soundfile.read(path, dtype="float32", always_2d=True)
        return None if underruns else sound[np.flatnonzero(np.abs(sound).max(axis=1))[0] :]

    for attempt in range(4):
        alone, watched = play(f"alone{attempt}.wav", with_window=False), play(f"w{attempt}.wav", with_window=True)
        if alone is not None and watched is not None:
            break
    assert alone is not None, "no two seconds without an underrun, and no window either"
    assert watched is not None, "with a window there is always an underrun"
    count = min(len(alone), len(watched)) - 4800  # a timed recording ends with a fade, begun when the host gets to it
    assert count > 1.5 * 48_000
    assert (alone[:count] == watched[:count]).all()
