"""Style metrics: whether transformed sounds are classified as the target and keep the onsets of the source.

A classifier is trained to distinguish two domains by the spectra of their sounds. Its accuracy on held-out sounds shows
whether it can be trusted; then it classifies transformed sounds. The F-measure of onsets shows whether the notes of
the source are kept.

All sounds must have been processed in the same way, or the classifier may recognise the processing. If transformed
sounds are reconstructed from mel bands, pass the sounds of both domains through mel bands as well.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.errors import GlitchError
from models.data.features import load_sound
from models.data.open_data import DataRequest, open_data
from models.dsp.onsets import onsets_s
from models.evaluation.boundary_metrics import SILENT, Audio, Floats, audible_frames, log_mel

MIN_CLIPS = 8
"""Training clips needed of each domain; half as many held-out ones."""
TOLERANCE_S = 0.05
"""Largest distance of two matching onsets."""


class TransferError(GlitchError):
    """There are too few sounds, or one is silent."""


@dataclass(frozen=True)
class StyleClassifier:
    """A classifier of two domains, with its accuracy.

    Attributes
    ----------
    accuracy
        Share of correctly classified held-out clips, averaged over both domains; 0.5 is guessing.
    clips
        Number of held-out clips.
    rate
        Sample rate of the clips, Hz.
    """

    accuracy: float
    clips: int
    rate: int
    classifier: Any

    def share(self, clips: Sequence[Audio]) -> float:
        """Compute the share of clips that are classified as the target.

        Parameters
        ----------
        clips : sequence of np.ndarray [shape=(samples,)]

        Returns
        -------
        share : float
            0 to 1.

        Raises
        ------
        TransferError
            There are no clips, or one is silent.
        """
        if not clips:
            raise TransferError("There are no clips to classify; give at least one.")
        return float(np.mean(self.classifier.predict(_features(clips, self.rate))))


def train_classifier(
    source: tuple[Sequence[Audio], Sequence[Audio]],
    target: tuple[Sequence[Audio], Sequence[Audio]],
    rate: int,
    *,
    seed: int = 0,
) -> StyleClassifier:
    """Train a classifier of two domains.

    Parameters
    ----------
    source, target
        Clips [shape=(samples,)] of each domain: training clips and held-out clips.
    rate
        Sample rate, Hz.
    seed
        Seed of the training.

    Returns
    -------
    classifier : StyleClassifier

    Raises
    ------
    TransferError
        There are fewer than `MIN_CLIPS` training clips or half as many held-out ones, or a clip is silent.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    for name, (known, held_out) in (("source", source), ("target", target)):
        if len(known) < MIN_CLIPS or 2 * len(held_out) < MIN_CLIPS:
            raise TransferError(
                f"The {name} has {len(known)} training clips and {len(held_out)} held-out clips; "
                f"{MIN_CLIPS} and {MIN_CLIPS // 2} are needed."
            )
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000, random_state=seed)
    )
    features = np.concatenate([_features(source[0], rate), _features(target[0], rate)])
    classifier.fit(features, np.arange(len(features)) >= len(source[0]))
    rights = [float(np.mean(classifier.predict(_features(source[1], rate)) == 0))]
    rights.append(float(np.mean(classifier.predict(_features(target[1], rate)) == 1)))
    return StyleClassifier(float(np.mean(rights)), len(source[1]) + len(target[1]), rate, classifier)


def onset_f(source: Audio, made: Audio, rate: int, *, delay: int = 0, tolerance_s: float = TOLERANCE_S) -> float | None:
    """Compute the F-measure of the onsets of a transformed sound against those of its source.

    Parameters
    ----------
    source, made : np.ndarray [shape=(samples,)]
        The source and the transformed sound.
    rate
        Sample rate, Hz.
    delay
        Delay of the transformed sound, in samples.
    tolerance_s
        Largest distance of two matching onsets; each is matched once.

    Returns
    -------
    f_measure : float or None
        0 to 1: 1 if all onsets match; None if neither sound has an onset.
    """
    wanted, found = onsets_s(source, rate), onsets_s(made, rate) - delay / rate
    found = found[(found > -tolerance_s) & (found < len(source) / rate)]
    if not len(wanted) and not len(found):
        return None
    return 2 * count_matches(wanted, found, tolerance_s) / (len(wanted) + len(found))


def count_matches(wanted: Floats, found: Floats, tolerance_s: float) -> int:
    """Count the largest possible number of pairs of times within the tolerance; both sequences ascend."""
    count = k = 0
    for time in wanted:
        while k < len(found) and found[k] < time - tolerance_s:
            k += 1
        if k < len(found) and found[k] <= time + tolerance_s:
            count, k = count + 1, k + 1
    return count


def load_clips(data: str | os.PathLike[str], rate: int, listed: Path) -> tuple[list[Audio], list[Audio]]:
    """Read the sounds of a manifest or of a folder.

    Parameters
    ----------
    data
        A manifest, a folder with one, or a folder of sounds, a fifth of which is held out.
    rate
        Sample rate to resample them to, Hz.
    listed
        The manifest to write if the folder has none.

    Returns
    -------
    training, held_out : list of np.ndarray [shape=(samples,)]

    Raises
    ------
    DataError
        There are no usable sounds.
    """
    found = open_data(DataRequest(Path(data)), listed).sounds
    read = {sound: load_sound(found, sound, rate) for sound in found.sounds}
    known = [audio for sound, audio in read.items() if sound.split != "held-out"]
    return known, [audio for sound, audio in read.items() if sound.split == "held-out"]


def _features(clips: Sequence[Audio], rate: int) -> NDArray[np.float64]:
    """Compute statistics of the log-mel bands of clips over their audible frames.

    Mean and deviation of each band (timbre), and mean of its rise and fall (envelope); the level is removed.

    Returns
    -------
    features : np.ndarray [shape=(clips, features)]

    Raises
    ------
    TransferError
        A clip is silent.
    """
    rows = []
    for clip in clips:
        if float(np.square(clip, dtype=np.float64).mean() if len(clip) else 0.0) <= SILENT:
            raise TransferError("A clip is silent; leave it out.")
        bands = log_mel(clip, rate)  # [bands, frames]
        is_audible = audible_frames(clip, bands.shape[1])
        change = np.diff(bands, axis=1)[:, is_audible[1:]] if is_audible[1:].any() else np.zeros((len(bands), 1))
        bands = bands[:, is_audible] if is_audible.any() else bands
        bands = bands - bands.mean(axis=0)
        rise, fall = np.maximum(change, 0).mean(axis=1), np.minimum(change, 0).mean(axis=1)
        rows.append(np.concatenate([bands.mean(axis=1), bands.std(axis=1), rise, fall]))
    return np.array(rows)
