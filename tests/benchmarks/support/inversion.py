"""Material for the benchmarks of inversion, and the share of a core that live inversion takes."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from realtime.dsp.rtpghi import stft_magnitudes
from tests.benchmarks.support.job import Job
from tests.music import PIECES, render

N_FFT, RATE = 2048, 48_000
REPEATS = 3


class Inverter(Protocol):
    """Makes sound of spectra, a few frames at a time."""

    hop: int

    def push(self, frames: np.ndarray, /) -> np.ndarray:
        """Take frames [shape=(bands, frames)], and return their samples."""


def pieces(job: Job, quick_s: float = 1.0) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and samples of each piece; in the quick form so many seconds of the first."""
    for name in list(PIECES)[: job.choose(1, None)]:
        audio, _ = render(name)
        yield name, np.array(audio[: round(quick_s * RATE)] if job.quick else audio)


def notes(job: Job, quick_s: float = 0.25) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and samples of a note of each of the orchestra's instruments, without a room.

    In the quick form so many seconds of one note.
    """
    from models.data.features import load_audio
    from models.data.rendered import orchestra

    with tempfile.TemporaryDirectory() as folder:
        instruments = tuple(orchestra.INSTRUMENTS)[: job.choose(1, None)]
        made = orchestra.render(Path(folder), orchestra.Settings(step=12, velocities=(80,), instruments=instruments))
        for label in made.labels:
            sound = next(sound for sound in made.sounds if sound.label == label)
            audio = np.array(load_audio(made.path_of(sound), RATE))
            yield f"{label} {sound.pitch}", audio[: round(quick_s * RATE)] if job.quick else audio


def spectral_convergence_db(audio: np.ndarray, magnitudes: np.ndarray, hop: int) -> float:
    """Return the spectral convergence of a sound from magnitudes, dB; lower is better."""
    error = np.linalg.norm(stft_magnitudes(audio, N_FFT, hop) - magnitudes)
    return float(20 * np.log10(error / np.linalg.norm(magnitudes)))


def live_load(make: Callable[[], Inverter], spectra: Sequence[np.ndarray]) -> float:
    """Measure the share of one core that live inversion takes, one frame a push.

    Parameters
    ----------
    make
        Makes an inverter.
    spectra : np.ndarray [shape=(bands, frames)]
        Each is inverted three times.

    Returns
    -------
    float
        CPU time of the thread over duration of the audio, the median of all runs.
    """
    loads = []
    for spectrum in spectra:
        frames = [np.ascontiguousarray(frame[:, np.newaxis]) for frame in spectrum.T]
        for _ in range(REPEATS):
            inverter = make()
            start = time.thread_time()
            for frame in frames:
                inverter.push(frame)
            loads.append((time.thread_time() - start) / (len(frames) * inverter.hop / RATE))
    return statistics.median(loads)
