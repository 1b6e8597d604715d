"""Two decks: a model is replaced without a gap or a step, and the other deck is unaffected."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from export.errors import ContractError
from realtime.decks.deck_loader import OvertakenError
from realtime.decks.deck_supervisor import TOO_SLOW_S
from realtime.library.library import Library, LibraryError
from realtime.params.table import ParameterError
from tests import reference
from tests.eventually import eventually
from tests.jack import JackServer
from tests.realtime.sessions import output_between, quiet, stem
from tests.realtime.signals import share
from tests.realtime.virtual_stage import VirtualStage, still

RATE = 48_000
TONE = 10 ** (-12 / 20) * np.sqrt(2)  # the amplitude of the tone models
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, models: dict[str, Path]) -> Path:
    """A library with two tones of different pitch, and a file that is no model."""
    folder = tmp_path_factory.mktemp("library")
    reference.tone_model(folder / "low.onnx", frequency=500.0)
    reference.tone_model(folder / "high.onnx", frequency=3000.0)
    shutil.copy(models["level"], folder / "level.onnx")
    (folder / "broken.onnx").write_bytes(b"nothing")
    return folder


@pytest.fixture
def stage(shelf: Path) -> Iterator[VirtualStage]:
    with still(shelf / "low.onnx", library=shelf, blocksize=100) as stage:
        stage.play(0.5)
        yield stage


def last(stage: VirtualStage, samples: int = 4800) -> np.ndarray:
    """Return the latest output."""
    return output_between(stage.session, stage.clock - samples, stage.clock)


@pytest.mark.parametrize("fade_ms", [100.0, 300.0])
def test_a_model_is_swapped_without_a_gap_or_a_step(stage: VirtualStage, fade_ms: float) -> None:
    steepest = TONE * 2 * np.pi * 3000 / RATE
    stage.session.set("/model/fade", fade_ms)
    for name, frequency, other in (("high", 3000, 500), ("low", 500, 3000), ("high", 3000, 500)):
        begin = stage.clock - 480
        stage.session.load(name).result(60)
        stage.play(0.2)
        x = output_between(stage.session, begin, stage.clock)
        assert np.abs(np.diff(x)).max() < 1.45 * steepest, "something steps"
        power = np.sqrt(np.mean(x[: len(x) // 480 * 480].reshape(-1, 480) ** 2, axis=1))
        assert power.min() > 0.5 * TONE / np.sqrt(2), "there is a gap"
        assert share(last(stage), frequency) > 0.8 * TONE
        assert share(last(stage), other) < 0.01
    assert stage.session.status().underruns == 0


def test_parameters_keep_their_values_across_models(stage: VirtualStage) -> None:
    session = stage.session
    session.set("/smoothing", 77)
    session.set("/latent/2", 1.5)
    session.load("level").result(60)
    assert (session.get("/smoothing"), session.get("/latent/2"), session.get("/latent/4")) == (77, 1.5, 0)
    stage.play(0.1)
    assert session.latents[1] == 1.5
    assert "/loudness" not in session.addresses
    with pytest.raises(ParameterError, match="/loudness"):
        session.set("/loudness", -20)


def test_a_model_that_fails_leaves_the_old_one_playing(stage: VirtualStage) -> None:
    session = stage.session
    first = session.deck.pid
    with pytest.raises(ContractError, match="is not an ONNX file"):
        session.load("broken").result(60)
    for name in ("nowhere", "../low", "/etc/passwd", ""):
        with pytest.raises(LibraryError, match="has no model"):
            session.load(name)
    with pytest.raises(ParameterError, match="no deck 'c'"):
        session.load("high", letter="c")
    stage.play(0.2)
    assert session.deck.pid == first
    assert share(last(stage), 500) > 0.3


def test_decks_have_their_own_addresses_and_plain_ones_follow_the_focus(stage: VirtualStage) -> None:
    session = stage.session
    session.load("level", letter="b").result(60)
    session.set("/a/loudness", -30)
    session.set("/b/latent/1", 2)
    assert session.get("/loudness") == -30
    session.set("/focus", 1)
    assert session.get("/latent/1") == 2
    session.set("/latent/3", -1)
    assert (session.get("/b/latent/3"), session.focus) == (-1, "b")
    assert "/loudness" not in session.addresses
    session.set("/focus", 0)
    assert session.get("/loudness") == -30
    assert session.segment.read_info()["decks"].keys() == {"a", "b"}


@pytest.mark.parametrize(("place", "low", "high"), [(0.0, 1.0, 0.0), (0.5, 0.707, 0.707), (1.0, 0.0, 1.0)])
def test_the_crossfader_fades_from_one_deck_to_the_other(
    stage: VirtualStage, place: float, low: float, high: float
) -> None:
    stage.session.load("high", letter="b").result(60)
    stage.session.set("/crossfade", place)
    stage.play(0.2)
    assert share(last(stage), 500) == pytest.approx(low * TONE, abs=0.05)
    assert share(last(stage), 3000) == pytest.approx(high * TONE, abs=0.05)


def test_a_deck_that_dies_leaves_the_other_untouched(shelf: Path) -> None:
    """Deck A gives the same samples alone and beside a deck B that is killed."""

    def play(kill: bool) -> np.ndarray:
        with still(shelf / "low.onnx", library=shelf) as stage:
            session = stage.session
            if kill:
                session.load("high", letter="b").result(60)
                stage.play(0.1)
                stage.deck("b").kill()
                stage.until(lambda: any("Deck B died" in note for note in session.notes))
            stage.play(max(3.0 - stage.clock / RATE, 0.1))
            assert session.parts.rack.players["a"].underruns == 0
            return stem(session, "a", 0, 140_000)

    np.testing.assert_array_equal(play(kill=False), play(kill=True))


def test_a_deck_that_dies_fades_out_and_its_successor_fades_in(stage: VirtualStage) -> None:
    steepest = TONE * 2 * np.pi * 500 / RATE
    begin, session = stage.clock - 480, stage.session
    stage.deck().kill()
    stage.until(lambda: any("Deck A died" in note for note in session.notes))
    stage.play(0.2)
    x = output_between(session, max(begin, stage.clock - 200_000), stage.clock)
    assert np.abs(np.diff(x)).max() < 1.45 * steepest, "something steps"
    assert share(last(stage), 500) > 0.8 * TONE


@pytest.mark.plays
def test_a_deck_comes_back_every_time_its_process_is_killed(shelf: Path) -> None:
    with quiet(shelf / "low.onnx", library=shelf) as session:
        for _ in range(4):
            eventually(lambda: session.status().deck_alive)
            pid = session.deck.pid
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: session.status().deck_alive and session.deck.pid != pid)  # noqa: B023
        eventually(lambda: session.status().level_db > -20)
        assert sum("died" in note for note in session.notes) == 4


def test_a_deck_that_is_too_slow_is_muted_with_the_reason_until_it_keeps_up(stage: VirtualStage) -> None:
    deadline = 1000 * 256 / RATE
    stage.deck().cost_ms = 1.5 * deadline
    stage.play(TOO_SLOW_S + 0.5)
    assert any(
        f"Deck A is muted because it is too slow: a hop takes {1.5 * deadline:.1f} ms of {deadline:.1f}" in note
        for note in stage.session.notes
    )
    assert np.abs(last(stage, 1000)).max() < 1e-3
    stage.deck().cost_ms = 0.0
    stage.play(TOO_SLOW_S + 1.0)
    assert any("keeps up again" in note for note in stage.session.notes)
    assert share(last(stage), 500) > 0.3


def test_a_deck_that_is_slow_for_a_moment_is_not_muted(stage: VirtualStage) -> None:
    stage.deck().cost_ms = 8.0
    stage.play(TOO_SLOW_S - 0.5)
    stage.deck().cost_ms = 0.0
    stage.play(TOO_SLOW_S + 0.5)
    assert not any("muted" in note for note in stage.session.notes)
    assert share(last(stage), 500) > 0.3


def test_the_library_lists_its_files_and_the_bundled_models(shelf: Path, tmp_path: Path) -> None:
    library = Library(shelf)
    assert {"low", "high", "level", "broken", "orchestra"} <= set(library.names())
    assert library.find("low.onnx") == shelf / "low.onnx"
    with pytest.raises(LibraryError, match="is not a folder"):
        Library(tmp_path / "nowhere")


KEEP_PLAYING = """
import sys
from realtime import Session
from tests.eventually import eventually
with Session(sys.argv[1]) as session:
    print("playing", flush=True)
    for line in sys.stdin:
        said = line.strip()
        eventually(lambda: session.notes and said in session.notes[-1])
        clock = session.clock
        if said == "is back":
            eventually(lambda: session.clock > clock + 4800)
        print(session.status().deck_alive, flush=True)
"""


@pytest.mark.plays
def test_a_server_that_is_killed_is_used_again_once_it_is_back(shelf: Path) -> None:
    server = JackServer()
    with server:
        player = subprocess.Popen(
            [sys.executable, "-c", KEEP_PLAYING, str(shelf / "low.onnx")],
            env=server.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert player.stdin is not None
        assert player.stdout is not None
        try:
            assert player.stdout.readline() == "playing\n"
            server.kill()
            player.stdin.write("is gone; waiting\n")
            player.stdin.flush()
            assert player.stdout.readline() == "True\n"
            with server:
                player.stdin.write("is back\n")
                player.stdin.flush()
                assert player.stdout.readline() == "True\n"
                player.stdin.close()
                assert player.wait(20) == 0
        finally:
            player.kill()
            player.wait()


def test_only_the_model_asked_for_last_is_loaded(models: dict[str, Path]) -> None:
    with still(models["level"], library=models["level"].parent) as stage:
        with stage.session.parts.rack.players["a"].lock:  # nothing is loaded until all have been asked for
            asked = [stage.session.load(name) for name in ("tone", *["stereo"] * 50, "tone")]
        asked[-1].result(60)
        assert all(isinstance(one.exception(), OvertakenError) for one in asked[:-1])
        assert stage.session.card.name == "tone"
