"""Offline playing gives the samples of the stage."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from realtime import Session
from realtime.decks.offline_deck import OfflineDeck
from realtime.engine.engine import Engine
from realtime.session.session_file.document import DeckEntry, SessionFile
from realtime.session.session_file.file_io import write
from realtime.session.session_file.model_search import sha256
from tests import reference
from tests.eventually import eventually

RATE, SECONDS, SEED = 48_000, 1.5, 7
AHEAD = {"/ahead": 16_384.0}  # so that nothing is late on a busy machine


def on_stage(model: Path, folder: Path, knobs: dict[str, float]) -> np.ndarray:
    """Play a model from rest with these values, and return the recording from the first sound on."""
    recording, show = folder / "played.wav", folder / "show.json"
    deck = DeckEntry(model=model.stem, path=str(model), sha256=sha256(model), values=knobs)
    write(show, SessionFile(host=AHEAD, decks={"a": deck}))
    with Session(
        model, device="null", samplerate=RATE, library=model.parent, session=show, seed=SEED, record=recording
    ) as session:
        until = session.began + (SECONDS + 0.1) * RATE
        eventually(lambda: session.clock >= until)
        assert session.status().underruns == 0
    return sf.read(recording, dtype="float32", always_2d=True)[0]


def offline(model: Path, knobs: dict[str, float], channels: int | None = None) -> np.ndarray:
    engine = Engine(model, RATE, seed=SEED)
    for address, value in knobs.items():
        engine.apply(engine.table[address].index, value)
    engine.settle()
    stage = OfflineDeck(engine, channels)
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < SECONDS * RATE:
        parts.append(stage.next())
    return np.concatenate(parts)[: round(SECONDS * RATE)]


@pytest.mark.plays
@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("bundled", {"/walk/kind": 1.0, "/walk/speed": 3.0, "/walk/radius": 1.5, "/walk/seed": 7.0, "/pitch": 62.5}),
        ("slow", {"/walk/kind": 2.0, "/walk/speed": 5.0, "/walk/radius": 2.0, "/walk/seed": 7.0}),
        ("stereo", {"/walk/speed": 4.0, "/walk/seed": 7.0, "/latent/1/bias": 2.0}),
    ],
)
def test_offline_gives_the_samples_that_the_stage_records(
    models: dict[str, Path], tmp_path: Path, name: str, knobs: dict[str, float]
) -> None:
    model = tmp_path / f"{name}.onnx"
    shutil.copy(models[name], model)
    wanted = on_stage(model, tmp_path, knobs)[: round(SECONDS * RATE)]
    found = offline(model, knobs, channels=2)
    assert np.abs(found).max() > 0.05
    assert len(wanted) == len(found)
    assert np.abs(found - wanted).max() <= 1e-5


def test_mono_is_equal_on_both_channels(models: dict[str, Path]) -> None:
    knobs = {"/latent/1": 3.0}
    one, two = offline(models["level"], knobs), offline(models["level"], knobs, channels=2)
    assert one.shape == (len(two), 1)
    assert (one == two).all()


def test_frames_longer_than_a_part_of_the_ring_are_played_whole(tmp_path: Path) -> None:
    output = []
    for hop in (20_000, 200):
        engine = Engine(reference.level_model(tmp_path / f"{hop}.onnx", hop=hop), RATE)
        for address, value in (("/walk/radius", 0.0), ("/latent/1", 2.0)):
            engine.apply(engine.table[address].index, value)
        engine.settle()
        stage = OfflineDeck(engine)
        output.append(np.concatenate([stage.next() for _ in range(40_000 // hop)]))
    assert np.abs(output[0]).max() > 0.1
    assert (output[0] == output[1]).all()
