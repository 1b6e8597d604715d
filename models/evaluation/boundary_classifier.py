"""A classifier trained to find the boundaries between chunks: if it only guesses, they are inaudible to it.

Its features are the spectra around a position, their change and the peak of the second difference, each relative to
the surroundings; neither the level nor the notes played are among them. It is tested on parts of the sound that it
wasn't trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from models.dsp.sound_distances import MEL_HOP
from models.evaluation.boundary_metrics import (
    Audio,
    BoundaryError,
    BoundaryMean,
    Floats,
    audible_frames,
    curvature,
    in_frames,
    log_mel,
    positions,
)

PATCH_FRAMES = 8
"""Frames on either side of a position."""
OTHERS = 5
"""Other positions per boundary; more of them reduce the standard error."""
FOLDS, PARTS = 5, 20
"""Folds of the cross-validation, and parts of a sound; a part is never divided between folds."""
REPEATS = 3
"""Trainings with different positions and folds, whose results are averaged."""
MIDDLE = slice(PATCH_FRAMES - 1, PATCH_FRAMES + 3)
"""Frames of a patch that are features of their own."""
JOINED = 4
"""Mel bands averaged into one."""
STEP_FRAMES, SMEARED_FRAMES = 4, 2
"""Frames averaged before and after a position, and frames left out because their windows cross it."""


def boundary_auc(
    sounds: Sequence[tuple[Audio, Sequence[int]]], rate: int, *, grid: int | None = None, seed: int = 0
) -> BoundaryMean:
    """Train a classifier to find boundaries, and measure its area under the ROC curve on held-out parts.

    Parameters
    ----------
    sounds
        Pairs of audio [shape=(samples,)] and its boundaries as sample numbers.
    rate
        Sample rate, Hz.
    grid
        Distance in samples, a multiple of `MEL_HOP`; positions that are compared with boundaries are whole multiples
        of it away from one. A network that takes several frames a step may treat each of them differently, without
        that being a boundary. None takes any position.
    seed
        Seed of the choice of positions and folds.

    Returns
    -------
    area : BoundaryMean
        Area under the ROC curve (0.5 is guessing, 1 perfect) with its standard error: 0.018 for guessing with 300
        boundaries.

    Raises
    ------
    BoundaryError
        There are too few audible boundaries, they are too close together, or all are in one part of the sound.
    """
    step = 1 if grid is None else max(grid // MEL_HOP, 1)
    examples = [_examples(audio, boundaries, rate, step) for audio, boundaries in sounds]
    areas = [_area(examples, np.random.default_rng((seed, k))) for k in range(REPEATS)]
    area, boundaries = float(np.mean(areas)), sum(len(at) for _, at, _ in examples)
    return BoundaryMean(area, _deviation(area, boundaries, OTHERS * boundaries), boundaries)


def _examples(audio: Audio, boundaries: Sequence[int], rate: int, step: int) -> tuple[Floats, np.ndarray, np.ndarray]:
    """Features of all frames, the frames at boundaries, and the frames elsewhere."""
    features = _features(audio, rate)
    at, elsewhere = positions(audible_frames(audio, len(features)), in_frames(boundaries), PATCH_FRAMES)
    return features, at, elsewhere[(elsewhere - at[0]) % step == 0]


def _area(examples: Sequence[tuple[Floats, np.ndarray, np.ndarray]], rng: np.random.Generator) -> float:
    """Train and test once: the mean over folds of the area under the curve."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features_of, is_boundary, groups = [], [], []
    for k, (features, at, elsewhere) in enumerate(examples):
        others = rng.choice(elsewhere, min(OTHERS * len(at), len(elsewhere)), replace=False)
        chosen = np.concatenate([at, others])
        features_of.append(features[chosen])
        is_boundary.append(np.arange(len(chosen)) < len(at))
        groups.append(k * PARTS + chosen * PARTS // len(features))
    x, y, group = np.concatenate(features_of), np.concatenate(is_boundary), np.concatenate(groups)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=int(rng.integers(1 << 31)))
    areas = []
    for known, tested in folds.split(x, y, group):
        if len(set(y[known])) < 2 or len(set(y[tested])) < 2:
            raise BoundaryError("All boundaries are in one part of the sound; use a sound with boundaries throughout.")
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=500))
        model.fit(x[known], y[known])
        areas.append(float(roc_auc_score(y[tested], model.decision_function(x[tested]))))
    return float(np.mean(areas))


def _features(audio: Audio, rate: int) -> Floats:
    """Compute the features of each frame [shape=(frames, features)]."""
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
    sharp = 20 * np.log10(np.maximum(curvature(audio, MEL_HOP // 2)[::MEL_HOP], 1e-7))[:frames]
    sharp = np.pad(np.pad(sharp, (0, frames - len(sharp)), mode="edge"), PATCH_FRAMES, mode="edge")
    around = sliding_window_view(sharp, 2 * PATCH_FRAMES + 1)
    peak = around[:, MIDDLE] - np.median(around, axis=1, keepdims=True)
    return np.concatenate([shown.transpose(1, 0, 2).reshape(frames, -1), step, peak], axis=1)


def _steps(mel: Floats) -> Floats:
    """Compute the step of each band at a position, and their mean [shape=(frames, bands + 1)]."""
    reach = STEP_FRAMES + SMEARED_FRAMES - 1
    patches = sliding_window_view(np.pad(mel, ((0, 0), (reach, reach)), mode="edge"), 2 * reach + 1, axis=1)
    step = np.abs(patches[..., -STEP_FRAMES:].mean(axis=2) - patches[..., :STEP_FRAMES].mean(axis=2)).T
    return np.concatenate([step, step.mean(axis=1, keepdims=True)], axis=1)


def _deviation(area: float, boundaries: int, others: int) -> float:
    """Compute the standard error of an area under the ROC curve.

    Returns
    -------
    error : float

    Source: J. A. Hanley, B. J. McNeil, "The Meaning and Use of the Area under a ROC Curve", Radiology 143, 1982.
    """
    both, either = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (boundaries - 1) * (both - area**2) + (others - 1) * (either - area**2)
    return float(np.sqrt(max(area * (1 - area) + spread, 0.0) / (boundaries * others)))
