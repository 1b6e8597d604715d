from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.data import features
from models.data.features import Analysis
from models.data.manifest import Manifest, Sound, Source
from models.files.errors import DataError

SINE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)).astype(np.float32)


@pytest.fixture
def sines(tmp_path: Path) -> Manifest:
    soundfile.write(tmp_path / "sine.wav", SINE, 48_000, subtype="FLOAT")
    return Manifest(tmp_path, Source("x"), (Sound("sine.wav", "sine", 1.0, 48_000, "train", pitch=69.0),))


def test_loudness_pitch_and_peak_of_a_sine_are_measured() -> None:
    found = features.analyse(SINE, Analysis(), note=69.0)
    middle = slice(10, -10)
    assert found.loudness[middle] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.02)
    assert found.pitch[middle] == pytest.approx(69, abs=0.01)
    assert (found.log_magnitude[middle].argmax(axis=1) == round(440 * 2048 / 48_000)).all()


def test_loudness_is_the_rms_of_any_sound() -> None:
    noise = (0.1 * np.random.default_rng(0).standard_normal(480_000)).astype(np.float32)
    found = features.analyse(noise, Analysis(), note=60.0)
    assert 10 * np.log10(np.mean(10 ** (found.loudness[10:-10] / 10))) == pytest.approx(-20, abs=0.1)


def test_silence_is_finite() -> None:
    found = features.analyse(np.zeros(4_800, np.float32), Analysis())
    assert (found.loudness == features.SILENCE_DB).all()
    assert np.isfinite(found.log_magnitude).all()
    assert np.isfinite(found.pitch).all()


def test_any_rate_and_channel_count_becomes_mono_at_the_models_rate(tmp_path: Path) -> None:
    time = np.arange(44_100) / 44_100
    left, right = np.sin(2 * np.pi * 1_000 * time), np.zeros(44_100)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 44_100, subtype="FLOAT")
    audio = features.load_audio(tmp_path / "a.wav", 48_000)
    assert audio.shape == (48_000,)
    assert np.abs(audio[4_800:-4_800]).max() == pytest.approx(0.5, abs=0.01)


def test_features_come_from_the_cache_until_sound_or_settings_change(sines: Manifest, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = features.of_sounds(sines, sines.sounds, Analysis(), cache)[0]
    (entry,) = cache.iterdir()
    written = entry.stat().st_mtime_ns
    again = features.of_sounds(sines, sines.sounds, Analysis(), cache)[0]
    assert entry.stat().st_mtime_ns == written
    assert np.array_equal(again.log_magnitude, first.log_magnitude)
    features.of_sounds(sines, sines.sounds, Analysis(hop=512), cache)
    features.of_sounds(sines, [replace(sines.sounds[0], pitch=None)], Analysis(), cache)
    assert len(list(cache.iterdir())) == 3
    soundfile.write(tmp_path / "sine.wav", SINE / 2, 48_000, subtype="FLOAT")
    quieter = features.of_sounds(sines, sines.sounds, Analysis(), cache)[0]
    assert quieter.loudness[50] == pytest.approx(first.loudness[50] - 6.02, abs=0.02)


def test_a_truncated_cache_entry_is_replaced(sines: Manifest, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = features.of_sounds(sines, sines.sounds, Analysis(), cache)[0]
    (entry,) = cache.iterdir()
    entry.write_bytes(entry.read_bytes()[:1000])
    again = features.of_sounds(sines, sines.sounds, Analysis(), cache)[0]
    assert np.array_equal(again.log_magnitude, first.log_magnitude)


def test_a_missing_sound_is_an_error(sines: Manifest, tmp_path: Path) -> None:
    (tmp_path / "sine.wav").unlink()
    with pytest.raises(DataError, match="which the manifest lists"):
        features.of_sounds(sines, sines.sounds, Analysis(), tmp_path / "cache")


def test_a_file_without_sound_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    with pytest.raises(DataError, match="Cannot read the sound"):
        features.load_audio(tmp_path / "a.wav", 48_000)
