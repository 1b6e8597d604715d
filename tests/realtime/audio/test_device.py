"""The device: the choice of its channels, and its disappearance and return."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile as sf

from realtime import Session
from tests import reference
from tests.eventually import eventually
from tests.jack import JackClient, JackServer
from tests.realtime.sessions import wait

pytestmark = pytest.mark.plays


def within(patch: pytest.MonkeyPatch, server: JackServer) -> JackServer:
    """Connect all clients to one server."""
    for name in ("JACK_DEFAULT_SERVER", "JACK_NO_START_SERVER"):
        patch.setenv(name, server.environment[name])
    return server


def children() -> list[str]:
    """Return the command lines of child processes that are still running."""
    found = (" ".join(one.cmdline()) for one in psutil.Process().children(recursive=True))
    return [command for command in found if "-m realtime." in command]


def loud(session: Session) -> Session:
    session.set("/walk/radius", 0)
    session.set("/latent/1", 3)
    return session


def rings(session: Session) -> None:
    """Set a latent that gives a tone, which passes the DC filter."""
    for turn in range(20):
        session.set("/latent/1", 3.0 * (-1) ** turn)
        wait(session, 0.02)


@pytest.mark.parametrize(
    ("there", "chosen", "channels", "sounding"),
    [
        (4, [3, 4], 1, [3, 4]),
        (4, [4, 1], 2, [1, 4]),
        (4, None, 1, [1, 2]),
        (4, None, 8, [1, 2, 3, 4]),
        (2, None, 4, [1, 2]),
        (2, [1], 2, [1]),
        (1, None, 1, [1]),
    ],
)
def test_a_model_plays_on_the_chosen_channels_only(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    there: int,
    chosen: list[int] | None,
    channels: int,
    sounding: list[int],
) -> None:
    model = reference.level_model(tmp_path / "level.onnx", channels=channels)
    with (
        within(monkeypatch, JackServer(block=256, playbacks=there)) as server,
        JackClient(server, "sink", inputs=there) as sink,
        Session(model, outputs=chosen) as session,
    ):
        session.set("/walk/radius", 0)
        session.set("/smoothing", 0)
        opened = max(sounding)
        for channel in range(1, opened + 1):
            server.connect(f"PortAudio:out_{channel - 1}", f"sink:in_{channel}")
        rings(session)
        assert session.device.channels == len(sounding)
    assert [k + 1 for k in range(there) if np.abs(sink.captured[k]).max(initial=0) > 0.05] == sounding
    silent = [k for k in range(there) if k + 1 not in sounding]
    assert not sink.captured[silent].any()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--outputs", "9,10"], "has output channels 1 to 2, not 9."),
        (["--outputs", "0"], "--outputs takes channels counted from 1, separated by commas, such as 3,4, not '0'."),
        (["--outputs", "1,1"], "At most 8 output channels can be chosen, each once, not [1, 1]."),
        (
            ["--input", "default", "--inputs", "x"],
            "--inputs takes channels counted from 1, separated by commas, such as 3,4, not 'x'.",
        ),
        (["--input", "default", "--inputs", "3"], "has input channels 1 to 2, not 3."),
        (["--inputs", "1"], "--inputs chooses channels of a live input; choose one with --input."),
        (["--input", "nothing"], "'nothing' is not an input device here"),
        (["--device", "null", "--input", "nothing"], "'nothing' is not an input device here"),
        (["--device", "null", "--input", "system"], "cannot be used with the null device"),
    ],
)
def test_channels_that_the_device_lacks_are_refused_in_one_sentence(
    models: dict[str, Path], options: list[str], says: str
) -> None:
    with JackServer(block=256) as server:
        done = subprocess.run(
            [sys.executable, "-m", "realtime.cli", "--model", str(models["level"]), "--headless", *options],
            env=server.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("glitch-live: ")
    assert says in lines[0]


def test_sound_and_input_return_with_the_device(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    sine = (0.3 * np.sin(2 * np.pi * 500 * np.arange(48_000) / 48_000)).astype(np.float32)[None]
    server = within(monkeypatch, JackServer())
    with server, Session(models["echo"], input_device="") as session:
        loud(session).set("/input/mix", 0)
        server.kill()
        eventually(lambda: any("is gone; waiting" in note for note in session.notes))
        with server:
            eventually(lambda: session.notes[-1].endswith("is back."))
            with JackClient(server, "source", sine):
                server.connect("source:out_1", "PortAudio:in_0")
                begin = session.clock
                eventually(lambda: _level(session, begin) > 0.25)
            session.close()
            assert children() == []


def test_a_device_that_returns_at_another_rate_is_played_at_that_rate(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = within(monkeypatch, JackServer(rate=48_000, block=64))
    with server, Session(models["tone"], takes=tmp_path, input_device="") as session:
        loud(session)
        for address in ("/record", "/take"):
            session.set(address, 1)
        eventually(lambda: session.status().seconds > 1.0)
        server.kill()
        eventually(lambda: any("is gone; waiting" in note for note in session.notes))
        server.rate, server.block = 44_100, 256
        with server:
            eventually(lambda: any("No take can be made" in note for note in session.notes))
            assert session.sample_rate == session.device.sample_rate == 44_100
            begin = session.clock
            eventually(lambda: _level(session, begin) > 0.3)
            deck = session.player.process.state  # type: ignore[union-attr]
            eventually(lambda: deck["lookahead"] >= 256 and deck["lookahead"] % 256 == 0)  # whole new blocks
            begin = session.clock + 4410
            eventually(lambda: session.clock > begin + 44_100)
            output = _played(session, begin, begin + 44_100)
            assert np.abs(np.fft.rfft(output * np.hanning(44_100))).argmax() == pytest.approx(1000, abs=1)
            assert any("plays at 44100 Hz now" in note for note in session.notes)
            assert any("ended since the device came back at 44100 Hz" in note for note in session.notes)
            assert session.get("/record") == session.get("/take") == 0
            said = session.notes.total
            session.set("/take", 1)
            assert session.notes.total > said
            assert "No take can be made from now on, since the device came back at 44100 Hz" in session.notes[-1]
            assert session.get("/take") == 0
            session.set("/record", 1)
            eventually(lambda: session.get("/record") == 1)
            begin = session.clock
            eventually(lambda: session.clock > begin + 22_050)
            session.set("/record", 0)
            eventually(lambda: "Recorded" in session.notes[-1])
            session.close()
            assert children() == []
    first, second = sorted(tmp_path.glob("*.wav"))
    assert len(list(tmp_path.glob("*.take"))) == 1
    assert (sf.info(first).samplerate, sf.info(second).samplerate) == (48_000, 44_100)
    audio, _ = sf.read(first)
    spectrum = np.abs(np.fft.rfft(audio[-24_000:, 0] * np.hanning(24_000)))
    assert spectrum.argmax() * 2 == pytest.approx(1000, abs=2), "what was recorded has another pitch"


def test_a_device_that_returns_without_its_channels_is_reported(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = within(monkeypatch, JackServer(playbacks=4))
    with server, Session(models["level"], outputs=[3, 4]) as session:
        server.kill()
        eventually(lambda: any("is gone; waiting" in note for note in session.notes))
        server.playbacks = 2
        with server:
            eventually(lambda: session.notes[-1].endswith("has output channels 1 to 2, not 3."))
            server.kill()
        server.playbacks = 4
        with server:
            eventually(lambda: session.notes[-1].endswith("is back."))
            session.close()


def test_a_device_that_returns_without_its_input_plays(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = within(monkeypatch, JackServer(captures=2))
    with server, Session(models["tone"], input_device="") as session:
        server.kill()
        eventually(lambda: any("is gone; waiting" in note for note in session.notes))
        server.captures = 0
        with server:
            eventually(lambda: any("is not there any more" in note for note in session.notes))
            begin = session.clock
            eventually(lambda: _level(session, begin) > 0.3)
            session.close()


def _played(session: Session, begin: int, end: int) -> np.ndarray:
    history = session.segment["history"]
    return history[np.arange(begin, end) % len(history), 0]


def _level(session: Session, begin: int) -> float:
    return float(np.abs(_played(session, max(begin, session.clock - 9600), session.clock)).max(initial=0))
