"""Sound without end, to a file: the stage's own, for as long as asked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from export.errors import GlitchError
from models.play_to_file.explore import ExploreSettings, explore
from models.play_to_file.generate import GenerateSettings, generate
from tests import reference
from tests.models.play_to_file.test_transform import glitch_lab


@pytest.mark.parametrize("walk", ["linear", "spherical", "brownian"])
def test_it_is_the_walk_that_explore_and_the_stage_go(models: dict[str, Path], tmp_path: Path, walk: str) -> None:
    generate(models["bundled"], tmp_path / "one.wav", GenerateSettings(0.05, walk, speed=2.0, seed=3))
    explore(models["bundled"], tmp_path / "two.wav", ExploreSettings(walk, seconds=3.0, speed=2.0, seed=3))  # type: ignore[arg-type]
    one, two = (sf.read(tmp_path / name, dtype="float32")[0] for name in ("one.wav", "two.wav"))
    assert len(one) == 3 * 48_000
    assert np.abs(one).max() > 0.01
    np.testing.assert_array_equal(one, two)


def test_a_generator_of_long_chunks_ends_on_the_sample(tmp_path: Path) -> None:
    model = reference.level_model(tmp_path / "chunks.onnx", hop=30_000)
    made = generate(model, tmp_path / "out.flac", GenerateSettings(0.05, rate=44_100))
    info = sf.info(tmp_path / "out.flac")
    assert (info.frames, info.samplerate, made.rate) == (3 * 44_100, 44_100, 44_100)


@pytest.mark.parametrize(
    ("model", "settings", "says"),
    [
        ("passing", GenerateSettings(1), "makes no sound by itself: it transforms sound; 'glitch-lab transform' sends"),
        ("level", GenerateSettings(0), "longer than 0 and at most 1440 minutes"),
        ("level", GenerateSettings(1, "crooked"), "There is no walk 'crooked'"),
        ("level", GenerateSettings(1, controls={"colour": 1.0}), "no control 'colour'"),
    ],
)
def test_impossible_requests_give_a_one_sentence_error_and_leave_no_file(
    models: dict[str, Path], tmp_path: Path, model: str, settings: GenerateSettings, says: str
) -> None:
    with pytest.raises(GlitchError, match=says):
        generate(models[model], tmp_path / "out.wav", settings)
    assert not list(tmp_path.iterdir())


def test_the_command_overwrites_only_if_asked(models: dict[str, Path], tmp_path: Path) -> None:
    command = ["generate", models["level"], tmp_path / "out.wav", "--minutes", "0.02", "--walk", "spherical"]
    done = subprocess.run(glitch_lab(*command), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1.2 s of sound" in done.stdout
    again = subprocess.run(glitch_lab(*command), capture_output=True, text=True)
    assert again.returncode == 1
    assert "is there already" in again.stderr
    forced = subprocess.run(glitch_lab(*command, "--force"), capture_output=True, text=True)
    assert forced.returncode == 0, forced.stderr
