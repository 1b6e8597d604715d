"""A session: parameters change the sound in time, and a session that ends or is killed leaves nothing behind.

SampleClock is tested on a virtual clock; processes, files and packets on the null device.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import psutil
import pytest
import soundfile as sf
from pythonosc.osc_message_builder import OscMessageBuilder

from export.errors import ContractError, GlitchError
from realtime import Session
from realtime.decks.deck_client import DeckError
from realtime.ipc.memory_layout import COMMANDS, PENDING
from realtime.ipc.segment_registry import SegmentRegistry, registry_folder, sweep
from realtime.ipc.segments import Segment
from realtime.params.table import ParameterError
from realtime.session.config import SessionConfig, SessionOptions
from realtime.session.session_phase import SessionError
from realtime.session.supervision.task_thread import INTERVAL_S
from realtime.takes.recorder import RecordError
from tests.eventually import eventually
from tests.realtime.sessions import output_between, quiet, stem
from tests.realtime.virtual_stage import BLOCK, still, virtual

RATE = 48_000
HOP = 128  # of the level model


def test_the_types_of_the_options_are_those_of_the_config() -> None:
    described = get_type_hints(SessionConfig)
    described.pop("model")
    assert get_type_hints(SessionOptions) == described
    assert not SessionOptions.__required_keys__


def test_an_unknown_option_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'devise'"):
        Session(devise="null")  # type: ignore[call-arg]


@pytest.mark.plays
def test_a_latent_set_from_python_sounds(models: dict[str, Path]) -> None:
    with quiet(models["level"]) as session:
        clock = session.clock
        session.set("/latent/1", 4.0)
        eventually(lambda: np.abs(output_between(session, clock, session.clock)).max(initial=0.0) > 0.35)
        eventually(lambda: session.latents[0] == 4.0)
        assert session.get("/latent/1") == 4.0
        assert session.status().deck_alive
        assert session.status().latency_ms["decoded ahead"] > 0


@pytest.mark.plays
def test_latents_sent_over_osc_sound_one_by_one_and_as_a_list(models: dict[str, Path]) -> None:
    with quiet(models["level"], osc=("127.0.0.1", 0)) as session:
        assert session.osc is not None
        to = ("127.0.0.1", session.osc.port)
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

        def send(address: str, *values: Any) -> None:
            builder = OscMessageBuilder(address)
            for value in values:
                builder.add_arg(value)
            sender.sendto(builder.build().dgram, to)

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


@pytest.mark.parametrize(
    ("address", "values", "says"),
    [
        ("/nowhere", [1], "There is no parameter /nowhere"),
        ("/latent/1", [], "takes one number, not 0"),
        ("/latent/1", [1, 2], "takes one number, not 2"),
        ("/latent/1", [float("nan")], "takes numbers, not nan"),
        ("/latent", [0] * 5, "takes 1 to 4 numbers, not 5"),
    ],
)
def test_a_value_that_cannot_be_set_is_refused_with_the_reason(
    models: dict[str, Path], address: str, values: list[float], says: str
) -> None:
    with still(models["level"]) as stage, pytest.raises(ParameterError, match=says):
        stage.session.set(address, *values)


def test_panic_silences_resets_and_comes_back_without_a_step(models: dict[str, Path]) -> None:
    with still(models["tone"]) as stage:
        stage.play(0.5)
        begin = stage.clock
        stage.session.set("/panic")
        state = stage.session.segment["stream"][0]
        stage.until(lambda: state["mute_gain"] == 0.0)
        stage.until(lambda: state["mute_gain"] == 1.0)
        stage.play(0.3)
        x = output_between(stage.session, begin, stage.clock)
        assert np.abs(x[-2000:]).max() > 0.2
        assert np.abs(x[: len(x) // 64 * 64].reshape(-1, 64)).max(axis=1).min() == 0.0
        assert np.abs(np.diff(x)).max() < 1.5 * 0.36 * 2 * np.pi * 1000 / 48_000


@pytest.mark.plays
def test_a_recording_holds_exactly_the_output(tmp_path: Path, models: dict[str, Path]) -> None:
    path = tmp_path / "take.wav"
    with quiet(models["tone"], record=path, seconds=1.5) as session:
        eventually(lambda: not session.playing)
        begin = session.began
        expected = output_between(session, begin, begin + 72_000)
    audio, rate = sf.read(path, dtype="float32")
    assert (rate, audio.shape) == (48_000, (72_000, 2))
    np.testing.assert_array_equal(audio[:, 0], expected)
    assert np.abs(audio).max() > 0.2


def test_the_same_seed_plays_the_same_samples_again(models: dict[str, Path]) -> None:
    def take(seed: int) -> np.ndarray:
        with virtual(models["bundled"], seed=seed) as stage:
            return stage.play(1.0)

    first, again, other = take(3), take(3), take(4)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.02


@pytest.mark.parametrize("name", ["take.mp9", "no/such/folder/take.wav"])
def test_a_recording_that_cannot_be_made_is_refused_before_anything_starts(
    tmp_path: Path, models: dict[str, Path], name: str
) -> None:
    with pytest.raises(RecordError, match="Cannot record to"):
        Session(models["level"], device="null", record=tmp_path / name).start()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["slow", "stereo"])
def test_a_model_of_another_rate_or_two_channels_plays(models: dict[str, Path], name: str) -> None:
    with still(models[name], samplerate=48_000) as stage:
        stage.session.set("/latent/1", 4.0)
        audio = stage.play(0.5)
        assert (np.abs(audio).max(axis=0) > 0.3).all()
        assert stage.session.status().nonfinite == 0


@pytest.mark.plays
def test_a_deck_that_is_killed_comes_back_with_its_knobs(models: dict[str, Path]) -> None:
    with quiet(models["level"]) as session:
        session.set("/latent/1", 2.0)
        eventually(lambda: session.latents[0] == 2.0)
        first = session.deck.pid
        callbacks = session.segment["stream"][0]["callbacks"]
        os.kill(first, signal.SIGKILL)
        eventually(lambda: session.status().deck_alive and session.deck.pid != first)
        eventually(lambda: session.latents[0] == 2.0)
        assert session.segment["stream"][0]["callbacks"] > callbacks, "the stream stood still"
        eventually(lambda: any("died" in note for note in session.notes))
        clock = session.clock
        session.set("/latent/1", -4.0)
        eventually(lambda: np.abs(output_between(session, clock, session.clock)).max(initial=0.0) > 0.3)


def test_a_latent_of_a_later_time_acts_at_the_frame_nearest_to_it(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        stage.play(1.0)
        due = stage.clock + 0.4 * RATE
        stage.session.set("/latent/1", 4.0, at=stage.time.time() + 0.4)
        stage.session.set("/latent/2", 1.0)
        stage.play(0.3)
        assert stage.session.latents[1] == 1.0
        assert stage.session.latents[0] == 0.0, "the later one didn't wait"
        stage.play(0.3)
        assert stage.session.latents[0] == 4.0
        begin = round(due) - 4800
        changed = np.flatnonzero(np.diff(stem(stage.session, "a", begin, begin + 9600))) + 1
        assert abs(begin + int(changed[0]) - due) <= HOP / 2 + 1


def test_a_host_parameter_with_a_time_is_set_at_that_time(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        stage.play(0.3)
        due = stage.clock + 0.3 * RATE
        stage.session.set("/gain", -20, at=stage.time.time() + 0.3)
        assert stage.session.get("/gain") == 0
        stage.until(lambda: stage.session.get("/gain") == -20)
        assert due <= stage.clock <= due + INTERVAL_S * RATE + 2 * BLOCK


def test_the_last_of_too_many_commands_reaches_the_callback(models: dict[str, Path]) -> None:
    """More moves than the ring of commands holds: the last of each kind counts."""
    with still(models["level"]) as stage:
        output, state = stage.session.parts.output, stage.session.segment["stream"][0]
        for k in range(2 * COMMANDS):
            output.gain(0.5 + k / (4 * COMMANDS))
        output.mute(True)
        stage.until(lambda: state["gain"] == 0.5 + (2 * COMMANDS - 1) / (4 * COMMANDS))
        stage.until(lambda: state["mute"] == 1)


def test_commands_for_a_distant_time_leave_room_for_those_of_now(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        state = stage.session.segment["stream"][0]
        later = stage.time.time() + 3600
        for k in range(2 * PENDING):
            stage.session.set("/gain", -k / 100, at=later)
        stage.session.set("/mute", 0, at=stage.time.time() + 0.5)
        stage.session.set("/mute", 1)
        stage.play(0.1)
        assert state["mute"] == 1
        stage.play(0.5)
        assert state["mute"] == 0
        assert state["pending"] == 0


def test_an_unmute_of_a_later_time_outlasts_a_panic(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        state = stage.session.segment["stream"][0]
        stage.session.set("/panic")
        stage.session.set("/mute", 0, at=stage.time.time() + 0.6)
        stage.play(0.02)
        assert state["mute"] == 1
        stage.play(0.38)
        assert state["mute"] == 0, "the panic doesn't end"
        stage.play(0.5)
        assert state["mute"] == 0


def test_a_button_fires_when_it_is_pressed_and_not_when_it_is_released(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        state = stage.session.segment["stream"][0]
        stage.session.set("/panic", 0)
        stage.play(0.05)
        assert state["mute"] == 0
        stage.session.set("/panic", 1)
        stage.play(0.02)
        assert state["mute"] == 1
        stage.play(0.5)
        assert state["mute"] == 0


@pytest.mark.plays
def test_a_session_that_ends_leaves_no_process_and_no_memory(models: dict[str, Path]) -> None:
    with quiet(models["level"], osc=("127.0.0.1", 0)) as session:
        names = [session.segment.name, session.deck.segment.name]
        pid = session.deck.pid
        Segment.attach(names[0]).close()
    assert not psutil.pid_exists(pid)
    for name in names:
        with pytest.raises(Exception, match="There is no session"):
            Segment.attach(name)
    assert not list(registry_folder().glob(f"{os.getpid()}-*"))


@pytest.mark.plays
def test_a_session_that_does_not_play_refuses_every_call(models: dict[str, Path]) -> None:
    session = Session(models["level"], device="null")
    for state in ("not started", "closed"):
        for call in (lambda: session.set("/gain", 0), lambda: session.get("/gain"), session.status):
            with pytest.raises(SessionError, match=state):
                call()
        with pytest.raises(SessionError, match=state):
            session.latents  # noqa: B018
        if state == "not started":
            session.start().close()


@pytest.mark.plays
def test_views_that_outlive_a_session_can_still_be_read(models: dict[str, Path]) -> None:
    with quiet(models["level"]) as session:
        history, state = session.segment["history"], session.deck.state
    assert np.isfinite(history).all()
    assert state["frames"] > 0


@pytest.mark.plays
def test_a_recording_never_writes_over_another(tmp_path: Path, models: dict[str, Path]) -> None:
    names = []
    for _ in range(3):
        with quiet(models["level"], record=tmp_path / "take.wav", seconds=0.2) as session:
            eventually(lambda: not session.playing)
            assert session.recorder is not None
            names.append(session.recorder.path.name)
    assert names == ["take.wav", "take-2.wav", "take-3.wav"]


@pytest.mark.plays
def test_a_recording_of_a_given_length_ends_without_a_click(tmp_path: Path, models: dict[str, Path]) -> None:
    with quiet(models["tone"], record=tmp_path / "take.wav", seconds=1.0) as session:
        eventually(lambda: not session.playing)
    audio, _ = sf.read(tmp_path / "take.wav")
    assert np.abs(audio[-64:]).max() < 0.01
    assert np.abs(audio[-6000:-4000]).max() > 0.2


@pytest.mark.plays
def test_a_message_that_cannot_be_used_is_named_in_a_note(models: dict[str, Path]) -> None:
    with quiet(models["level"], osc=("127.0.0.1", 0)) as session:
        assert session.osc is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            builder = OscMessageBuilder("/gain")
            builder.add_arg("loud")
            sender.sendto(builder.build().dgram, ("127.0.0.1", session.osc.port))
            eventually(lambda: any("/gain takes numbers, not 'loud'" in note for note in session.notes))


@pytest.mark.plays
def test_a_start_that_fails_leaves_no_process_and_no_memory(models: dict[str, Path], tmp_path: Path) -> None:
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


@pytest.mark.plays
def test_a_deck_that_cannot_load_says_why(models: dict[str, Path], tmp_path: Path) -> None:
    """The host reads the card, the deck the graph: an error that only the deck finds must reach the player."""
    from export.format.io import load

    model, _ = load(models["level"])
    model.graph.node[0].op_type = "NoSuchOperator"
    path = tmp_path / "broken.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(DeckError, match="onnxruntime cannot load the graph"):
        Session(path, device="null").start()


HOST = """
import sys
from realtime import Session
with Session(sys.argv[1], device="null") as session:
    print(session.deck.pid, session.segment.name, session.deck.segment.name, flush=True)
    sys.stdin.read()
"""


@pytest.mark.plays
def test_a_killed_host_leaves_no_orphan_and_the_next_start_sweeps(models: dict[str, Path]) -> None:
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, str(models["level"])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert host.stdout is not None
    deck, *names = host.stdout.readline().split()
    host.kill()
    host.wait()
    eventually(lambda: not is_alive(int(deck)))
    sweep()
    for name in names:
        with pytest.raises(Exception, match="There is no session"):
            Segment.attach(name)


@pytest.mark.plays
def test_segments_of_a_living_session_are_not_swept(models: dict[str, Path]) -> None:
    with quiet(models["level"]) as session:
        assert sweep() == []
        done = subprocess.run(
            [sys.executable, "-c", "from realtime.ipc.segment_registry import sweep; print(sweep())"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == "[]"
        Segment.attach(session.segment.name).close()


def test_a_registry_can_be_made_twice_in_a_process(tmp_path: Path) -> None:
    first, second = SegmentRegistry(tmp_path), SegmentRegistry(tmp_path)
    first.new_name()
    assert sweep(tmp_path) == []
    first.close()
    second.close()


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.plays
def test_a_script_needs_no_main_guard_and_ends_silently(models: dict[str, Path], tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, realtime\n"
        "with realtime.Session(sys.argv[1], device='null') as session:\n"
        "    session.load('orchestra').result()\n"
    )
    done = subprocess.run(
        [sys.executable, str(script), str(models["level"])], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
