"""A classifier that is trained to hear borders: where it fails, they are hidden.

It sees the spectra around a place, how they change there and how sharply the sound bends, each beside what is usual
around; never the level, nor which notes are played. It is tried on parts of the sound that it wasn't trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from models.dsp.metrics import MEL_HOP
from models.evaluation.boundary_metrics import (
    Audio,
    Floats,
    StitchError,
    Told,
    bends,
    heard_frames,
    in_frames,
    log_mel,
    places,
)

PATCH_FRAMES = 8
"""Frames that are seen on either side."""
OTHERS = 5
"""Places that are no border, for each border: more of them make the figure steadier."""
FOLDS, PARTS = 5, 20
"""A sound is cut into parts, and folds are made of whole parts."""
REPEATS = 3
"""Trainings with other places and folds; the mean counts."""
MIDDLE = slice(PATCH_FRAMES - 1, PATCH_FRAMES + 3)
"""Frames of a patch that are shown one by one."""
JOINED = 4
"""Bands that are seen as one."""
STEP_FRAMES, SMEARED_FRAMES = 4, 2
"""What lies before a place is compared with what comes after it, over so many frames each, that don't see across it."""


def detected(
    sounds: Sequence[tuple[Audio, Sequence[int]]], rate: int, *, grid: int | None = None, seed: int = 0
) -> Told:
    """Train a classifier to hear borders, and try it on what it hasn't heard.

    Parameters
    ----------
    sounds
        Audio [shape=(samples,)] and where its borders are.
    rate
        Sample rate, Hz.
    grid
        Places that are no border are whole multiples of so many samples away from one, a multiple of `MEL_HOP`: a
        network that takes several frames at a time may treat each of them in its own way, and that is no border. None
        takes any place.
    seed
        Of the places that are no borders, and of the folds.

    Returns
    -------
    Told
        The area under its curve (½ is guessing, 1 is knowing), and its standard error: with 300 borders 0.018 where
        it guesses.

    Raises
    ------
    StitchError
        Too few borders can be heard, or they lie too near to each other.
    """
    step = 1 if grid is None else max(grid // MEL_HOP, 1)
    heard = [_examples(audio, borders, rate, step) for audio, borders in sounds]
    areas = [_area(heard, np.random.default_rng((seed, k))) for k in range(REPEATS)]
    area, borders = float(np.mean(areas)), sum(len(at) for _, at, _ in heard)
    return Told(area, _deviation(area, borders, OTHERS * borders), borders)


def _examples(audio: Audio, borders: Sequence[int], rate: int, step: int) -> tuple[Floats, np.ndarray, np.ndarray]:
    """Features of all frames, the frames that are borders, and those that are none."""
    features = _features(audio, rate)
    at, elsewhere = places(heard_frames(audio, len(features)), in_frames(borders), PATCH_FRAMES)
    return features, at, elsewhere[(elsewhere - at[0]) % step == 0]


def _area(heard: Sequence[tuple[Floats, np.ndarray, np.ndarray]], rng: np.random.Generator) -> float:
    """Train and try once: the mean over folds of the area under the curve."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    seen, answers, groups = [], [], []
    for k, (features, at, elsewhere) in enumerate(heard):
        others = rng.choice(elsewhere, min(OTHERS * len(at), len(elsewhere)), replace=False)
        chosen = np.concatenate([at, others])
        seen.append(features[chosen])
        answers.append(np.arange(len(chosen)) < len(at))
        groups.append(k * PARTS + chosen * PARTS // len(features))
    x, y, group = np.concatenate(seen), np.concatenate(answers), np.concatenate(groups)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=int(rng.integers(1 << 31)))
    areas = []
    for known, asked in folds.split(x, y, group):
        if len(set(y[known])) < 2 or len(set(y[asked])) < 2:
            raise StitchError("The borders lie in one part of the sound; take one with borders all over.")
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=500))
        model.fit(x[known], y[known])
        areas.append(float(roc_auc_score(y[asked], model.decision_function(x[asked]))))
    return float(np.mean(areas))


def _features(audio: Audio, rate: int) -> Floats:
    """What is seen of each frame [shape=(frames, features)]."""
    mel = log_mel(audio, rate)  # [bands, frames]
    frames = mel.shape[1]
    mel = mel[: len(mel) // JOINED * JOINED].reshape(-1, JOINED, frames).mean(axis=1)
    change = np.diff(np.pad(mel, ((0, 0), (1, 0)), mode="edge"), axis=1)
    both = np.concatenate([np.abs(change), mel - mel.mean(axis=0)]).astype(np.float32)  # [features, frames]
    both = np.concatenate([both, np.abs(change).mean(axis=0, keepdims=True, dtype=np.float32)])
    padded = np.pad(both, ((0, 0), (PATCH_FRAMES, PATCH_FRAMES)), mode="edge")
    patches = sliding_window_view(padded, 2 * PATCH_FRAMES + 1, axis=1)  # [features, frames, patch]
    shown = patches[:, :, MIDDLE] - patches.mean(axis=2, keepdims=True)
    step = _steps(mel)
    sharp = 20 * np.log10(np.maximum(bends(audio, MEL_HOP // 2)[::MEL_HOP], 1e-7))[:frames]
    sharp = np.pad(np.pad(sharp, (0, frames - len(sharp)), mode="edge"), PATCH_FRAMES, mode="edge")
    around = sliding_window_view(sharp, 2 * PATCH_FRAMES + 1)
    peak = around[:, MIDDLE] - np.median(around, axis=1, keepdims=True)
    return np.concatenate([shown.transpose(1, 0, 2).reshape(frames, -1), step, peak], axis=1)


def _steps(mel: Floats) -> Floats:
    """How far each band, and all of them, is another after a place than before it [shape=(frames, bands + 1)]."""
    reach = STEP_FRAMES + SMEARED_FRAMES - 1
    patches = sliding_window_view(np.pad(mel, ((0, 0), (reach, reach)), mode="edge"), 2 * reach + 1, axis=1)
    step = np.abs(patches[..., -STEP_FRAMES:].mean(axis=2) - patches[..., :STEP_FRAMES].mean(axis=2)).T
    return np.concatenate([step, step.mean(axis=1, keepdims=True)], axis=1)


def _deviation(area: float, borders: int, others: int) -> float:
    """Compute the standard error of an area under the curve.

    Source: J. A. Hanley, B. J. McNeil, "The Meaning and Use of the Area under a ROC Curve", Radiology 143, 1982.
    """
    both, either = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (borders - 1) * (both - area**2) + (others - 1) * (either - area**2)
    return float(np.sqrt(max(area * (1 - area) + spread, 0.0) / (borders * others)))
