"""A model that transforms live sound, on the whole stage: in time, taken, and said where there is nothing to hear."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from realtime import Session
from realtime.effects.chain import find
from realtime.library.library import Library
from realtime.params.table import ParameterError
from realtime.takes.renderer import render
from tests import reference
from tests.eventually import eventually
from tests.jack import JackServer
from tests.realtime.sessions import stem, wait
from tests.realtime.signals import NOISE, lag
from tests.realtime.takes.test_take import ENDS
from tests.realtime.test_cli import Playing, glitch_live
from tests.realtime.virtual_stage import in_and_out, listening, still


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_the_answer_and_the_dry_path_come_after_the_latency_that_is_shown(models: dict[str, Path], rate: int) -> None:
    with listening(models["passing"], NOISE, settings={"samplerate": rate}, mix=0) as stage:
        session, lags = stage.session, {}
        for mix in (0, 1):
            session.set("/input/mix", mix)
            stage.play(0.3)
            lags[mix] = lag(*in_and_out(stage, 2.0))
        shown = session.parts.status.readings()["/latency/input"][0] / 1000 * rate
        parts = session.latency_ms()
    assert lags[0] == lags[1] == pytest.approx(shown)
    assert parts["model"] >= 1000 * 48 / 48_000 - 0.1, "the model's own delay is not in /latency"


def test_the_latency_of_a_model_of_magnitudes_is_shown(models: dict[str, Path]) -> None:
    with listening(models["resonant"], NOISE, mix=1) as stage:
        session = stage.session
        assert session.latency_ms()["model"] == pytest.approx(1000 * (512 - 128) / 48_000)
        least = 1000 * (512 - 128 + 128) / 48_000  # the delay, and the hop that must be complete first
        assert session.parts.status.readings()["/latency/input"][0] > least


def test_a_frozen_sound_survives_a_recall_and_a_change_of_effects(models: dict[str, Path]) -> None:
    with listening(models["passing"], NOISE, mix=1) as stage:
        session = stage.session
        session.set("/freeze/length", 100)
        session.set("/freeze", 1)
        stage.play(0.5)
        session.recall.save("frozen", 1)
        stage.until(lambda: session.recall.snapshots.find("frozen").decks["a"].state is not None)
        before = loop(session)
        session.set("/freeze", 0)
        stage.play(0.5)
        released = loop(session)
        stage.play(0.25)
        assert not same(released, loop(session)), "nothing was let go"
        session.recall.recall("frozen")
        stage.play(0.5)
        assert session.get("/freeze") == 1.0
        assert same(before, loop(session)), "a recall brought something else back"
        session.set_effects(lambda _now: (find("gain", None),)).result(60)
        stage.play(0.5)
        assert same(before, loop(session)), "other effects ended what was frozen"


def loop(session: Session) -> np.ndarray:
    """Give the 100 ms that sounded last."""
    at = np.arange(session.clock - 4800, session.clock)
    history = session.segment["history"]
    return np.asarray(history[at % len(history), 0].copy())


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two loops hold the same, wherever they begin."""
    spectra = [np.fft.rfft(x) for x in (one, other)]
    alike = np.fft.irfft(np.conj(spectra[0]) * spectra[1]).max()
    return bool(alike > 0.95 * np.sqrt((one**2).sum() * (other**2).sum()))


@pytest.fixture
def shelf(tmp_path: Path, models: dict[str, Path]) -> Path:
    """A library of a tone and of models that transform."""
    folder = tmp_path / "library"
    folder.mkdir()
    for name in ("tone", "passing", "resonant", "louder"):
        shutil.copy(models[name], folder / f"{name}.onnx")
    return folder


@pytest.mark.plays
@pytest.mark.parametrize("model", ["passing", "resonant"])
def test_freeze_and_feedback_are_rendered_exactly(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """Our output is plugged into our input: a tone on deck A, and what comes back through the model of deck B."""

    def perform(session: Session) -> None:
        session.set("/focus", 1)
        session.load(model).result(60)
        ports = subprocess.run(["jack_lsp"], capture_output=True, text=True, check=True).stdout.split()
        (out, *_), (into, *_) = ([port for port in ports if end in port and "system" not in port] for end in ENDS)
        subprocess.run(["jack_connect", out, into], check=True)
        session.set("/crossfade", 0.4)
        eventually(lambda: session.segment["input_meters"]["peak"][0] > 0.05)
        for k in range(8):
            session.set("/feedback", (k % 3) / 4)
            session.set("/freeze/length", 30 + 60 * k)
            session.set("/freeze", k % 2)
            session.set("/input/mix", 1 - (k % 4) / 8)
            if k == 3:
                session.recall.save("one", 1)
                eventually(lambda: "one" in [kept.name for kept in session.recall.snapshots])
            if k == 6:
                session.recall.recall("one")
            wait(session, 0.1)
        session.set("/take", 0)
        eventually(lambda: any("The take of" in note for note in session.notes))

    with JackServer() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        recording, take, again = (tmp_path / name for name in ("played.wav", "played.take", "again.wav"))
        with Session(shelf / "tone.onnx", library=shelf, input_device="", record=recording, take=take) as session:
            perform(session)
    render(take, again, Library(shelf))
    received, rendered = (sf.read(path, dtype="float32", always_2d=True)[0] for path in (recording, again))
    np.testing.assert_array_equal(received[: len(rendered)], rendered)
    assert np.abs(rendered).max() > 0.05


@pytest.mark.plays
def test_without_an_input_it_plays_and_notifies_once(models: dict[str, Path], shelf: Path) -> None:
    with Session(models["bundled"], device="null", library=shelf) as session:
        session.load("louder", letter="b").result(60)
        (note,) = [note for note in session.notes if "input is silent" in note]
        assert note.count(". ") == 0
        for part in ("passing", "live input", "--input default", "--list-devices"):
            assert part in note
        assert session.parts.rack.players["b"].process.alive  # type: ignore[union-attr]
        assert session.latents.size


@pytest.mark.plays
def test_knobs_of_latents_come_back_with_a_model_that_has_them(models: dict[str, Path], shelf: Path) -> None:
    turned = {"/walk/radius": 2.0, "/walk/seed": 7.0, "/latent/1": 1.5}
    with Session(models["tone"], device="null", library=shelf) as session:
        for address, value in turned.items():
            session.set(address, value)
        session.load("passing").result(60)
        for address in turned:
            with pytest.raises(ParameterError, match=f"no parameter {address}"):
                session.set(address, 0)
        session.load("tone").result(60)
        assert {address: session.get(address) for address in turned} == turned


@pytest.mark.plays
def test_the_command_takes_it(models: dict[str, Path], tmp_path: Path) -> None:
    playing = Playing("--headless", "--model", models["passing"], "--input", "default")
    playing.process.terminate()
    assert playing.process.wait(30) == 0
    assert "/feedback" in playing.greeting
    assert ", hearing " in playing.greeting
    eventually(lambda: not playing.left())
    listed = glitch_live("--model", models["passing"], "--list-params")
    assert "/freeze/length" in listed.stdout
    assert "/latent/" not in listed.stdout
    checked = glitch_live("--model", models["resonant"], "--check", "--seconds", "1")
    assert "resonant.onnx" in checked.stdout
    for name in ("one.json", "one.tosc"):
        done = glitch_live("--model", models["passing"], "--layout", tmp_path / name)
        assert done.returncode == 0, done.stderr
    assert "/a/feedback" in (tmp_path / "one.json").read_text()
    json.loads((tmp_path / "one.json").read_text())


def test_a_generator_of_chunks_of_a_second_plays_without_an_underrun(tmp_path: Path) -> None:
    model = reference.level_model(tmp_path / "chunks.onnx", hop=48_000)
    with still(model, cost_ms=400.0) as stage:
        stage.session.set("/latent/1", 2)
        stage.play(4.0)
        assert stage.session.status().underruns == 0
        np.testing.assert_allclose(stem(stage.session, "a", stage.clock - 24_000, stage.clock), 0.2, atol=1e-3)
