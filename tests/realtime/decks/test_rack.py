"""Two decks, and one model in the place of another: no gap, no step, and nobody else is touched."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from export.errors import ContractError
from realtime import Session
from realtime.decks.rack import OvertakenError
from realtime.library.library import Library, LibraryError
from realtime.params.table import ParameterError
from tests import reference
from tests.eventually import eventually
from tests.jack import JackServer
from tests.realtime.sessions import heard, quiet


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, models: dict[str, Path]) -> Path:
    """A library: two tones that cannot be confused, and a file that is no model."""
    folder = tmp_path_factory.mktemp("library")
    reference.tone_model(folder / "low.onnx", frequency=500.0)
    reference.tone_model(folder / "high.onnx", frequency=3000.0)
    shutil.copy(models["level"], folder / "level.onnx")
    (folder / "broken.onnx").write_bytes(b"nothing")
    return folder


@pytest.fixture
def stage(shelf: Path) -> Iterator[Session]:
    with quiet(shelf / "low.onnx", library=shelf, blocksize=100) as session:
        eventually(lambda: session.status().level_db > -16)
        yield session


def share(x: np.ndarray, frequency: float) -> float:
    """Amplitude of a frequency in a piece of sound."""
    window = np.hanning(len(x))
    return float(2 * np.abs((x * window) @ np.exp(-2j * np.pi * frequency * np.arange(len(x)) / 48_000)) / window.sum())


def last(session: Session, frames: int = 4800) -> np.ndarray:
    clock = session.status().clock
    return heard(session, clock - frames, clock)


def test_a_model_takes_over_without_a_gap_or_a_step(stage: Session) -> None:
    tone = 10 ** (-12 / 20) * np.sqrt(2)
    steepest = tone * 2 * np.pi * 3000 / 48_000
    clean = 0
    for name in ("high", "low") * 5:
        underruns, begin = stage.status().underruns, stage.status().clock
        stage.load(name).result(20)
        done = stage.status().clock
        eventually(lambda: stage.status().clock > done + 9600)  # noqa: B023
        x = heard(stage, max(begin, stage.status().clock - 200_000), stage.status().clock)
        assert np.abs(np.diff(x)).max() < 1.45 * steepest, "something steps"
        assert share(last(stage), 3000 if name == "high" else 500) > 0.8 * tone
        assert share(last(stage), 500 if name == "high" else 3000) < 0.01
        if stage.status().underruns > underruns:  # a busy machine comes too late, swap or not; then there is a hole
            continue
        power = np.sqrt(np.mean(x[: len(x) // 480 * 480].reshape(-1, 480) ** 2, axis=1))
        assert power.min() > 0.5 * tone / np.sqrt(2), "there is a gap"
        clean += 1
        if clean == 3:
            break
    assert clean == 3, "nearly every swap makes a deck come too late"


def test_knobs_keep_their_place_across_models(stage: Session) -> None:
    stage.set("/smoothing", 77)
    stage.set("/latent/2", 1.5)
    stage.load("level").result(20)
    assert (stage.get("/smoothing"), stage.get("/latent/2"), stage.get("/latent/4")) == (77, 1.5, 0)
    eventually(lambda: stage.latents[1] == 1.5)
    assert "/loudness" not in stage.addresses
    with pytest.raises(ParameterError, match="/loudness"):
        stage.set("/loudness", -20)


def test_a_model_that_fails_leaves_the_old_one_playing(stage: Session) -> None:
    first = stage.deck.pid
    with pytest.raises(ContractError, match="is not an ONNX file"):
        stage.load("broken").result(20)
    for name in ("nowhere", "../low", "/etc/passwd", ""):
        with pytest.raises(LibraryError, match="has no model"):
            stage.load(name)
    with pytest.raises(ParameterError, match="no deck 'c'"):
        stage.load("high", letter="c")
    assert stage.deck.pid == first
    assert share(last(stage), 500) > 0.3


def test_two_decks_have_their_own_addresses_and_the_focus_moves_the_plain_ones(stage: Session) -> None:
    stage.load("level", letter="b").result(20)
    stage.set("/a/loudness", -30)
    stage.set("/b/latent/1", 2)
    assert stage.get("/loudness") == -30
    stage.set("/focus", 1)
    assert stage.get("/latent/1") == 2
    stage.set("/latent/3", -1)
    assert (stage.get("/b/latent/3"), stage.focus) == (-1, "b")
    assert "/loudness" not in stage.addresses
    stage.set("/focus", 0)
    assert stage.get("/loudness") == -30
    assert stage.segment.read_info()["decks"].keys() == {"a", "b"}


def test_the_crossfader_goes_from_one_deck_to_the_other(stage: Session) -> None:
    stage.load("high", letter="b").result(20)
    for x, low, high in ((0.0, 1.0, 0.0), (0.5, 0.707, 0.707), (1.0, 0.0, 1.0)):
        stage.set("/crossfade", x)
        clock = stage.status().clock
        eventually(lambda: stage.status().clock > clock + 9600)  # noqa: B023
        tone = 10 ** (-12 / 20) * np.sqrt(2)
        assert share(last(stage), 500) == pytest.approx(low * tone, abs=0.05)
        assert share(last(stage), 3000) == pytest.approx(high * tone, abs=0.05)


def test_a_deck_that_dies_leaves_the_other_untouched(shelf: Path) -> None:
    """Deck A alone, and deck A with a deck B that is killed, are the same to the sample."""

    def play(kill: bool) -> np.ndarray:
        for _ in range(5):  # a busy machine may come too late; then nothing can be compared
            with quiet(shelf / "low.onnx", library=shelf) as session:
                if kill:
                    session.load("high", letter="b").result(20)
                    process = session.rack.players["b"].process
                    assert process is not None
                    os.kill(process.pid, signal.SIGKILL)
                    eventually(lambda: any("Deck B died" in note for note in session.notes), 20)
                eventually(lambda: session.status().clock > session.began + 150_000, 20)
                a = session.rack.players["a"]
                if a.underruns == 0:
                    return heard(session, session.began, session.began + 150_000)
        raise AssertionError("deck A came too late in five sessions")

    alone, beside = play(kill=False), play(kill=True)
    lag = int(np.argmax(alone != 0)) - int(np.argmax(beside != 0))
    np.testing.assert_array_equal(alone[3000 + lag : 145_000 + lag], beside[3000:145_000])


def test_a_deck_comes_back_every_time_it_is_killed(stage: Session) -> None:
    for _ in range(4):
        eventually(lambda: stage.status().deck_alive, 20)
        pid = stage.deck.pid
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: stage.status().deck_alive and stage.deck.pid != pid, 20)  # noqa: B023
    eventually(lambda: share(last(stage), 500) > 0.3)
    assert sum("died" in note for note in stage.notes) == 4


def test_a_deck_that_cannot_keep_up_is_muted_with_the_reason_and_heard_again(stage: Session) -> None:
    process = stage.rack.players["a"].process
    assert process is not None
    deadline = float(process.state["deadline_ms"])
    process.state["deadline_ms"] = 1e-4  # as if the machine were a thousand times slower
    eventually(lambda: any("muted, since it is too slow" in note for note in stage.notes), 10)
    eventually(lambda: np.abs(last(stage, 1000)).max() < 1e-3)
    process.state["deadline_ms"] = deadline
    eventually(lambda: any("keeps up again" in note for note in stage.notes), 10)
    eventually(lambda: share(last(stage), 500) > 0.3)


def test_the_library_knows_its_files_and_the_bundled_ones(shelf: Path, tmp_path: Path) -> None:
    library = Library(shelf)
    assert {"low", "high", "level", "broken", "orchestra"} <= set(library.names())
    assert library.find("low.onnx") == shelf / "low.onnx"
    with pytest.raises(LibraryError, match="is not a folder"):
        Library(tmp_path / "nowhere")


KEEP_PLAYING = """
import sys, time
from realtime import Session
with Session(sys.argv[1]) as session:
    print("playing", flush=True)
    stream = session.segment["stream"][0]
    shown = 0
    for line in sys.stdin:
        deadline = time.monotonic() + 30
        while len(session.notes) <= shown and time.monotonic() < deadline:
            time.sleep(0.05)
        before = int(stream["clock"])
        time.sleep(0.5)
        moved = int(stream["clock"]) > before
        print(session.notes[-1] if session.notes else "silence", moved, session.status().deck_alive, flush=True)
        shown = len(session.notes)
"""


def test_a_server_that_is_killed_is_waited_for_and_found_again(shelf: Path) -> None:
    server = JackServer()
    with server:
        player = subprocess.Popen(
            [sys.executable, "-c", KEEP_PLAYING, str(shelf / "low.onnx")],
            env=server.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert player.stdin is not None
        assert player.stdout is not None

        def ask() -> str:
            player.stdin.write("\n")  # type: ignore[union-attr]
            player.stdin.flush()  # type: ignore[union-attr]
            return player.stdout.readline().strip()  # type: ignore[union-attr]

        try:
            assert player.stdout.readline().strip() == "playing"
            server.kill()
            answer = ask()
            assert "is gone; waiting" in answer, answer
            assert answer.endswith("False True")
            time.sleep(0.5)
            with server:
                answer = ask()
                assert "is back" in answer, answer
                assert answer.endswith("True True")
                player.stdin.close()
                assert player.wait(20) == 0
        finally:
            player.kill()
            player.wait()


def test_only_the_model_that_was_asked_for_last_is_loaded(models: dict[str, Path]) -> None:
    with Session(models["level"], library=models["level"].parent, device="null") as session:
        asked = [session.load(name) for name in ("tone", *["stereo"] * 50, "tone")]
        asked[-1].result(60)
        assert sum(isinstance(one.exception(), OvertakenError) for one in asked) >= 50
        assert session.card.name == "tone"
