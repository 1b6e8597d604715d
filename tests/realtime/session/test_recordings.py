"""Recording while it plays: what the files hold, what is refused, and that the sound goes on whatever becomes of it."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from pythonosc.osc_message_builder import OscMessageBuilder

from realtime import Session
from realtime.library.library import Library
from realtime.session.config import SessionOptions
from realtime.session.recordings import make_folder
from realtime.takes.recorder import RecordError
from realtime.takes.renderer import render
from tests.eventually import eventually
from tests.realtime.sessions import output_between
from tests.realtime.signals import NOISE, RATE, without_dc
from tests.realtime.virtual_stage import VirtualStage, listening


def play(stage: VirtualStage, seconds: float) -> None:
    """Let time pass, not faster than a recording can be written."""
    end = stage.clock + seconds * stage.rate
    while stage.clock < end:
        stage.play(0.25)
        eventually(lambda: keeps_up(stage))


def keeps_up(stage: VirtualStage) -> bool:
    recorder = stage.session.recorder
    return recorder is None or recorder.done or recorder.written >= stage.clock - stage.rate


def test_stems_sum_to_the_output_and_the_input_is_recorded_exactly(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("realtime.session.composition.data_folder", lambda: tmp_path)
    with listening(models["echo"], NOISE, mix=0.5) as stage:
        session = stage.session
        session.load("orchestra", letter="b").result()
        session.set("/crossfade", 0.5)
        for address in ("/record/stems", "/record/input", "/record"):
            session.set(address, 1)
        eventually(lambda: session.get("/record") == 1)
        play(stage, 3.0)
        session.set("/record", 0)
        stage.until(lambda: session.get("/record") == 0)
        assert session.segment["stream"][0]["limited"] == 0
    folder = tmp_path / "takes"
    (output,) = (path for path in folder.glob("*.wav") if path.stem.count(".") == 0)
    parts = {
        part: sf.read(output.with_stem(f"{output.stem}.{part}"), always_2d=True)[0] for part in ("a", "b", "input")
    }
    audio, rate = sf.read(output)
    assert rate == RATE
    assert {len(part) for part in parts.values()} == {len(audio)}
    assert np.abs(parts["a"]).max() > 0.05
    assert np.abs(parts["b"]).max() > 0.01
    expected = without_dc((parts["a"] + parts["b"])[:, 0], RATE)
    np.testing.assert_allclose(audio[RATE:, 0], expected[RATE:], atol=1e-5)
    given = parts["input"][:, 0].astype(np.float32)
    (place,) = np.flatnonzero(given[0] == NOISE[0])
    np.testing.assert_array_equal(given, NOISE[0, (place + np.arange(len(given))) % RATE])


@pytest.mark.plays
def test_a_recording_under_a_name_stays_in_its_folder(models: dict[str, Path], tmp_path: Path) -> None:
    takes = tmp_path / "deep" / "takes"  # not there yet
    with Session(models["tone"], device="null", takes=takes, osc=("127.0.0.1", 0)) as session:
        assert session.osc is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            to = ("127.0.0.1", session.osc.port)

            def ask(name: str) -> None:
                builder = OscMessageBuilder("/record/as")
                builder.add_arg(name)
                sender.sendto(builder.build().dgram, to)

            bad = ["../out", "/tmp/out", "a/b", "..", "", "con", "x.mp3", "\x00"]
            for name in bad:
                ask(name)
            eventually(lambda: session.status().osc_bad == len(bad))
            assert session.get("/record") == 0
            ask("aufnahme ä")
            eventually(lambda: session.get("/record") == 1)
        session.set("/record", 1)  # it runs already
        eventually(lambda: any("A recording is running" in note for note in session.notes))
        assert session.get("/record") == 1
        session.set("/record", 0)
        eventually(lambda: session.get("/record") == 0)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["aufnahme ä.wav"]


@pytest.mark.plays
def test_if_no_folder_can_be_made_the_sound_continues_and_recording_shows_off(
    models: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with Session(models["tone"], device="null", takes=tmp_path / "file" / "takes") as session:
        for address in ("/record", "/take"):
            said = session.notes.total
            session.set(address, 1)
            eventually(lambda: session.notes.total > said)  # noqa: B023
            assert "Cannot make the takes folder" in session.notes[-1]
            eventually(lambda: session.get(address) == 0)  # noqa: B023
        begin = session.clock
        eventually(lambda: session.clock > begin + 4800)
        assert session.status().level_db > -20


FULL_DISK = """
import json, resource, signal, sys
from realtime import Session
from realtime.decks.deck_client import wait_for
from realtime.library.library import Library
from realtime.takes.recorder import RecordError
from realtime.takes.renderer import render
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Session(sys.argv[1], device="null", takes=sys.argv[2]) as session:
    assert wait_for(lambda: session.status().level_db > -20, 10)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    session.set("/record", 1)
    assert wait_for(lambda: any("are kept" in note for note in session.notes), 10), session.notes
    assert wait_for(lambda: session.get("/record") == 0, 5), "the knob does not show it"
    clock = session.clock
    assert wait_for(lambda: session.clock > clock + 4800, 5)
    assert session.status().level_db > -20
    print(json.dumps([note for note in session.notes if "are kept" in note]))
"""


@pytest.mark.plays
def test_a_full_disk_ends_the_recording_and_not_the_sound(models: dict[str, Path], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(models["tone"]), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("are kept") == 1
    (path,) = tmp_path.glob("*.wav")
    audio, _ = sf.read(path)
    assert len(audio) > 20_000
    assert np.abs(audio).max() > 0.2


KILLED = """
import sys, time
from realtime import Session
with Session(sys.argv[1], device="null", takes=sys.argv[2]) as session:
    session.set("/walk/radius", 0)
    session.set("/record/stems", 1)
    session.set("/record", 1)
    while session.recorder is None or session.recorder.written < session.began + 72_000:
        time.sleep(0.01)
    print("now", flush=True)
    sys.stdin.read()
"""


@pytest.mark.plays
def test_a_recording_can_be_read_after_the_host_is_killed(models: dict[str, Path], tmp_path: Path) -> None:
    host = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(models["tone"]), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert host.stdout is not None
    assert host.stdout.readline() == "now\n"
    host.kill()
    host.wait()
    found = sorted(tmp_path.glob("*.wav"))
    assert len(found) == 3
    assert all(sf.info(path).duration > 1.0 for path in found)
    assert np.abs(sf.read(found[-1])[0]).max() > 0.2


def test_a_take_with_live_input_and_jumps_is_rendered_exactly(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("realtime.session.composition.data_folder", lambda: tmp_path)
    with listening(models["echo"], NOISE, mix=0.3, amount=1) as stage:
        session, begin = stage.session, stage.clock
        jumps = int(session.deck.state["input_jumps"])
        session.set("/take", 1)
        for ahead in (4000, 2500):
            session.set("/ahead", ahead)
            play(stage, 0.5)
        session.set("/take", 0)
        played = output_between(session, begin, stage.clock)
        stage.until(lambda: any("The take of" in note for note in session.notes))
        assert session.deck.state["input_jumps"] == jumps + 2
    (take,) = (tmp_path / "takes").glob("*.take")
    render(take, tmp_path / "again.wav", library=Library(tmp_path))
    again, _ = sf.read(tmp_path / "again.wav", dtype="float32")
    first = next((k for k in range(8192) if np.array_equal(again[k : k + 64, 0], played[4096:4160])), None)
    assert first is not None, "the output is not in the rendered sound"
    count = min(len(again) - first, len(played) - 4096)
    np.testing.assert_array_equal(again[first : first + count, 0], played[4096 : 4096 + count])


@pytest.mark.plays
def test_a_recording_that_is_ended_by_hand_ends_nothing_else(models: dict[str, Path], tmp_path: Path) -> None:
    first = tmp_path / "first.wav"
    with Session(models["tone"], device="null", takes=tmp_path, record=first, seconds=3) as session:
        session.set("/record", 0)
        eventually(lambda: session.get("/record") == 0)
        assert session.playing
        session.set("/record", 1)
        eventually(lambda: session.get("/record") == 1)
        assert session.playing
        eventually(lambda: not session.playing)
        assert session.status().seconds >= 3
    assert len(list(tmp_path.glob("*.wav"))) == 2
    assert [note.split()[0] for note in session.notes].count("Recorded") == 2


@pytest.mark.plays
def test_a_take_whose_folder_is_gone_is_kept_elsewhere(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("realtime.session.recordings.data_folder", lambda: tmp_path / "home")
    stick = tmp_path / "stick"
    stick.mkdir()
    with Session(models["tone"], device="null", take=stick / "show.take") as session:
        eventually(lambda: session.status().seconds > 0.3)
        stick.rename(tmp_path / "pulled out")
        stick.touch()
    assert any("Cannot make the takes folder" in note for note in session.notes)
    kept = tmp_path / "home" / "takes" / "show.take"
    assert render(kept, tmp_path / "show.wav", library=Library(tmp_path)).seconds > 0


def test_folders_that_take_no_files_are_refused_before_anything_plays(models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="see --takes"):
        make_folder(tmp_path / "file")
    refused: tuple[SessionOptions, ...] = (
        {"device": "null", "take": "/proc/show.take"},
        {"device": "null", "record": "/proc/show.wav"},
    )
    for option in refused:
        with pytest.raises(RecordError, match="Cannot write into the folder /proc: .*; choose another"):
            Session(models["tone"], **option).start()
    with pytest.raises(RecordError, match="ends in .take"):
        Session(models["tone"], device="null", take=tmp_path / "show.txt").start()
