"""A session on the null device: real processes, real memory, real packets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile as sf
from pythonosc.osc_message_builder import OscMessageBuilder

from export.errors import ContractError, GlitchError
from realtime import Session
from realtime.decks.client import DeckError, wait_for
from realtime.ipc.layout import COMMANDS, PENDING
from realtime.ipc.registry import Registry, registry_folder, sweep
from realtime.ipc.segments import Segment
from realtime.params.table import ParameterError
from realtime.session.session import SessionError
from realtime.takes.recorder import RecordError


def quiet(model: Path, **settings) -> Session:
    """Make a session whose walk is off and whose latents jump, so that the test alone makes the sound."""
    session = Session(model, device="null", **settings).start()
    session.set("/walk/radius", 0)
    session.set("/smoothing", 0)
    return session


def heard(session: Session, begin: int, end: int) -> np.ndarray:
    """What was played between two samples of the clock, left channel."""
    history = session.segment["history"]
    played = history[np.arange(begin, end) % len(history), 0]
    return played if end > begin else np.zeros(1, np.float32)


def eventually(condition, timeout_s: float = 5.0) -> None:
    assert wait_for(condition, timeout_s), "it never came to be"


def test_a_latent_set_from_python_is_heard(models: dict[str, Path]) -> None:
    with quiet(models["level"]) as session:
        clock = int(session.segment["stream"][0]["clock"])
        session.set("/latent/1", 4.0)
        eventually(lambda: np.abs(heard(session, clock, session.status().clock)).max() > 0.35)
        eventually(lambda: session.latents[0] == 4.0)
        assert session.get("/latent/1") == 4.0
        assert session.status().deck_alive
        assert session.status().latency_ms["decoded ahead"] > 0


def test_a_latent_sent_over_osc_is_heard_one_by_one_and_as_a_list(models: dict[str, Path]) -> None:
    with quiet(models["level"], osc=("127.0.0.1", 0)) as session:
        assert session.osc is not None
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

        def send(address: str, *values) -> None:
            builder = OscMessageBuilder(address)
            for value in values:
                builder.add_arg(value)
            sender.sendto(builder.build().dgram, ("127.0.0.1", session.osc.port))

        send("/latent/1", 3)  # Max sends whole numbers as such
        eventually(lambda: session.latents[0] == 3.0)
        send("/latent", -1.0, 2.0, 0.5)
        eventually(lambda: list(session.latents[:3]) == [-1.0, 2.0, 0.5])
        send("/latent/2", 99.0)
        eventually(lambda: session.latents[1] == 6.0)
        send("/gain", -20.0)
        eventually(lambda: session.segment["stream"][0]["gain"] == pytest.approx(0.1))
        send("/nowhere", 1.0)
        send("/latent/1", "loud")
        send("/latent", *range(40))
        eventually(lambda: (session.status().osc_unknown, session.status().osc_bad) == (1, 2))
        send("/mute", True)
        eventually(lambda: session.segment["stream"][0]["mute"] == 1)
        sender.close()


def test_set_says_what_it_cannot_do(models: dict[str, Path]) -> None:
    with quiet(models["level"]) as session:
        for address, values, says in (
            ("/nowhere", [1], "There is no parameter /nowhere"),
            ("/latent/1", [], "takes one number, not 0"),
            ("/latent/1", [1, 2], "takes one number, not 2"),
            ("/latent/1", [float("nan")], "takes numbers, not nan"),
            ("/latent", [0] * 5, "takes 1 to 4 numbers, not 5"),
        ):
            with pytest.raises(ParameterError, match=says):
                session.set(address, *values)


def test_panic_silences_resets_and_comes_back_without_a_step(models: dict[str, Path]) -> None:
    with quiet(models["tone"]) as session:
        eventually(lambda: session.status().level_db > -20)
        begin = session.status().clock
        session.set("/panic")
        stream = session.segment["stream"][0]
        eventually(lambda: stream["mute_gain"] == 0.0)
        eventually(lambda: stream["mute_gain"] == 1.0)
        time.sleep(0.3)  # let some sound pass, to look at
        x = heard(session, begin, session.status().clock)
        assert np.abs(x[-2000:]).max() > 0.2
        frames = np.abs(x[: len(x) // 64 * 64].reshape(-1, 64)).max(axis=1)
        assert frames.min() == 0.0
        assert np.abs(np.diff(x)).max() < 1.5 * 0.36 * 2 * np.pi * 1000 / 48_000


def test_a_recording_holds_exactly_what_was_played(tmp_path: Path, models: dict[str, Path]) -> None:
    path = tmp_path / "take.wav"
    with quiet(models["tone"], record=path, seconds=1.5) as session:
        eventually(lambda: not session.playing)
        begin = session.began
        expected = heard(session, begin, begin + 72_000)
    audio, rate = sf.read(path, dtype="float32")
    assert (rate, audio.shape) == (48_000, (72_000, 2))
    np.testing.assert_array_equal(audio[:, 0], expected)
    assert np.abs(audio).max() > 0.2


def test_the_same_seed_plays_the_same_samples_again(models: dict[str, Path]) -> None:
    def take(seed: int) -> np.ndarray:
        for _ in range(5):  # a machine that is busy may come too late once; then nothing can be compared
            with Session(models["bundled"], device="null", seed=seed) as session:
                eventually(lambda: session.status().seconds > 1.0)
                if session.status().underruns == 0:
                    return heard(session, session.began, session.began + 40_000)
        raise AssertionError("five sessions in a row had underruns")

    first, again, other = take(3), take(3), take(4)
    lag = int(np.argmax(first != 0)) - int(np.argmax(again != 0))  # frames that met another block at the start
    begin, end = 2000, 38_000
    np.testing.assert_array_equal(first[begin + lag : end + lag], again[begin:end])
    assert np.abs(first - other).max() > 0.02


@pytest.mark.parametrize("name", ["take.mp9", "no/such/folder/take.wav"])
def test_a_recording_that_cannot_be_made_is_refused_before_anything_starts(
    tmp_path: Path, models: dict[str, Path], name: str
) -> None:
    with pytest.raises(RecordError, match="Cannot record to"):
        Session(models["level"], device="null", record=tmp_path / name).start()
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_another_rate_and_two_channels_plays(models: dict[str, Path]) -> None:
    for name in ("slow", "stereo"):
        with quiet(models[name], samplerate=48_000) as session:
            session.set("/latent/1", 4.0)
            eventually(lambda: session.segment["meters"]["peak"].max() > 0.3)
            assert session.status().nonfinite == 0


def test_a_deck_that_is_killed_comes_back_with_its_knobs(models: dict[str, Path]) -> None:
    with quiet(models["level"]) as session:
        session.set("/latent/1", 2.0)
        eventually(lambda: session.latents[0] == 2.0)
        first = session.deck.pid
        callbacks = session.segment["stream"][0]["callbacks"]
        os.kill(first, signal.SIGKILL)
        eventually(lambda: session.status().deck_alive and session.deck.pid != first, 10)
        eventually(lambda: session.latents[0] == 2.0)
        assert session.segment["stream"][0]["callbacks"] > callbacks, "the stream stood still"
        eventually(lambda: any("died" in note for note in session.notes))
        clock = session.status().clock
        session.set("/latent/1", -4.0)
        eventually(lambda: np.abs(heard(session, clock, session.status().clock)).max() > 0.3)


def test_an_underrun_widens_unless_the_player_locks_it(models: dict[str, Path]) -> None:
    with quiet(models["tone"]) as session:
        eventually(lambda: session.status().level_db > -20)
        for lock, wider in ((0, True), (1, False)):
            session.set("/ahead/lock", lock)
            ahead, underruns = int(session.deck.state["ahead"]), session.status().underruns
            os.kill(session.deck.pid, signal.SIGSTOP)
            eventually(lambda: session.status().underruns > underruns)  # noqa: B023
            os.kill(session.deck.pid, signal.SIGCONT)
            if wider:
                eventually(lambda: session.deck.state["ahead"] > ahead)  # noqa: B023
            eventually(lambda: session.status().level_db > -20)
            assert (session.deck.state["ahead"] > ahead) == wider


def test_ahead_is_at_least_what_is_asked_for_and_exact_when_locked(models: dict[str, Path]) -> None:
    with quiet(models["tone"]) as session:
        eventually(lambda: session.status().level_db > -20)
        block, safe = int(session.segment["stream"][0]["largest_block"]), int(session.deck.state["ahead"])
        assert safe > block
        session.set("/ahead", 1)
        assert session.deck.state["ahead"] >= safe, "what the host thinks safe isn't undercut"
        session.set("/ahead", 4000)
        assert session.deck.state["ahead"] >= 4000
        session.set("/ahead", block + 7)
        session.set("/ahead/lock", 1)
        assert session.deck.state["ahead"] == block + 7
        session.set("/ahead", 1)
        assert session.deck.state["ahead"] == block


def test_a_bundle_of_the_future_acts_at_its_time(models: dict[str, Path]) -> None:
    with quiet(models["level"]) as session:
        at = time.time() + 0.4
        expected = session.status().clock + 0.4 * 48_000
        session.set("/latent/1", 4.0, at=at)
        session.set("/latent/2", 1.0)
        eventually(lambda: session.latents[1] == 1.0)
        assert session.latents[0] == 0.0, "the later event didn't wait"
        eventually(lambda: session.latents[0] == 4.0)
        eventually(lambda: session.status().clock > expected + 4800)
        x = heard(session, int(expected) - 12_000, int(expected) + 4800)
        came = int(np.argmax(np.abs(x) > 0.2)) - 12_000
        assert abs(came) < 5 * 128, f"it came {came} samples off"


def test_a_knob_of_the_host_waits_for_its_time_too(models: dict[str, Path]) -> None:
    with quiet(models["level"]) as session:
        session.set("/gain", -20, at=time.time() + 0.3)
        begin = session.status().clock
        assert session.get("/gain") == 0
        eventually(lambda: session.get("/gain") == -20)
        assert session.status().clock - begin > 0.25 * 48_000


def test_what_the_device_was_asked_for_while_it_was_full_is_said_again(models: dict[str, Path]) -> None:
    """More moves than the callback can be told at once: the last word of each kind counts."""
    with quiet(models["level"]) as session:
        stream = session.segment["stream"][0]
        os.kill(session.output.pid, signal.SIGSTOP)
        for k in range(2 * COMMANDS):
            session.output.gain(0.5 + k / (4 * COMMANDS))
        session.output.mute(True)
        os.kill(session.output.pid, signal.SIGCONT)
        eventually(lambda: stream["gain"] == 0.5 + (2 * COMMANDS - 1) / (4 * COMMANDS))
        eventually(lambda: stream["mute"] == 1)


def test_knobs_of_the_callback_that_are_asked_for_far_ahead_leave_room_for_those_of_now(
    models: dict[str, Path],
) -> None:
    with quiet(models["level"]) as session:
        stream = session.segment["stream"][0]
        later = time.time() + 3600
        for k in range(2 * PENDING):
            session.set("/gain", -k / 100, at=later)
        session.set("/mute", 0, at=time.time() + 0.5)
        session.set("/mute", 1)
        eventually(lambda: stream["mute"] == 1)
        eventually(lambda: stream["mute"] == 0)
        assert stream["pending"] == 0


def test_a_panic_mutes_nothing_that_is_opened_after_it(models: dict[str, Path]) -> None:
    with quiet(models["level"]) as session:
        stream = session.segment["stream"][0]
        session.set("/panic")
        at = time.time() + 0.6
        session.set("/mute", 0, at=at)
        eventually(lambda: stream["mute"] == 1)
        eventually(lambda: stream["mute"] == 0)
        eventually(lambda: time.time() > at + 0.1 and not session.controls._later)
        assert stream["mute"] == 0


def test_a_button_fires_when_pressed_and_not_when_let_go(models: dict[str, Path]) -> None:
    with quiet(models["level"]) as session:
        stream = session.segment["stream"][0]
        session.set("/panic", 0)
        assert stream["mute"] == 0
        session.set("/panic", 1)
        eventually(lambda: stream["mute"] == 1)
        eventually(lambda: stream["mute"] == 0)


def test_nothing_is_left_behind(models: dict[str, Path]) -> None:
    with quiet(models["level"], osc=("127.0.0.1", 0)) as session:
        names = [session.segment.name, session.deck.segment.name]
        pid = session.deck.pid
        Segment.attach(names[0]).close()
    assert not psutil.pid_exists(pid)
    for name in names:
        with pytest.raises(Exception, match="There is no session"):
            Segment.attach(name)
    assert not list(registry_folder().glob(f"{os.getpid()}-*"))


def test_a_session_that_does_not_play_says_so_and_nothing_crashes(models: dict[str, Path]) -> None:
    session = Session(models["level"], device="null")
    for state in ("not started", "closed"):
        for call in (lambda: session.set("/gain", 0), lambda: session.get("/gain"), session.status):
            with pytest.raises(SessionError, match=state):
                call()
        with pytest.raises(SessionError, match=state):
            session.latents  # noqa: B018
        if state == "not started":
            session.start().close()


def test_views_that_outlive_a_session_can_still_be_read(models: dict[str, Path]) -> None:
    with quiet(models["level"]) as session:
        history, state = session.segment["history"], session.deck.state
    assert np.isfinite(history).all()
    assert state["frames"] > 0


def test_a_recording_never_writes_over_another(tmp_path: Path, models: dict[str, Path]) -> None:
    names = []
    for _ in range(3):
        with quiet(models["level"], record=tmp_path / "take.wav", seconds=0.2) as session:
            eventually(lambda: not session.playing)
            names.append(session.recorder.path.name)
    assert names == ["take.wav", "take-2.wav", "take-3.wav"]


def test_what_was_timed_ends_without_a_click(tmp_path: Path, models: dict[str, Path]) -> None:
    with quiet(models["tone"], record=tmp_path / "take.wav", seconds=1.0) as session:
        eventually(lambda: not session.playing)
    audio, _ = sf.read(tmp_path / "take.wav")
    assert np.abs(audio[-64:]).max() < 0.01
    assert np.abs(audio[-6000:-4000]).max() > 0.2


def test_what_cannot_be_used_is_named(models: dict[str, Path]) -> None:
    with quiet(models["level"], osc=("127.0.0.1", 0)) as session:
        assert session.osc is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            builder = OscMessageBuilder("/gain")
            builder.add_arg("loud")
            sender.sendto(builder.build().dgram, ("127.0.0.1", session.osc.port))
            eventually(lambda: any("/gain takes numbers, not 'loud'" in note for note in session.notes))


def test_what_fails_at_the_start_leaves_nothing_behind_either(models: dict[str, Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no")
    with pytest.raises(ContractError):
        Session(bad, device="null").start()
    with pytest.raises(GlitchError, match="is not an output device here"):
        Session(models["level"], device="no such device").start()
    assert not [
        p for p in psutil.Process().children(recursive=True) if "realtime.decks.deck_process" in " ".join(p.cmdline())
    ]
    assert not list(registry_folder().glob(f"{os.getpid()}-*"))


def test_a_deck_that_cannot_load_says_why(models: dict[str, Path], tmp_path: Path) -> None:
    """The host reads the card, the deck the graph: what only the deck finds must reach the player."""
    from export.format.io import load

    model, _ = load(models["level"])
    model.graph.node[0].op_type = "NoSuchOperator"
    path = tmp_path / "broken.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(DeckError, match="onnxruntime cannot load the graph"):
        Session(path, device="null").start()


HOST = """
import sys, time
from realtime import Session
with Session(sys.argv[1], device="null") as session:
    print(session.deck.pid, session.segment.name, session.deck.segment.name, flush=True)
    time.sleep(60)
"""


def test_a_killed_host_leaves_no_orphan_and_the_next_start_sweeps(models: dict[str, Path]) -> None:
    host = subprocess.Popen([sys.executable, "-c", HOST, str(models["level"])], stdout=subprocess.PIPE, text=True)
    assert host.stdout is not None
    deck, *names = host.stdout.readline().split()
    host.kill()
    host.wait()
    eventually(lambda: not _lives(int(deck)), 2.0)
    sweep()
    for name in names:
        with pytest.raises(Exception, match="There is no session"):
            Segment.attach(name)


def test_the_living_are_not_swept(models: dict[str, Path]) -> None:
    with quiet(models["level"]) as session:
        assert sweep() == []
        done = subprocess.run(
            [sys.executable, "-c", "from realtime.ipc.layout import sweep; print(sweep())"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == "[]"
        Segment.attach(session.segment.name).close()


def test_a_registry_can_be_made_twice_in_a_process(tmp_path: Path) -> None:
    first, second = Registry(tmp_path), Registry(tmp_path)
    first.new_name()
    assert sweep(tmp_path) == []
    first.close()
    second.close()


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_script_needs_no_guard_and_ends_without_a_word(models: dict[str, Path], tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, time, realtime\n"
        "with realtime.Session(sys.argv[1], device='null') as session:\n"
        "    session.load('orchestra').result()\n"
        "    time.sleep(0.2)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script), str(models["level"])], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
