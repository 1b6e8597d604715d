"""Style metrics: two known domains are distinguished, and known onsets are found."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.dsp.onsets import onsets_s
from models.evaluation.style_metrics import (
    StyleClassifier,
    TransferError,
    count_matches,
    load_clips,
    onset_f,
    train_classifier,
)

RATE = 48_000
SECONDS, WITHIN_S = 3.0, 0.03


def times(seed: int) -> np.ndarray:
    """When notes begin, s."""
    begins = np.cumsum(np.random.default_rng(seed).uniform(0.12, 0.5, 20))
    return np.asarray(begins[begins < SECONDS - 0.1])


def plucked(seed: int) -> np.ndarray:
    """Notes struck at `times`, dark and decaying."""
    return _notes(seed, lambda t: np.exp(-t / 0.15), 1.5)


def blown(seed: int) -> np.ndarray:
    """Notes at the same times, bright and held."""
    return _notes(seed, lambda t: np.minimum(t / 0.02, 1) * np.exp(-np.maximum(t - 0.3, 0) / 0.02), 0.3)


def _notes(seed: int, course: Callable[[np.ndarray], np.ndarray], slope: float) -> np.ndarray:
    rng = np.random.default_rng(seed + 1000)
    audio = 1e-4 * rng.normal(size=int(SECONDS * RATE))
    for at in times(seed):
        t = np.arange(len(audio) - int(at * RATE)) / RATE
        pitch = 110 * 2 ** (rng.integers(0, 24) / 12)
        tone = sum((np.sin(2 * np.pi * k * pitch * t) / k**slope for k in range(1, 12)), np.zeros(len(t)))
        audio[-len(t) :] += rng.uniform(0.05, 0.1) * course(t) * tone
    return audio


@cache
def clips(kind: str, first: int, count: int) -> list[np.ndarray]:
    return [(plucked if kind == "plucked" else blown)(first + k) for k in range(count)]


@cache
def of_plucked_and_blown() -> StyleClassifier:
    source = clips("plucked", 0, 16), clips("plucked", 50, 8)
    target = clips("blown", 100, 16), clips("blown", 150, 8)
    return train_classifier(source, target, RATE)


def test_two_domains_are_distinguished_on_held_out_clips() -> None:
    known = of_plucked_and_blown()
    assert known.accuracy >= 0.95
    assert known.clips == 16
    assert known.share(clips("blown", 50, 8)) == 1
    assert known.share(clips("plucked", 50, 8)) == 0
    assert known.share([*clips("blown", 50, 4), *clips("plucked", 50, 4)]) == 0.5


def test_loudness_does_not_change_the_classification() -> None:
    known = of_plucked_and_blown()
    assert known.share([0.05 * clip for clip in clips("plucked", 50, 8)]) == 0


def test_a_domain_compared_with_itself_is_guessed() -> None:
    known = train_classifier(
        (clips("plucked", 0, 24), clips("plucked", 50, 12)),
        (clips("plucked", 200, 24), clips("plucked", 250, 12)),
        RATE,
    )
    assert 0.2 < known.accuracy < 0.8


def test_too_few_or_silent_clips_are_rejected_in_one_sentence() -> None:
    some, few = clips("plucked", 0, 16), clips("plucked", 0, 3)
    with pytest.raises(TransferError, match=r"^The target has 3 training clips and 16 held-out clips; 8 and 4 are"):
        train_classifier((some, some), (few, some), RATE)
    with pytest.raises(TransferError, match="silent"):
        train_classifier((some, some), ([np.zeros(RATE)] * 8, some), RATE)


@pytest.mark.parametrize("kind", [plucked, blown])
def test_onsets_are_found_where_notes_begin(kind: Callable[[int], np.ndarray]) -> None:
    scores = []
    for seed in range(6):
        wanted, found = times(seed), onsets_s(kind(seed), RATE)
        scores.append(2 * count_matches(wanted, found, WITHIN_S) / (len(wanted) + len(found)))
    assert np.mean(scores) > 0.88


def test_vibrato_has_one_onset_and_silence_none() -> None:
    t = np.arange(2 * RATE) / RATE
    phase = 2 * np.pi * np.cumsum(440 * 2 ** (0.5 / 12 * np.sin(2 * np.pi * 6 * t))) / RATE
    held = np.minimum(t / 0.01, 1) * sum((np.sin(k * phase) / k for k in range(1, 6)), np.zeros(len(t)))
    assert len(onsets_s(np.concatenate([np.zeros(RATE), held]), RATE)) == 1
    assert len(onsets_s(np.zeros(RATE), RATE)) == 0


def test_onsets_match_between_two_voices_despite_a_delay() -> None:
    late = np.concatenate([np.zeros(4800), blown(3)])
    kept = onset_f(plucked(3), late, RATE, delay=4800)
    assert kept is not None
    assert kept > 0.8
    uncorrected, other = onset_f(plucked(3), late, RATE), onset_f(plucked(3), blown(4), RATE)
    assert uncorrected is not None
    assert other is not None
    assert max(uncorrected, other) < 0.75 < kept


def test_sounds_without_onsets_have_no_f_measure() -> None:
    assert onset_f(np.zeros(RATE), np.zeros(RATE), RATE) is None
    assert onset_f(plucked(1), np.zeros(RATE), RATE) == 0


def test_each_onset_is_matched_once() -> None:
    assert count_matches(np.array([1.0, 1.03]), np.array([1.01]), 0.05) == 1
    assert count_matches(np.array([1.0, 1.08]), np.array([1.04, 1.05]), 0.05) == 2
    assert count_matches(np.array([0.5, 2.0]), np.array([1.0, 3.0]), 0.05) == 0


def test_a_folder_of_sounds_is_read_with_some_held_out(tmp_path: Path) -> None:
    folder = tmp_path / "sounds"
    folder.mkdir()
    for k, clip in enumerate(clips("plucked", 0, 10)):
        soundfile.write(folder / f"{k}.wav", np.asarray(clip, np.float32), RATE)
    known, held_out = load_clips(folder, RATE, tmp_path / "listed.json")
    assert len(known) + len(held_out) == 10
    assert 1 <= len(held_out) <= 4
    assert known[0].ndim == 1
