"""Whether style was transferred: to which of two domains a sound is put, and whether what happened in it still happens.

A classifier learns to tell two domains apart by the spectra of their sounds, and is tried on sounds that it hasn't
heard: only one that knows may judge. Then it says how many transformed sounds it takes for the target's. Onsets say
whether the notes of the source are still there.

Sounds must all have come the same way, or the way is what is told apart: where what is transformed comes back from mel
bands, send the sounds of both domains through mel bands too.
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
from models.data.opening import Wanted, open_data
from models.dsp.onsets import onsets_s
from models.evaluation.boundary_metrics import SILENT, Audio, Floats, audible_frames, log_mel

LEAST_CLIPS = 8
"""Clips of each domain to learn from, and half as many to be tried on."""
TOLERANCE_S = 0.05
"""Two onsets no further apart are the same."""


class TransferError(GlitchError):
    """There are too few sounds to tell, or nothing can be heard in one."""


@dataclass(frozen=True)
class Judge:
    """A classifier of two domains, and how well it knows them.

    Attributes
    ----------
    accuracy
        Share of held-out clips that it put where they belong, the mean of both domains; ½ is guessing.
    clips
        How many that were.
    rate
        Sample rate of the clips, Hz.
    """

    accuracy: float
    clips: int
    rate: int
    classifier: Any

    def share(self, clips: Sequence[Audio]) -> float:
        """Give the share of clips that it takes for the target's, 0 to 1.

        Parameters
        ----------
        clips : sequence of np.ndarray [shape=(samples,)]

        Raises
        ------
        TransferError
            There is no clip, or one is silent.
        """
        if not clips:
            raise TransferError("There is no clip to judge; give one at least.")
        return float(np.mean(self.classifier.predict(_described(clips, self.rate))))


def judge(
    source: tuple[Sequence[Audio], Sequence[Audio]],
    target: tuple[Sequence[Audio], Sequence[Audio]],
    rate: int,
    *,
    seed: int = 0,
) -> Judge:
    """Train a classifier of two domains.

    Parameters
    ----------
    source, target
        Clips [shape=(samples,)] of each domain: those to learn from, and those held out.
    rate
        Sample rate, Hz.
    seed
        Of the training.

    Raises
    ------
    TransferError
        There are fewer than `LEAST_CLIPS` to learn from, or half as many held out; or a clip is silent.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    for name, (known, held_out) in (("source", source), ("target", target)):
        if len(known) < LEAST_CLIPS or 2 * len(held_out) < LEAST_CLIPS:
            raise TransferError(
                f"The {name} has {len(known)} clips to learn from and {len(held_out)} held out; "
                f"{LEAST_CLIPS} and {LEAST_CLIPS // 2} are needed."
            )
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000, random_state=seed)
    )
    seen = np.concatenate([_described(source[0], rate), _described(target[0], rate)])
    classifier.fit(seen, np.arange(len(seen)) >= len(source[0]))
    rights = [float(np.mean(classifier.predict(_described(source[1], rate)) == 0))]
    rights.append(float(np.mean(classifier.predict(_described(target[1], rate)) == 1)))
    return Judge(float(np.mean(rights)), len(source[1]) + len(target[1]), rate, classifier)


def onset_f(source: Audio, made: Audio, rate: int, *, delay: int = 0, tolerance_s: float = TOLERANCE_S) -> float | None:
    """Give the F-measure of the onsets of what was made against those of its source: 1 is all of them and no other.

    Parameters
    ----------
    source, made : np.ndarray [shape=(samples,)]
    rate
        Sample rate, Hz.
    delay
        Samples by which what was made is late.
    tolerance_s
        Two onsets no further apart are the same; each counts once.

    Returns
    -------
    float or None
        None where neither has an onset.
    """
    wanted, found = onsets_s(source, rate), onsets_s(made, rate) - delay / rate
    found = found[(found > -tolerance_s) & (found < len(source) / rate)]
    if not len(wanted) and not len(found):
        return None
    return 2 * matched(wanted, found, tolerance_s) / (len(wanted) + len(found))


def matched(wanted: Floats, found: Floats, tolerance_s: float) -> int:
    """Count pairs of times no further apart than that, each in one pair; as many as there can be. Both rise."""
    count = k = 0
    for time in wanted:
        while k < len(found) and found[k] < time - tolerance_s:
            k += 1
        if k < len(found) and found[k] <= time + tolerance_s:
            count, k = count + 1, k + 1
    return count


def clips_of(data: str | os.PathLike[str], rate: int, listed: Path) -> tuple[list[Audio], list[Audio]]:
    """Read the sounds of a manifest or of a folder: those to learn from, and those held out.

    Parameters
    ----------
    data
        A manifest, a folder with one, or a folder of sounds, of which a fifth is held out.
    rate
        To which they are brought, Hz.
    listed
        The manifest to write where the folder has none.

    Raises
    ------
    DataError
        There are no sounds that can be used.
    """
    found = open_data(Wanted(Path(data)), listed).sounds
    read = {sound: load_sound(found, sound, rate) for sound in found.sounds}
    known = [audio for sound, audio in read.items() if sound.split != "held-out"]
    return known, [audio for sound, audio in read.items() if sound.split == "held-out"]


def _described(clips: Sequence[Audio], rate: int) -> NDArray[np.float64]:
    """Statistics of the log-mel bands where something can be heard [shape=(clips, features)].

    Mean and deviation of each band and mean of its rise and fall, the level taken out: what it sounds like, and how it
    comes and goes.
    """
    rows = []
    for clip in clips:
        if float(np.square(clip, dtype=np.float64).mean() if len(clip) else 0.0) <= SILENT:
            raise TransferError("A clip is silent; leave it out.")
        bands = log_mel(clip, rate)  # [bands, frames]
        heard = audible_frames(clip, bands.shape[1])
        change = np.diff(bands, axis=1)[:, heard[1:]] if heard[1:].any() else np.zeros((len(bands), 1))
        bands = bands[:, heard] if heard.any() else bands
        bands = bands - bands.mean(axis=0)
        rise, fall = np.maximum(change, 0).mean(axis=1), np.minimum(change, 0).mean(axis=1)
        rows.append(np.concatenate([bands.mean(axis=1), bands.std(axis=1), rise, fall]))
    return np.array(rows)
