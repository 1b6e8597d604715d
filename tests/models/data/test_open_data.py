from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.data import features, manifest
from models.data.features import Analysis
from models.data.open_data import DataRequest, open_data, open_shared
from models.files.errors import DataError
from tests.models.tones import spoil, tone, write_tones


def test_an_unprepared_folder_is_listed_and_broken_files_are_named(tmp_path: Path) -> None:
    sounds = write_tones(tmp_path / "sounds")
    spoil(sounds)
    opened = open_data(DataRequest(sounds), tmp_path / "run" / "data.json")
    assert opened.raw
    assert {Path(entry.path).name for entry in opened.sounds.skipped} == {"broken.wav", "empty.wav"}
    assert opened.sounds.labels == ("high", "low")
    assert manifest.read(tmp_path / "run" / "data.json") == opened.sounds
    assert all(opened.sounds.path_of(sound).is_file() for sound in opened.sounds.sounds)


def test_a_manifest_keeps_its_split_unless_another_is_requested(tmp_path: Path) -> None:
    sounds = write_tones(tmp_path / "sounds")
    made = open_data(DataRequest(sounds), sounds / "manifest.json").sounds
    listed = tmp_path / "run" / "data.json"
    for data in (sounds, sounds / "manifest.json"):
        opened = open_data(DataRequest(data), listed)
        assert opened.sounds == made
        assert not opened.raw
        assert not listed.exists()
    again = open_data(DataRequest(sounds, "label"), listed).sounds
    assert {sound.label for sound in again.of_split("held-out")} in ({"high"}, {"low"})
    assert manifest.read(listed) == again
    assert all(again.path_of(sound).is_file() for sound in again.sounds)


def test_the_manifest_of_another_worker_is_used(tmp_path: Path) -> None:
    sounds, listed = write_tones(tmp_path / "sounds"), tmp_path / "data.json"
    first = open_shared(DataRequest(sounds), listed)
    soundfile.write(sounds / "low" / "late.wav", tone(48_000, 300.0), 48_000)
    assert open_shared(DataRequest(sounds), listed) == first


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder and no manifest"):
        open_data(DataRequest(tmp_path / "nowhere"), tmp_path / "data.json")


def test_the_pieces_of_a_long_recording_add_up_to_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    random = np.random.default_rng(0)
    whole = (0.1 * random.standard_normal(16_000 * 70)).astype(np.float32)
    soundfile.write(tmp_path / "in" / "long.wav", whole, 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "in" / "short.wav", whole[:16_000], 16_000, subtype="FLOAT")
    made = open_data(DataRequest(tmp_path / "in"), tmp_path / "data.json").sounds
    pieces = [sound for sound in made.sounds if sound.path.endswith("long.wav")]
    assert [sound.start for sound in pieces] == pytest.approx([0.0, 70 / 3, 140 / 3], abs=1e-4)
    joined = np.concatenate([features.load_sound(made, sound, 16_000) for sound in pieces])
    assert len(joined) == pytest.approx(len(whole), abs=3)
    assert np.array_equal(joined[:100_000], whole[:100_000])


def test_a_lone_recording_can_be_trained_on(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "one.wav", tone(16_000, 220.0, seconds=6.0), 16_000)
    made = open_data(DataRequest(tmp_path / "in"), tmp_path / "data.json").sounds
    assert len(made.sounds) == 5
    assert len(made.of_split("held-out")) == 1


def test_holding_out_by_pitch_estimates_the_pitch_of_each_note(tmp_path: Path) -> None:
    sounds = write_tones(tmp_path / "sounds")
    soundfile.write(sounds / "low" / "noise.wav", 0.1 * np.random.default_rng(0).standard_normal(24_000), 48_000)
    made = open_data(DataRequest(sounds, "pitch"), tmp_path / "data.json").sounds
    found = {Path(sound.path).parent.name + Path(sound.path).stem: sound.pitch for sound in made.sounds}
    assert found.pop("lownoise") is None
    expected = {f"{label}{k}": lowest + k for label, lowest in (("low", 57), ("high", 69)) for k in range(4)}
    assert found == {name: pytest.approx(pitch, abs=0.1) for name, pitch in expected.items()}


def test_several_processes_compute_the_same_features(tmp_path: Path) -> None:
    sounds = write_tones(tmp_path / "sounds", count=8)
    made = open_data(DataRequest(sounds), tmp_path / "data.json").sounds
    analysis, seen = Analysis(16_000, 256, 64), []
    alone = features.of_sounds(made, made.sounds, analysis, tmp_path / "a")
    together = features.of_sounds(
        made, made.sounds, analysis, tmp_path / "b", workers=2, on_sound=lambda done, total: seen.append((done, total))
    )
    assert seen == [(k, 16) for k in range(1, 17)]
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one.log_magnitude, other.log_magnitude)
        assert np.array_equal(one.pitch, other.pitch)
    # All come from the cache now, and are reported at once.
    seen.clear()
    features.of_sounds(made, made.sounds, analysis, tmp_path / "b", on_sound=lambda *counts: seen.append(counts))
    assert seen == [(16, 16)]
