import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.data import manifest
from models.data.manifest import Manifest, Skipped, Sound, Source
from models.files.errors import DataError

SOUND = Sound(path="a/b.wav", label="a", seconds=1.5, sample_rate=44_100, split="train", pitch=60.5, velocity=80)


def plain() -> dict[str, Any]:
    return {
        "version": 1,
        "source": {"name": "x"},
        "sounds": [{"path": "b.wav", "label": "a", "seconds": 1, "sample_rate": 48_000, "split": "train"}],
    }


def test_a_written_manifest_is_read_back(tmp_path: Path) -> None:
    made = Manifest(tmp_path, Source("x", licence="MIT"), (SOUND,), (Skipped("c.wav", "It is broken."),))
    manifest.write(made, tmp_path / "manifest.json")
    assert manifest.read(tmp_path) == made
    assert manifest.read(tmp_path / "manifest.json") == made


def test_paths_are_relative_to_the_manifests_folder(tmp_path: Path) -> None:
    made = Manifest(tmp_path, Source("x"), (SOUND,))
    assert made.path_of(SOUND) == tmp_path / "a" / "b.wav"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"version": 7}, "version 7"),
        ({"sounds": []}, "no sounds"),
        ({"sounds": {}}, "'sounds' must be a list"),
        ({"sounds": [3]}, "entry 0 of 'sounds' must be an object"),
        ({"sounds": [{"path": "b.wav"}]}, "lacks 'label'"),
        ({"sounds": [{**plain()["sounds"][0], "colour": 1}]}, "unknown entry 'colour'"),
        ({"sounds": [{**plain()["sounds"][0], "seconds": "1"}]}, "'seconds' must be a number, not '1'"),
        ({"sounds": [{**plain()["sounds"][0], "seconds": 0}]}, "longer than 0 s"),
        ({"sounds": [{**plain()["sounds"][0], "sample_rate": True}]}, "'sample_rate' must be a whole number"),
        ({"sounds": [{**plain()["sounds"][0], "split": "test"}]}, "split 'test'"),
        ({"sounds": [{**plain()["sounds"][0], "pitch": 200}]}, "pitch of 0 to 127, not 200"),
        ({"sounds": [{**plain()["sounds"][0], "velocity": 0}]}, "velocity of 1 to 127"),
        ({"sounds": [plain()["sounds"][0]] * 2}, "listed twice"),
        ({"source": []}, "the source must be an object"),
    ],
)
def test_an_error_names_the_wrong_entry(tmp_path: Path, change: dict[str, Any], text: str) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(plain() | change))
    with pytest.raises(DataError, match=text) as caught:
        manifest.read(tmp_path)
    assert "manifest.json" in str(caught.value)


def test_a_file_that_is_not_json_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match="not a manifest, nor a folder that holds one; make one with"):
        manifest.read(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(DataError, match="not JSON"):
        manifest.read(tmp_path)


def test_the_error_of_a_missing_manifest_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="glitch-lab data"):
        manifest.read(tmp_path)


def test_a_wrong_manifest_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sounds"):
        manifest.write(Manifest(tmp_path, Source("x"), ()), tmp_path / "manifest.json")
    assert not list(tmp_path.iterdir())


def test_pieces_of_a_file_are_separate_sounds_and_duplicates_are_rejected(tmp_path: Path) -> None:
    pieces = [replace(SOUND, start=start) for start in (0.0, 1.5)]
    made = Manifest(tmp_path, Source("x"), tuple(pieces))
    manifest.write(made, tmp_path / "manifest.json")
    assert manifest.read(tmp_path) == made
    for wrong, text in (([pieces[0]] * 2, "listed twice"), ([replace(SOUND, start=-1.0)], "start at 0 s or later")):
        with pytest.raises(DataError, match=text):
            manifest.validate(Manifest(tmp_path, Source("x"), tuple(wrong)))
