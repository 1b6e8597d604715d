import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.data import features, manifest
from models.data.manifest import Manifest
from models.data.rendered import orchestra
from models.dsp import pitch
from models.files.errors import DataError


def test_every_note_asked_for_is_there(small_orchestra: Manifest) -> None:
    flute = [s for s in small_orchestra.sounds if s.label == "flute"]
    assert [s.pitch for s in flute] == list(range(60, 94, 3))
    for sound in small_orchestra.sounds:
        info = soundfile.info(small_orchestra.path_of(sound))
        assert (info.samplerate, info.channels, info.subtype) == (48_000, 1, "PCM_24")
        assert info.frames == round(1.4 * 48_000)


def test_held_out_are_the_pitches_that_leave_two_over_fives(small_orchestra: Manifest) -> None:
    held_out = [(s.label, s.pitch) for s in small_orchestra.of_split("held-out")]
    assert held_out == [("flute", 72), ("flute", 87), ("clarinet", 62), ("clarinet", 77)]
    assert all(s.pitch is not None and s.pitch % 5 != 2 for s in small_orchestra.of_split("train"))


def test_the_manifest_on_disk_has_the_source_of_the_sounds(small_orchestra: Manifest) -> None:
    source = manifest.read(small_orchestra.folder).source
    assert "FluidSynth" in source.tool
    assert len(source.soundfont_sha256) == 64
    assert source.command == "a test"


@pytest.mark.parametrize("k", [0, 5, -1])
def test_a_note_has_the_pitch_it_is_named_for(small_orchestra: Manifest, k: int) -> None:
    sound = small_orchestra.sounds[k]
    audio = features.load_audio(small_orchestra.path_of(sound), 48_000)
    assert sound.pitch is not None
    measured = np.median(pitch.estimate(audio, 48_000, 256)[20:150])
    assert abs(measured - sound.pitch) < 0.3


def test_a_note_begins_in_its_own_file_and_ends_there(small_orchestra: Manifest) -> None:
    for sound in small_orchestra.sounds:
        audio = features.load_audio(small_orchestra.path_of(sound), 48_000)
        assert np.abs(audio[:9_600]).max() > 0.01
        assert np.abs(audio[-100:]).max() == 0


def test_the_same_settings_give_the_same_bytes(small_orchestra: Manifest, tmp_path: Path) -> None:
    settings = orchestra.Settings(step=3, velocities=(80,), instruments=("flute", "clarinet"))
    again = orchestra.render(tmp_path, settings, command="a test")
    assert again.sounds == small_orchestra.sounds
    for sound in again.sounds:
        here, there = (hashlib.sha256(m.path_of(sound).read_bytes()).hexdigest() for m in (again, small_orchestra))
        assert here == there


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (orchestra.Settings(instruments=("kazoo",)), "no instrument kazoo; there are violin"),
        (orchestra.Settings(step=0), "at least 1 semitone"),
        (orchestra.Settings(velocities=(0,)), "from 1 to 127"),
        (orchestra.Settings(rate=1), "8000 to 96000"),
        (orchestra.Settings(soundfont=Path("/no/such.sf2")), "no soundfont /no/such.sf2"),
    ],
)
def test_wrong_settings_are_an_error(tmp_path: Path, settings: orchestra.Settings, text: str) -> None:
    with pytest.raises(DataError, match=text):
        orchestra.render(tmp_path, settings)


def test_a_missing_fluidsynth_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="install the package fluidsynth"):
        orchestra.render(tmp_path, orchestra.Settings())


@pytest.mark.parametrize("content", [b"RIFF nonsense", b"RIFF\x00\x10\x00\x00sfbkLIST"])
def test_a_file_that_is_no_soundfont_is_an_error(tmp_path: Path, content: bytes) -> None:
    fake = tmp_path / "fake.sf2"
    fake.write_bytes(content)
    settings = orchestra.Settings(soundfont=fake, instruments=("flute",), velocities=(80,), step=12)
    with pytest.raises(DataError, match="fake.sf2 is no soundfont"):
        orchestra.render(tmp_path / "out", settings)
