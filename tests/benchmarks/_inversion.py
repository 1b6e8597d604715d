"""What the benchmarks of inversion share: the pieces, and the share of a core that a stream takes."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from realtime.dsp.rtpghi import PhaseInverter, stft_magnitudes
from tests.music import PIECES, render

N_FFT, RATE = 2048, 48_000
REPEATS = 3


def pieces() -> Iterator[tuple[str, np.ndarray]]:
    """Name and samples of each piece."""
    for name in PIECES:
        audio, _ = render(name)
        yield name, np.array(audio)


def notes() -> Iterator[tuple[str, np.ndarray]]:
    """Name and samples of two notes of each of the orchestra's instruments, one by one and without a room."""
    from models.data.features import load_audio
    from models.data.rendered import orchestra

    with tempfile.TemporaryDirectory() as folder:
        made = orchestra.render(Path(folder), orchestra.Settings(step=12, velocities=(80,)))
        for label in made.labels:
            for sound in [sound for sound in made.sounds if sound.label == label][:2]:
                yield f"{label} {sound.pitch}", np.array(load_audio(made.path_of(sound), RATE))


def spectral_convergence_db(audio: np.ndarray, magnitudes: np.ndarray, hop: int) -> float:
    error = np.linalg.norm(stft_magnitudes(audio, N_FFT, hop) - magnitudes)
    return float(20 * np.log10(error / np.linalg.norm(magnitudes)))


def live_load(make: Callable[[], PhaseInverter], spectra: Sequence[np.ndarray]) -> float:
    """Share of one core that live inversion takes, one frame a push: CPU time of the thread over duration of the audio.

    Median over three runs of each of the spectra [bands, frames].
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
