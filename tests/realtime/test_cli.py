"""`glitch-live` as a player types it: what it says, how it ends, what it leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
import soundfile as sf

from export.format.card import KEY, to_json
from export.format.io import load
from realtime.ipc.segment_registry import registry_folder
from tests.eventually import eventually

pytestmark = pytest.mark.plays

NO_SCREEN = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}


def glitch_live(*arguments: str | Path, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "realtime.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=NO_SCREEN)


class Playing:
    """A `glitch-live` that plays, from its greeting on."""

    def __init__(self, *arguments: str | Path, before: Sequence[str] = ()) -> None:
        command = [*before, sys.executable, "-m", "realtime.cli", "--device", "null", "--osc-port", "0"]
        command += map(str, arguments)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=NO_SCREEN)
        assert self.process.stdout is not None
        self.greeting = self.process.stdout.readline()
        found = re.search(r"OSC on 127\.0\.0\.1:(\d+)", self.greeting)
        assert found, self.greeting
        self.port = int(found[1])
        self.family = [self.process.pid, *(c.pid for c in psutil.Process(self.process.pid).children(recursive=True))]

    def segments(self) -> list[str]:
        notes = list(registry_folder().glob(f"{self.process.pid}-*"))
        return [name for note in notes for name in note.read_text().split()]

    def left(self) -> list[int]:
        """Give those of the family that have not ended."""
        alive = [pid for pid in self.family if psutil.pid_exists(pid)]
        return [pid for pid in alive if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def test_it_plays_for_as_long_as_asked_and_records_it(tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    done = glitch_live("--device", "null", "--seconds", "3", "--record", out, "--osc-port", "0")
    assert done.returncode == 0, done.stderr
    assert "null device" in done.stdout
    assert "There is no screen here" in done.stdout
    audio, rate = sf.read(out)
    assert len(audio) / rate == pytest.approx(3.0, abs=0.1)
    assert np.isfinite(audio).all()
    assert np.abs(audio).max() <= 1.0
    assert 20 * np.log10(np.sqrt(np.mean(audio**2))) > -35


def contradictory(folder: Path, models: dict[str, Path]) -> Path:
    model, card = load(models["level"])
    data = json.loads(to_json(card))
    data["methods"]["decode"]["channels"] = 2
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: json.dumps(data)})
    (folder / "contradictory.onnx").write_bytes(model.SerializeToString())
    return folder / "contradictory.onnx"


def bare(folder: Path, models: dict[str, Path]) -> Path:
    model, _ = load(models["level"])
    del model.metadata_props[:]
    onnx.save(model, folder / "bare.onnx")
    return folder / "bare.onnx"


def picture(folder: Path, _models: dict[str, Path]) -> Path:
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    return folder / "picture.png"


def missing(folder: Path, _models: dict[str, Path]) -> Path:
    return folder / "missing.onnx"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (missing, "There is no file .*missing.onnx"),
        (picture, "picture.png is not an ONNX file"),
        (bare, "without the metadata 'glitch'.*glitch-lab export"),
        (contradictory, r"the output decode.output has the shape \[1, 1, \*\], but the card says \[1, 2, \* or 128\]"),
    ],
)
@pytest.mark.parametrize("mode", [[], ["--check"], ["--list-params"]])
def test_a_bad_model_is_refused_in_one_sentence(
    tmp_path: Path,
    models: dict[str, Path],
    make: Callable[[Path, dict[str, Path]], Path],
    says: str,
    mode: list[str],
) -> None:
    done = glitch_live("--model", make(tmp_path, models), "--device", "null", *mode)
    assert_one_sentence(done, says)


def test_a_bad_setting_is_refused_in_one_sentence(tmp_path: Path, models: dict[str, Path]) -> None:
    model: list[str | Path] = ["--model", models["level"], "--headless"]
    assert_one_sentence(
        glitch_live(*model, "--device", "no such device"), "'no such device' is not an output device here"
    )
    assert_one_sentence(
        glitch_live(*model, "--device", "null", "--latency", "soon"), "--latency is low, high or seconds"
    )
    assert_one_sentence(glitch_live(*model, "--device", "null", "--record", tmp_path / "x.mp9"), "Cannot record to")
    assert_one_sentence(
        glitch_live(*model, "--device", "null", "--osc-host", "203.0.113.9"), "OSC cannot listen on 203.0.113"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = glitch_live(*model, "--device", "null", "--osc-port", str(port))
    assert_one_sentence(done, f"OSC cannot listen on 127.0.0.1:{port}.*--osc-port")
    done = glitch_live(*model, "--device", "null", "--osc-port", str(port), "--query-port", str(port))
    assert_one_sentence(done, f"OSC and OSCQuery cannot share port {port}")


def test_an_option_out_of_range_names_the_range() -> None:
    done = glitch_live("--samplerate", "3")
    assert done.returncode == 2
    assert "8000" in done.stderr


def assert_one_sentence(done: subprocess.CompletedProcess[str], says: str) -> None:
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert re.search(says, lines[0]), lines[0]
    assert lines[0].startswith("glitch-live: ")


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = glitch_live("--model", tmp_path / "missing.onnx", "--debug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_it_ends_cleanly_when_asked(name: str, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    playing = Playing("--headless", "--record", out)
    segments = playing.segments()
    assert len(segments) == 2
    eventually(lambda: out.exists() and out.stat().st_size > 100_000)
    playing.process.send_signal(getattr(signal, name))
    assert playing.process.wait(30) == 0
    eventually(lambda: not playing.left())
    assert playing.segments() == []
    assert not any(Path("/dev/shm", segment).exists() for segment in segments)
    audio, _ = sf.read(out)
    assert len(audio) > 10_000
    assert np.abs(audio[-32:]).max() < 0.01, "it ended with a click"


@pytest.mark.skipif(sys.platform == "win32", reason="nohup is POSIX")
def test_under_nohup_it_plays_on_when_the_terminal_closes() -> None:
    playing = Playing("--headless", before=["nohup"])
    playing.process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        playing.process.wait(0.5)
    playing.process.terminate()
    assert playing.process.wait(30) == 0


def test_started_in_the_background_by_a_script_it_ends_on_sigint() -> None:
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    playing = Playing("--headless", before=[sys.executable, "-c", ignoring])
    playing.process.send_signal(signal.SIGINT)
    assert playing.process.wait(30) == 0


def test_a_kill_leaves_no_orphan_and_the_next_start_removes_its_shared_memory(models: dict[str, Path]) -> None:
    playing = Playing("--headless")
    segments = playing.segments()
    playing.process.kill()
    playing.process.wait()
    eventually(lambda: not playing.left())
    done = glitch_live(
        "--model", models["level"], "--device", "null", "--headless", "--seconds", "0.2", "--osc-port", "0"
    )
    assert done.returncode == 0, done.stderr
    assert not any(Path("/dev/shm", segment).exists() for segment in segments)
    assert playing.segments() == []


def test_lists_and_version() -> None:
    parameters = glitch_live("--list-params").stdout
    for address in ("/latent/8", "/instrument", "/pitch", "/loudness", "/walk/seed", "/panic"):
        assert address in parameters
    assert re.fullmatch(r"glitch-live \d+\.\d+\.\d+\n", glitch_live("--version").stdout)
    listed = glitch_live("--list-devices")
    assert listed.returncode == 0
    assert "null" in listed.stdout


def test_check_says_in_one_sentence_whether_the_model_is_fast_enough() -> None:
    done = glitch_live("--check", "--seconds", "1")
    assert re.search(
        r"orchestra.onnx (holds|is at risk|does not hold) on this machine: a hop costs [\d.]+ ms \(p99.9 [\d.]+, "
        r"worst [\d.]+\) of the 2.67 ms it may take"
        r"(; (play it with --blocksize \d+|use a smaller .+)|, so slow hops reach \d+ % of the deadline; close .+)\.$",
        done.stdout.strip(),
    )
    assert done.returncode == (0 if " holds on " in done.stdout else 1)
