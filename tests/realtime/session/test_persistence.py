"""A session that comes back: from its file, whatever became of the program and of the models meanwhile."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Unpack

import numpy as np
import pytest

from realtime import Session
from realtime.ipc.memory_layout import RESTORE
from realtime.session.config import SessionOptions
from realtime.session.session_file.document import DeckEntry, SessionFile
from realtime.session.session_file.file_io import read, write
from realtime.session.session_file.model_search import sha256
from realtime.snapshots.recall_exclusions import Rule
from tests import reference
from tests.eventually import eventually
from tests.realtime.session.test_recall import done, values
from tests.realtime.sessions import played_latents as played
from tests.realtime.test_cli import Playing, glitch_live

pytestmark = pytest.mark.plays

STOOD = {
    "/gain": -6.0,
    "/crossfade": 0.25,
    "/tempo": 90.0,
    "/snapshot/time": 20.0,
    "/a/walk/radius": 0.0,
    "/a/latent/1": 2.0,
    "/a/latent/2/bias": 0.5,
    "/b/walk/radius": 0.0,
    "/b/latent/1": -1.5,
    "/focus": 1.0,
}

Open = Callable[..., Session]


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    (tmp_path / "shelf").mkdir()
    reference.level_model(tmp_path / "shelf" / "level.onnx")
    reference.level_model(tmp_path / "shelf" / "wide.onnx", latents=6)
    return tmp_path / "shelf"


@pytest.fixture
def show(tmp_path: Path) -> Path:
    return tmp_path / "show.json"


@pytest.fixture
def opened(shelf: Path, show: Path) -> Open:
    def make(model: Path | None = None, **settings: Unpack[SessionOptions]) -> Session:
        settings |= {"device": "null", "library": shelf, "session": show}
        return Session(model, **settings)

    return make


def prepare(session: Session) -> None:
    """Play two models, turn this and that, and save."""
    session.load("wide", letter="b").result(60)
    for letter in "ab":
        session.set(f"/{letter}/walk/radius", 0)
    session.recall.save("rest", 3)
    for address, value in STOOD.items():
        session.set(address, value)
    session.recall.save("verse", 7)
    session.recall.snapshots.set_corners("rest", "verse")
    session.recall.snapshots.exclude("/tempo")


def is_back(session: Session) -> bool:
    decks = [player.model.stem for player in session.parts.rack.players.values() if player.model is not None]
    there = decks == ["level", "wide"] and session.parts.rack.players["b"].process is not None
    return there and "/b/latent/6" in session.addresses and values(session, *STOOD) == list(STOOD.values())


def test_everything_round_trips(opened: Open, shelf: Path, show: Path) -> None:
    assert not show.exists()
    with opened(shelf / "level.onnx") as session:
        prepare(session)
        eventually(show.exists)
    states = sorted(show.with_name("show.json.states").iterdir())
    assert len(states) == len({deck.state for one in read(show).snapshots for deck in one.decks.values()})

    with opened() as session:
        eventually(lambda: is_back(session))
        eventually(lambda: (played(session, "a")[0], played(session, "b")[0]) == (2.0, -1.5))
        assert not session.notes
        snapshots = session.recall.snapshots
        assert [(one.number, one.name) for one in snapshots] == [(3, "rest"), (7, "verse")]
        assert [one.name for one in snapshots.corners] == ["rest", "verse"]
        assert snapshots.rules == (Rule("/tempo"),)
        session.recall.recall("rest", 0)
        eventually(lambda: done(session, "a", RESTORE) and done(session, "b", RESTORE))
        eventually(lambda: played(session, "a")[0] == played(session, "b")[0] == 0.0)
        assert session.get("/tempo") == 90.0
        snapshots.delete("verse")
        session.parts.signals.touched.emit()
    kept = {f"{deck.state}.state" for deck in read(show).snapshots[0].decks.values()}

    with opened() as session:  # what no snapshot speaks of any more is not kept for ever
        eventually(lambda: {path.name for path in show.with_name("show.json.states").iterdir()} == kept)
        assert show.with_name("show.json~").exists()


def test_a_state_that_is_saved_at_the_very_end_is_in_the_file(opened: Open, shelf: Path, show: Path) -> None:
    with opened(shelf / "level.onnx") as session:
        session.recall.save("end")
    (snapshot,) = read(show).snapshots
    assert (show.with_name("show.json.states") / f"{snapshot.decks['a'].state}.state").exists()


def test_missing_states_are_reported_and_the_values_are_recalled(opened: Open, shelf: Path, show: Path) -> None:
    with opened(shelf / "level.onnx") as session:
        session.set("/walk/radius", 0)
        session.set("/latent/1", 2.0)
        session.recall.save("verse")
        session.set("/latent/1", 0.0)
    shutil.rmtree(show.with_name("show.json.states"))
    with opened() as session:
        assert any("its values are recalled without it" in note for note in session.notes)
        session.recall.recall("verse")
        eventually(lambda: played(session, "a")[0] == 2.0)


HOST = """
import sys, time
from pathlib import Path
from tests.realtime.session.test_persistence import prepare
from realtime import Session
shelf, show = map(Path, sys.argv[1:])
with Session(shelf / "level.onnx", device="null", library=shelf, session=show) as session:
    prepare(session)
    print("prepared", flush=True)
    k = 0
    while True:
        session.set("/b/latent/2", (k := k + 1) % 5)
        session.recall.save("on and on")
        time.sleep(0.01)
"""


def test_a_killed_session_is_restored_from_its_file(opened: Open, shelf: Path, show: Path) -> None:
    host = subprocess.Popen([sys.executable, "-c", HOST, str(shelf), str(show)], stdout=subprocess.PIPE, text=True)
    assert host.stdout is not None
    assert host.stdout.readline() == "prepared\n"

    def is_in_the_file() -> bool:
        return show.exists() and len(read(show).snapshots) == 3

    eventually(is_in_the_file)
    host.send_signal(signal.SIGKILL)
    host.wait()
    with opened() as session:
        eventually(lambda: is_back(session))
        assert session.recall.snapshots.names() == ["on and on", "rest", "verse"]
        session.recall.recall("verse", 0)
        eventually(lambda: done(session, "a", RESTORE) > 0)


def test_a_deck_that_has_not_come_yet_stays_in_the_file(opened: Open, shelf: Path, show: Path) -> None:
    with opened(shelf / "level.onnx") as session:
        prepare(session)
    before = read(show).decks["b"]
    (shelf / "wide.onnx").rename(shelf.parent / "away.onnx")
    with opened() as session:
        assert any("'wide' is neither at" in note for note in session.notes)
        assert session.parts.rack.players["b"].model is None
        eventually(lambda: played(session, "a")[0] == 2.0)
        session.set("/gain", -3)
    assert read(show).host["/gain"] == -3
    assert read(show).decks["b"] == before
    (shelf.parent / "away.onnx").rename(shelf / "wide.onnx")
    with opened() as session:
        eventually(lambda: session.parts.rack.players["b"].process is not None)
        eventually(lambda: played(session, "b")[0] == -1.5)


def test_a_substitute_does_not_replace_the_missing_model_in_the_file(opened: Open, shelf: Path, show: Path) -> None:
    with opened(shelf / "level.onnx") as session:
        session.set("/latent/1", 2.0)
    before = read(show).decks["a"]
    (shelf / "level.onnx").rename(shelf.parent / "away.onnx")
    with opened() as session:
        assert any("orchestra stands in for 'level'" in note for note in session.notes), session.notes
        session.set("/gain", -3)
    assert read(show).host["/gain"] == -3
    assert read(show).decks["a"] == before
    with opened() as session:
        session.load("wide", letter="a").result(60)
    assert read(show).decks["a"].model == "wide"
    (shelf.parent / "away.onnx").rename(shelf / "level.onnx")


@pytest.mark.parametrize(
    ("fate", "says", "plays"),
    [
        ("moved", "is called 'other' in the library now", "other"),
        ("changed", "is another model than when the session was saved; it is played as it is now", "level"),
        ("missing", "is neither at", "orchestra"),
    ],
)
def test_a_model_that_was_moved_changed_or_removed_is_reported_and_the_session_plays(
    opened: Open, shelf: Path, show: Path, fate: str, says: str, plays: str
) -> None:
    with opened(shelf / "level.onnx") as session:
        session.set("/latent/1", 2.0)
        session.set("/latent/4", 1.0)
        session.recall.save("verse")
    if fate == "moved":
        (shelf / "level.onnx").rename(shelf / "other.onnx")
    elif fate == "changed":
        reference.level_model(shelf / "level.onnx", latents=3)
    else:
        (shelf / "level.onnx").unlink()
    with opened() as session:
        assert any(says in note for note in session.notes), session.notes
        assert session.deck.alive
        assert session.player.model is not None
        assert session.player.model.stem == plays
        assert session.get("/latent/1") == 2.0
        assert ("/latent/4" in session.addresses) == (fate != "changed")
        assert any("have no place on deck A's model now" in note for note in session.notes) == (fate == "changed")
        session.recall.recall("verse")


@pytest.mark.parametrize(
    "text", ['{"format": 1, "focus": "z"}', "", "{", '{"format": 9}', '{"format": 1, "host": {"/gain": "loud"}}']
)
def test_a_broken_session_file_gives_a_one_sentence_error_and_is_unchanged(show: Path, text: str) -> None:
    show.write_text(text)
    finished = glitch_live("--device", "null", "--session", show, "--headless", "--osc-port", "0")
    assert finished.returncode == 1
    assert finished.stdout == ""
    assert finished.stderr.startswith(f"glitch-live: The session {show} cannot be used: ")
    assert finished.stderr.count("\n") == 1
    assert show.read_text() == text
    assert [path.name for path in show.parent.iterdir()] == ["show.json"]


def test_a_session_in_no_folder_is_refused(tmp_path: Path) -> None:
    finished = glitch_live("--device", "null", "--session", tmp_path / "no" / "show.json", "--headless")
    assert (finished.returncode, finished.stdout) == (1, "")
    assert "there is no folder" in finished.stderr


def test_the_first_sound_is_that_of_the_stored_values(opened: Open, shelf: Path, show: Path) -> None:
    entry = DeckEntry(
        "level",
        str(shelf / "level.onnx"),
        sha256(shelf / "level.onnx"),
        values={"/latent/1": 4.0, "/walk/radius": 0.0, "/smoothing": 3000.0},
    )
    write(show, SessionFile(host={"/gain": -20.0, "/crossfade": 0.5}, decks={"a": entry}))
    with opened() as session:
        eventually(lambda: session.clock > session.began + 24_000)
        stem = session.segment["stems"][session.began : session.began + 20_000, 0, 0]
        sound = session.segment["history"][session.began : session.began + 20_000, 0]
    at = int(np.argmax(stem != 0))
    assert np.unique(stem[at + 480 :]).size == 1, "the deck glided, or its fader did"  # but for the fade in of a deck
    assert stem[-1] == pytest.approx(0.4 * np.sin(np.pi / 4), rel=1e-5)
    level = 0.04 * np.sin(np.pi / 4)
    assert 0.8 * level < np.abs(sound).max() < 1.01 * level, "it didn't begin as loud as it is"


def test_values_of_a_file_are_brought_into_range_and_buttons_are_not_pressed(
    opened: Open, shelf: Path, show: Path
) -> None:
    host = {"/gain": 1e9, "/morph/x": 7.0, "/snapshot/time": -5.0, "/panic": 1.0, "/record": 1.0, "/mute": 1.0}
    entry = DeckEntry("level", str(shelf / "level.onnx"), values={"/latent/1": 1e9, "/reset": 1.0, "/nowhere": 1.0})
    write(show, SessionFile(host=host | {"/walk/radius": 3.0, "/nowhere": 1.0}, decks={"a": entry}))
    with opened() as session:
        assert values(session, "/gain", "/morph/x", "/snapshot/time", "/record", "/mute") == [12, 1, 0, 0, 0]
        assert values(session, "/latent/1", "/walk/radius") == [6, 1]
        assert session.segment["stream"][0]["mute"] == 0


def test_the_command_line_goes_before_the_session(shelf: Path, show: Path) -> None:
    write(show, SessionFile(decks={"a": DeckEntry("level", str(shelf / "level.onnx"), values={"/latent/1": 2.0})}))
    playing = Playing("--session", show, "--model", shelf / "wide.onnx", "--library", shelf, "--headless")
    assert "/latent/1 to /latent/6" in playing.greeting
    playing.process.terminate()
    assert playing.process.wait(20) == 0
    kept = json.loads(show.read_text())["decks"]["a"]
    assert (kept["model"], kept["values"]["/latent/1"]) == ("wide", 2.0)
