"""Single notes as files, for the rendered data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from models.data.manifest import Sound
from models.files.errors import DataError

NOTE_SECONDS = 1.4
HELD_SECONDS = 1.0


def write(out: Path, label: str, pitch: int, velocity: int, samples: NDArray[np.float32], rate: int) -> Sound:
    """Write a note as `<label>/<label>_<pitch>_<velocity>.flac` (mono, 24 bit), and return its entry.

    Pitches with `pitch % 5 == 2` are held out.

    Returns
    -------
    sound : Sound
    """
    path = f"{label}/{label}_{pitch}_{velocity}.flac"
    (out / label).mkdir(parents=True, exist_ok=True)
    soundfile.write(out / path, samples, rate, subtype="PCM_24")
    return Sound(
        path=path,
        label=label,
        seconds=len(samples) / rate,
        sample_rate=rate,
        split="held-out" if pitch % 5 == 2 else "train",
        pitch=pitch,
        velocity=velocity,
    )


def check(out: Path, step: int, velocities: tuple[int, ...]) -> None:
    """Check the folder and the settings of a rendering.

    Raises
    ------
    DataError
        `out` is a file or isn't empty, or a setting is out of range.
    """
    if step < 1:
        raise DataError(f"The step between notes must be at least 1 semitone, not {step}.")
    if not velocities or not all(1 <= velocity <= 127 for velocity in velocities):
        raise DataError("Velocities must be whole numbers from 1 to 127, at least one of them.")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file, and a folder to write to was expected; give another name.")
    if out.is_dir() and any(out.iterdir()):
        raise DataError(f"{out} isn't empty; give another name, so that the notes are not mixed with other files.")
