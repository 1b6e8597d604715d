from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data import held_out_split
from models.data.held_out_split import hold_out
from models.data.manifest import Sound
from models.files.errors import DataError


def sound(path: str, label: str = "a", pitch: float | None = None, start: float | None = None) -> Sound:
    return Sound(path, label, 1.0, 48_000, "train", pitch=pitch, start=start)


NOTES = [sound(f"{label}/{pitch}", label, pitch) for label in ("flute", "horn", "oboe") for pitch in range(50, 70)]


def held(sounds: list[Sound], **options: object) -> list[Sound]:
    return [one for one in hold_out(sounds, **options) if one.split == "held-out"]  # type: ignore[arg-type]


def test_whole_pitches_are_held_out_of_every_instrument() -> None:
    pitches = {one.pitch for one in held(NOTES, by="pitch")}
    assert len(pitches) == 4
    assert held(NOTES, by="pitch") == [replace(one, split="held-out") for one in NOTES if one.pitch in pitches]


def test_whole_labels_are_held_out() -> None:
    found = held(NOTES, by="label")
    assert len(found) == 20
    assert len({one.label for one in found}) == 1


def test_sounds_without_a_pitch_are_held_out_by_file() -> None:
    without = [sound(f"noise/{k}", "noise") for k in range(10)]
    found = held([*NOTES, *without], by="pitch")
    assert sum(one.label == "noise" for one in found) == 2


def test_pieces_of_a_file_stay_together_if_there_are_other_files() -> None:
    pieces = [sound(f"{name}.wav", start=float(k)) for name in "abc" for k in range(5)]
    found = held(pieces)
    assert len(found) == 5
    assert len({one.path for one in found}) == 1


def test_pieces_of_a_lone_file_are_split() -> None:
    assert len(held([sound("a.wav", start=float(k)) for k in range(10)], share=0.3)) == 3


@given(st.integers(2, 30), st.floats(0.01, 0.99), st.integers(0, 100), st.sampled_from(held_out_split.HOLD_OUT))
def test_neither_split_is_empty(count: int, share: float, seed: int, by: held_out_split.HoldOut) -> None:
    sounds = [sound(f"{k}.wav", f"label {k % 2}", 40.0 + k) for k in range(count)]
    kinds = {one.split for one in hold_out(sounds, by=by, share=share, seed=seed)}
    assert kinds == {"train", "held-out"}


def test_too_few_labels_or_pitches_are_an_error() -> None:
    with pytest.raises(DataError, match="none can be held out by label"):
        hold_out([sound("a"), sound("b")], by="label")
    with pytest.raises(DataError, match="fewer than two known pitches"):
        hold_out([sound("a"), sound("b", pitch=60.0)], by="pitch")
    with pytest.raises(DataError, match="file, label, pitch, not 'colour'"):
        held_out_split.known("colour")
