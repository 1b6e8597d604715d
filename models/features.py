"""Features of a sound: log-magnitude frames, with the pitch and the loudness of each.

Made once and kept on disk: a sound is analysed again only if its file or the analysis changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from models import pitch
from models.data.manifest import DataError, Manifest, Sound
from realtime.phase import stft_magnitudes

LOG_FLOOR = 1e-4
"""Magnitude below which logarithms stop: −134 dB under a full-scale sine, below the steps of 24 bits."""

SILENCE_DB = -100.0
"""Loudness that stands for silence, dBFS."""

_VERSION = 1


@dataclass(frozen=True)
class Analysis:
    """The short-time spectrum that a model sees and makes: periodic Hann window, unnormalised."""

    sample_rate: int = 48_000
    n_fft: int = 2048
    hop: int = 256

    @property
    def bins(self) -> int:
        """Number of magnitudes in a frame."""
        return self.n_fft // 2 + 1


@dataclass(frozen=True)
class Features:
    """What is known of a sound, frame by frame; frame t is centred at sample t * hop.

    Attributes
    ----------
    log_magnitude : np.ndarray [shape=(frames, bins), float16]
        Natural logarithm of |STFT|, not below log(LOG_FLOOR).
    pitch : np.ndarray [shape=(frames,), float32]
        MIDI note number.
    loudness : np.ndarray [shape=(frames,), float32]
        RMS under the frame's window, dBFS, not below SILENCE_DB.
    """

    log_magnitude: NDArray[np.float16]
    pitch: NDArray[np.float32]
    loudness: NDArray[np.float32]


def load_audio(path: str | os.PathLike[str], rate: int) -> NDArray[np.float32]:
    """Read a sound file of any rate and channel count as mono at `rate`, shape [samples].

    Raises
    ------
    DataError
        The file is missing, is no sound, is empty or holds values that are not finite.
    """
    try:
        audio, file_rate = soundfile.read(os.fspath(path), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        raise DataError(f"Cannot read the sound {path}: {error}") from None
    if not len(audio):
        raise DataError(f"The sound {path} is empty.")
    mono = audio.mean(axis=1)
    if not np.isfinite(mono).all():
        raise DataError(f"The sound {path} holds values that are not finite.")
    return np.asarray(mono if file_rate == rate else soxr.resample(mono, file_rate, rate), np.float32)


def analyse(audio: NDArray[np.float32], analysis: Analysis, note: float | None = None) -> Features:
    """Compute the features of a sound.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
        The sound, mono, at the analysis' rate.
    analysis
        The spectrum to compute.
    note
        Its pitch as a MIDI note number where it is known; refined on the sound. Else the pitch is estimated.
    """
    magnitudes = np.asarray(stft_magnitudes(audio, analysis.n_fft, analysis.hop, "hann")).T  # [frames, bins]
    prior = pitch.estimate(audio, analysis.sample_rate, analysis.hop) if note is None else note
    return Features(
        log_magnitude=np.log(np.maximum(magnitudes, LOG_FLOOR)).astype(np.float16),
        pitch=pitch.refine(audio, analysis.sample_rate, prior, analysis.hop).astype(np.float32),
        loudness=loudness_db(magnitudes),
    )


def loudness_db(magnitudes: NDArray[np.floating]) -> NDArray[np.float32]:
    """RMS of the sound under each frame's window, dBFS, from its magnitudes (Parseval), shape [frames].

    A Hann window of 2048 samples, squared, hears some 770 samples: a short RMS, and exactly the level of the frame.
    """
    n_fft = 2 * (magnitudes.shape[1] - 1)
    power = np.asarray(magnitudes, np.float64) ** 2
    energy = 2 * power.sum(axis=1) - power[:, 0] - power[:, -1]
    # The squares of a periodic Hann window sum to 3/8 of its length.
    mean_square = energy / (n_fft * 0.375 * n_fft)
    return np.asarray(10 * np.log10(np.maximum(mean_square, 10 ** (SILENCE_DB / 10))), np.float32)


def of_sounds(
    manifest: Manifest,
    sounds: Sequence[Sound],
    analysis: Analysis,
    cache: Path,
    *,
    on_sound: Callable[[int, int], None] = lambda done, total: None,
) -> list[Features]:
    """Compute the features of sounds, or read them from the cache.

    Parameters
    ----------
    manifest, sounds
        The data set, and those of its sounds that are wanted.
    analysis
        The spectrum to compute.
    cache
        Folder that keeps features under a name made of the file's content and the analysis; made if missing.
    on_sound
        Called after each sound with how many are done and how many there are.
    """
    cache.mkdir(parents=True, exist_ok=True)
    features = []
    for sound in sounds:
        features.append(_of_sound(manifest.path_of(sound), sound.pitch, analysis, cache))
        on_sound(len(features), len(sounds))
    return features


def _of_sound(path: Path, note: float | None, analysis: Analysis, cache: Path) -> Features:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read the sound {path}, which the manifest lists: {error.strerror or error}.") from None
    settings = json.dumps({**asdict(analysis), "note": note, "version": _VERSION}, sort_keys=True)
    entry = cache / f"{hashlib.sha256(content + settings.encode()).hexdigest()[:32]}.npz"
    try:
        with np.load(entry) as kept:
            return Features(kept["log_magnitude"], kept["pitch"], kept["loudness"])
    except (FileNotFoundError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        pass  # not analysed yet, or cut short: analyse
    found = analyse(load_audio(path, analysis.sample_rate), analysis, note)
    scratch = entry.with_suffix(f".{os.getpid()}.part")
    with scratch.open("wb") as file:
        np.savez(file, log_magnitude=found.log_magnitude, pitch=found.pitch, loudness=found.loudness)
    os.replace(scratch, entry)
    return found
