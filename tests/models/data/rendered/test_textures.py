"""Textures: in full sound all along, in one scale, the same for the same seed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.data import manifest
from models.data.rendered import fluidsynth, textures
from models.files.errors import DataError

SETTINGS = textures.Settings()


@pytest.mark.parametrize("name", list(textures.TEXTURES))
def test_a_texture_sounds_from_the_first_sample_to_the_last(name: str) -> None:
    soundfont = fluidsynth.find_soundfont(None)
    once, again = (textures.play(name, 3.0, soundfont, SETTINGS, np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(once, again)
    assert len(once) == 3 * SETTINGS.rate
    assert np.abs(once).max() < 1
    assert all(np.sqrt(np.mean(part**2)) > 1e-3 for part in np.split(once, 3))


def test_notes_are_of_the_scale_and_inside_the_range() -> None:
    part = textures.TEXTURES["bells"][1]
    events = textures._notes(part, 3, 60.0, np.random.default_rng(0))
    pitches = {event.message[1] for event in events}
    assert all(pitch % 12 in textures.SCALE and part.lowest <= pitch <= part.highest for pitch in pitches)
    assert len(pitches) > 8
    assert {event.message[0] for event in events} == {0x93, 0x83}
    assert 100 < len(events) / 2 < 220  # 156 on average


def test_the_manifest_has_their_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textures, "PIECE_SECONDS", 1.0)
    settings = replace(SETTINGS, minutes=0.05, textures=("glass",))
    textures.render(tmp_path / "made", settings, command="a test")
    made = manifest.read(tmp_path / "made")
    assert [sound.split for sound in made.sounds] == ["train", "train", "held-out"]
    assert made.labels == ("glass",)
    assert made.source.tool.startswith("FluidSynth")
    assert len(made.source.soundfont_sha256) == 64
    with pytest.raises(DataError, match="isn't an empty folder"):
        textures.render(tmp_path / "made", settings)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (textures.Settings(textures=("rain",)), "no texture rain; there are choir"),
        (textures.Settings(minutes=0), "longer than 0 minutes"),
        (textures.Settings(rate=1), "8000 to 96000"),
    ],
)
def test_wrong_settings_are_an_error(tmp_path: Path, settings: textures.Settings, text: str) -> None:
    with pytest.raises(DataError, match=text):
        textures.render(tmp_path / "out", settings)
