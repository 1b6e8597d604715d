"""Features of a sound: log-magnitude frames with their pitch and loudness.

Features are cached on disk; a sound is analysed again only if its file or the settings change.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from models.data.manifest import Manifest, Sound
from models.data.trim_and_level import Preparation, prepare
from models.dsp import pitch
from models.files.errors import DataError
from realtime.dsp.rtpghi import stft_magnitudes

LOG_FLOOR = 1e-4
"""Lower limit of magnitudes before taking logarithms: −134 dB relative to a full-scale sine, below 24-bit steps."""

SILENCE_DB = -100.0
"""Loudness of silence, dBFS."""

_VERSION = 2
_MIN_JOBS_PER_WORKER = 8


@dataclass(frozen=True)
class Analysis:
    """Settings of the short-time spectrum: periodic Hann window, unnormalised."""

    sample_rate: int = 48_000
    n_fft: int = 2048
    hop: int = 256

    @property
    def bins(self) -> int:
        """Number of magnitudes in a frame."""
        return self.n_fft // 2 + 1


@dataclass(frozen=True)
class Features:
    """Features of a sound; frame t is centred on sample t * hop.

    Attributes
    ----------
    log_magnitude : np.ndarray [shape=(frames, bins), float16]
        Natural logarithm of |STFT|, at least log(LOG_FLOOR).
    pitch : np.ndarray [shape=(frames,), float32]
        MIDI note number.
    loudness : np.ndarray [shape=(frames,), float32]
        RMS under the frame's window, dBFS, at least SILENCE_DB.
    """

    log_magnitude: NDArray[np.float16]
    pitch: NDArray[np.float32]
    loudness: NDArray[np.float32]


def load_audio(
    path: str | os.PathLike[str], rate: int, *, start: float = 0.0, seconds: float | None = None
) -> NDArray[np.float32]:
    """Read a sound file of any rate and channel count as mono at `rate`.

    Parameters
    ----------
    path
        The file.
    rate
        Sample rate to resample to, Hz.
    start, seconds
        Part to read, in seconds; default: the whole file.

    Returns
    -------
    audio : np.ndarray [shape=(samples,)]

    Raises
    ------
    DataError
        The file is missing, empty or no sound file, or has values that are not finite.
    """
    try:
        with soundfile.SoundFile(os.fspath(path)) as file:
            file_rate = file.samplerate
            if start:
                file.seek(min(round(start * file_rate), file.frames))
            audio = file.read(-1 if seconds is None else round(seconds * file_rate), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        raise DataError(f"Cannot read the sound {path}: {error}") from None
    if not len(audio):
        raise DataError(f"The sound {path} is empty.")
    mono = audio.mean(axis=1)
    if not np.isfinite(mono).all():
        raise DataError(f"The sound {path} holds values that are not finite.")
    return np.asarray(mono if file_rate == rate else soxr.resample(mono, file_rate, rate), np.float32)


def load_sound(
    manifest: Manifest, sound: Sound, rate: int, preparation: Preparation | None = None
) -> NDArray[np.float32]:
    """Read a sound (a file or part of one) of a data set, mono at `rate`, prepared if requested, shape [samples]."""
    return _load(manifest.path_of(sound), sound, rate, preparation)


def analyse(audio: NDArray[np.float32], analysis: Analysis, note: float | None = None) -> Features:
    """Compute the features of a sound.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
        The sound, mono, at the analysis' rate.
    analysis
        The spectrum to compute.
    note
        Known pitch as a MIDI note number, to be refined on the sound; None estimates it.

    Returns
    -------
    features : Features
    """
    magnitudes = np.asarray(stft_magnitudes(audio, analysis.n_fft, analysis.hop, "hann")).T  # [frames, bins]
    prior = pitch.estimate(audio, analysis.sample_rate, analysis.hop) if note is None else note
    return Features(
        log_magnitude=np.log(np.maximum(magnitudes, LOG_FLOOR)).astype(np.float16),
        pitch=pitch.refine(audio, analysis.sample_rate, prior, analysis.hop).astype(np.float32),
        loudness=loudness_db(magnitudes),
    )


def loudness_db(magnitudes: NDArray[np.floating]) -> NDArray[np.float32]:
    """Compute the RMS under each frame's window from its magnitudes, by Parseval's theorem.

    A squared Hann window of 2048 samples is effectively 770 samples long.

    Parameters
    ----------
    magnitudes : np.ndarray [shape=(frames, bins)]

    Returns
    -------
    loudness : np.ndarray [shape=(frames,)]
        dBFS, at least SILENCE_DB.
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
    preparation: Preparation | None = None,
    workers: int = 0,
    on_sound: Callable[[int, int], None] = lambda done, total: None,
) -> list[Features]:
    """Compute the features of sounds, or read them from the cache.

    Parameters
    ----------
    manifest, sounds
        The data set, and the sounds of it to analyse.
    analysis
        The spectrum to compute.
    cache
        Folder of features, named by a hash of the file's content and the settings; created if missing.
    preparation
        How sounds are trimmed and normalised first; None takes them unchanged.
    workers
        Processes that share the analysis; 0 and 1 analyse in this one.
    on_sound
        Called after each sound with the number done and the total.

    Returns
    -------
    features : list of Features
        One for each sound, in order.

    Raises
    ------
    DataError
        A sound cannot be read, a worker died, or the cache cannot keep the features.
    """
    cache.mkdir(parents=True, exist_ok=True)
    content: dict[Path, str] = {}
    jobs: list[_Job] = []
    places: dict[Path, list[int]] = {}
    for sound in sounds:
        path = manifest.path_of(sound)
        if path not in content:
            content[path] = _digest(path)
        entry = cache / f"{_name(content[path], sound, analysis, preparation)}.npz"
        places.setdefault(entry, []).append(len(jobs))
        jobs.append(_Job(path, sound, analysis, preparation, entry))
    found = [_read_cached(job.entry) for job in jobs]
    missing = {job.entry: job for job, features in zip(jobs, found, strict=True) if features is None}
    done = sum(features is not None for features in found)
    if done:
        on_sound(done, len(jobs))
    for entry in _run_jobs(list(missing.values()), workers):
        for k in places[entry]:
            found[k] = _read_cached(entry)
        done += len(places[entry])
        on_sound(done, len(jobs))
    gone = next((job for job, features in zip(jobs, found, strict=True) if features is None), None)
    if gone is not None:
        raise DataError(f"The features of {gone.path} were made, but {cache} does not keep them; is the disk full?")
    return [features for features in found if features is not None]


@dataclass(frozen=True)
class _Job:
    """A sound to analyse, and the file for its features."""

    path: Path
    sound: Sound
    analysis: Analysis
    preparation: Preparation | None
    entry: Path


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"Cannot read the sound {path}, which the manifest lists: {error.strerror or error}.") from None


def _name(content: str, sound: Sound, analysis: Analysis, preparation: Preparation | None) -> str:
    """Return a hash of everything that the features depend on."""
    settings = {
        **asdict(analysis),
        "content": content,
        "note": sound.pitch,
        "piece": None if sound.start is None else [sound.start, sound.seconds],
        "preparation": None if preparation is None else asdict(preparation),
        "version": _VERSION,
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:32]


def _read_cached(entry: Path) -> Features | None:
    """Read features from the cache; None if they are missing or truncated."""
    try:
        with np.load(entry) as kept:
            return Features(kept["log_magnitude"], kept["pitch"], kept["loudness"])
    except (FileNotFoundError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _run_jobs(jobs: list[_Job], workers: int) -> Iterator[Path]:
    """Run jobs, in several processes if there are enough of them, and yield their entries as they are written."""
    workers = min(workers, len(jobs) // _MIN_JOBS_PER_WORKER)
    if workers < 2:
        yield from map(_run_job, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_with_parent) as pool:
        try:
            for made in as_completed([pool.submit(_run_job, job) for job in jobs]):
                yield made.result()
        except BrokenProcessPool:
            raise DataError(
                "A process that analysed sounds has died, perhaps for lack of memory; give fewer workers."
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _run_job(job: _Job) -> Path:
    audio = _load(job.path, job.sound, job.analysis.sample_rate, job.preparation)
    found = analyse(audio, job.analysis, job.sound.pitch)
    scratch = job.entry.with_suffix(f".{os.getpid()}.part")
    with scratch.open("wb") as file:
        np.savez(file, log_magnitude=found.log_magnitude, pitch=found.pitch, loudness=found.loudness)
    os.replace(scratch, job.entry)
    return job.entry


def _load(path: Path, sound: Sound, rate: int, preparation: Preparation | None) -> NDArray[np.float32]:
    if sound.start is None:
        audio = load_audio(path, rate)
    else:
        audio = load_audio(path, rate, start=sound.start, seconds=sound.seconds)
    return audio if preparation is None else prepare(audio, rate, preparation)


def _end_with_parent() -> None:
    """End this worker with its parent, however that ends; otherwise it would wait forever."""
    parent = multiprocessing.parent_process()

    def leave() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()
