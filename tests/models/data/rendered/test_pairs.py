"""Two domains are alike in level and length, are made again to the bit, and say where they come from."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from models.data import manifest
from models.data.features import load_audio
from models.data.rendered import barks, pairs, random_melodies
from models.files.errors import DataError


@pytest.mark.parametrize("kind", ["plucked-brass", "barks-horns"])
def test_the_sounds_of_a_pair_have_the_same_level_and_are_reproducible(kind: pairs.Kind, tmp_path: Path) -> None:
    settings = pairs.Settings(kind, minutes=0.7)
    reported: list[int] = []
    made = pairs.render(tmp_path / "a", settings, command="a test", on_sound=lambda done, total: reported.append(done))
    assert reported[-1] == sum(len(domain.sounds) for domain in made)
    for domain, name in zip(made, kind.split("-"), strict=True):
        read = manifest.read(tmp_path / "a" / name)
        assert read.sounds == domain.sounds
        assert read.source.command == "a test"
        assert read.source.licence.startswith(("MIT", "CC0", "that of the soundfont"))
        for sound in domain.sounds:
            audio = load_audio(domain.path_of(sound), 48_000).astype(float)
            level, peak = 10 * np.log10(np.mean(audio**2)), np.abs(audio).max()
            assert level == pytest.approx(pairs.LEVEL_DB, abs=0.1) or peak == pytest.approx(pairs.PEAK, abs=1e-3)
    again = pairs.render(tmp_path / "b", settings, command="a test")
    for one, other in zip(made, again, strict=True):
        assert all(one.path_of(s).read_bytes() == other.path_of(s).read_bytes() for s in one.sounds)


def test_every_fifth_of_a_kind_is_held_out(tmp_path: Path) -> None:
    source, _ = pairs.render(tmp_path, pairs.Settings("barks-horns", minutes=0.4))
    assert [sound.split for sound in source.sounds] == [
        *["train"] * 4,
        "held-out",
        *["train"] * 4,
        "held-out",
        "train",
        "train",
    ]


def test_wrong_settings_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pair 'cats'"):
        pairs.render(tmp_path, pairs.Settings("cats"))  # type: ignore[arg-type]
    (tmp_path / "something").touch()
    with pytest.raises(DataError, match="isn't an empty folder"):
        pairs.render(tmp_path, pairs.Settings())


def test_a_phrase_stays_in_its_range_and_ends_in_time() -> None:
    for seed in range(20):
        notes = random_melodies.draw(6.0, 50, 70, np.random.default_rng(seed))
        assert len(notes) >= 3
        assert all(50 <= note.pitch <= 70 and note.start + note.held <= 6.0 for note in notes)
        assert all(a.start + a.held <= b.start for a, b in itertools.pairwise(notes))


def test_horns_hold_and_barks_do_not() -> None:
    def loud(audio: np.ndarray) -> float:
        level = np.sqrt(np.square(audio.reshape(-1, 480)).mean(axis=1))
        return float((level > 0.5 * level.max()).mean())

    dogs, cars = (
        np.mean([loud(make(48_000, np.random.default_rng(k))) for k in range(12)]) for make in (barks.bark, barks.horn)
    )
    assert dogs < 0.6 * cars
