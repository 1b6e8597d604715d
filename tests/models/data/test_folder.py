from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.data import features, folder, manifest
from models.data.folder import Settings
from models.files.errors import DataError

FORMATS = {"wav": 44_100, "flac": 96_000, "aiff": 22_050, "ogg": 48_000, "mp3": 32_000}


def tone(rate: int, channels: int, seconds: float = 0.5) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    return np.stack([0.3 * np.sin(2 * np.pi * 440 * time)] * channels, axis=1)


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """A folder a format, of another rate and channel count each."""
    root = tmp_path / "sounds"
    for channels, (extension, rate) in enumerate(FORMATS.items(), 1):
        (root / extension).mkdir(parents=True)
        for k in range(4):
            # MP3 knows two channels at most
            soundfile.write(root / extension / f"{k}.{extension}", tone(rate, min(channels, 2)), rate)
    return root


def test_every_format_rate_and_channel_count_is_indexed(sounds: Path, tmp_path: Path) -> None:
    made = folder.index(sounds, tmp_path / "m.json", Settings())
    assert made.labels == tuple(sorted(FORMATS))
    assert len(made.sounds) == 20
    for sound in made.sounds:
        assert sound.sample_rate == FORMATS[sound.label]
        assert sound.seconds == pytest.approx(0.5, abs=0.1)
    assert manifest.read(tmp_path / "m.json") == made


def test_every_format_is_read_at_the_models_rate(sounds: Path, tmp_path: Path) -> None:
    made = folder.index(sounds, tmp_path / "m.json", Settings())
    for sound in made.sounds[::4]:
        audio = features.load_audio(made.path_of(sound), 48_000)
        spectrum = np.abs(np.fft.rfft(audio[4_800:14_400] * np.hanning(9_600)))
        assert np.argmax(spectrum) * 5 == pytest.approx(440, abs=5)
        assert np.sqrt(np.mean(audio[4_800:14_400] ** 2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.05)


def test_a_flat_folder_has_its_own_name_as_label(tmp_path: Path) -> None:
    (tmp_path / "bells").mkdir()
    for k in range(3):
        soundfile.write(tmp_path / "bells" / f"{k}.wav", tone(48_000, 1), 48_000)
    made = folder.index(tmp_path / "bells", tmp_path / "m.json", Settings())
    assert made.labels == ("bells",)


def test_broken_files_are_listed_with_the_reason(sounds: Path, tmp_path: Path) -> None:
    whole = (sounds / "flac" / "0.flac").read_bytes()
    (sounds / "flac" / "cut.flac").write_bytes(whole[: len(whole) // 3])
    (sounds / "wav" / "text.wav").write_text("no sound")
    soundfile.write(sounds / "wav" / "empty.wav", np.zeros((0, 1)), 48_000)
    soundfile.write(sounds / "wav" / "silence.wav", np.zeros((100, 1)), 48_000)
    soundfile.write(sounds / "wav" / "short.wav", 0.1 * np.ones((10, 1)), 48_000)
    soundfile.write(sounds / "wav" / "nan.wav", np.full((100, 1), np.nan, np.float32), 48_000, subtype="FLOAT")
    made = folder.index(sounds, tmp_path / "m.json", Settings())
    skipped = {Path(entry.path).name: entry.reason for entry in made.skipped}
    assert set(skipped) == {"cut.flac", "text.wav", "empty.wav", "silence.wav", "nan.wav", "short.wav"}
    assert skipped["short.wav"] == "It lasts 0.2 ms and is shorter than a frame (42.7 ms)."
    assert all(skipped.values())
    assert len(made.sounds) == 20


def test_the_split_depends_only_on_path_and_seed(sounds: Path, tmp_path: Path) -> None:
    after = folder.index(sounds, tmp_path / "a.json", Settings(held_out=0.4))
    for k in range(8):
        before = after
        soundfile.write(sounds / "wav" / f"0{k}.wav", tone(48_000, 1, 0.05), 48_000)
        after = folder.index(sounds, tmp_path / "b.json", Settings(held_out=0.4))
        split = {sound.path: sound.split for sound in after.sounds}
        moved = [sound.label for sound in before.sounds if split[sound.path] != sound.split]
        assert moved in ([], ["wav"])
    other = folder.index(sounds, tmp_path / "c.json", Settings(held_out=0.4, seed=1))
    assert [s.split for s in other.sounds] != [s.split for s in after.sounds]


def test_neither_split_of_two_sounds_is_empty(tmp_path: Path) -> None:
    for k in range(2):
        soundfile.write(tmp_path / f"{k}.wav", tone(48_000, 1), 48_000)
    made = folder.index(tmp_path, tmp_path / "m.json", Settings(held_out=0.01))
    assert {sound.split for sound in made.sounds} == {"train", "held-out"}


@pytest.mark.parametrize(("share", "expected"), [(0.2, 2), (0.01, 1), (0.5, 6)])
@pytest.mark.parametrize("seed", range(4))
def test_of_every_label_the_same_share_is_held_out(tmp_path: Path, share: float, expected: int, seed: int) -> None:
    for label in ("a", "b", "c"):
        (tmp_path / label).mkdir()
        for k in range(12):
            soundfile.write(tmp_path / label / f"{k}.wav", tone(8_000, 1, 0.05), 8_000)
    made = folder.index(tmp_path, tmp_path / "m.json", Settings(share, seed))
    held_out = [sound.label for sound in made.of_split("held-out")]
    assert {label: held_out.count(label) for label in made.labels} == dict.fromkeys("abc", expected)


def test_labels_of_three_sounds_hold_out_one_and_smaller_labels_are_split_together(tmp_path: Path) -> None:
    for label, count in (("three", 3), ("two", 2), ("one", 1)):
        (tmp_path / label).mkdir()
        for k in range(count):
            soundfile.write(tmp_path / label / f"{k}.wav", tone(8_000, 1, 0.05), 8_000)
    made = folder.index(tmp_path, tmp_path / "m.json", Settings())
    held_out = [sound.label for sound in made.of_split("held-out")]
    assert held_out.count("three") == 1
    assert len(held_out) == 2


def test_a_manifest_cannot_have_the_name_of_a_sound(sounds: Path) -> None:
    with pytest.raises(DataError, match="A manifest is a .json file"):
        folder.index(sounds, sounds / "wav" / "0.wav", Settings())


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_a_share_out_of_range_is_an_error(sounds: Path, tmp_path: Path, share: float) -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        folder.index(sounds, tmp_path / "m.json", Settings(held_out=share))


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There are no sounds"):
        folder.index(tmp_path, tmp_path / "m.json", Settings())


def test_a_folder_of_broken_files_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    with pytest.raises(DataError, match=r"None of the sounds in .* can be used; of .*a.wav: Format not recognised\."):
        folder.index(tmp_path, tmp_path / "m.json", Settings())


def test_an_empty_file_is_reported_as_empty(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    with pytest.raises(DataError, match=r"a.wav: It is empty\."):
        folder.index(tmp_path, tmp_path / "m.json", Settings())


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        folder.index(tmp_path / "nowhere", tmp_path / "m.json", Settings())
