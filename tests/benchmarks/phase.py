"""Phase inversion: spectral convergence of RTPGHI beside Griffin-Lim's, and what it costs live.

Three pieces of music (`tests.music`) at 48 kHz, magnitudes of a Hann window of 2048 samples, hops of 512 and 256. For
each hop:

- ``rtpghi0_db``, ``rtpghi1_db``: mean over the pieces of the spectral convergence of `realtime.phase.invert` without
  and with one frame of lookahead, ``20 log10(norm(abs(STFT(y)) - S) / norm(S))``; lower is better.
- ``griffinlim32_db``: the same for ``librosa.griffinlim``, 32 iterations from random phases (seed 0) with its default
  momentum of 0.99 (fast Griffin-Lim), which hears the whole piece at once.
- ``rtpghi0_load``: share of one core that live inversion takes, one frame a push: CPU time of the thread over duration
  of the audio, median over three runs of every piece.
"""

import statistics
import time
from typing import Any

import librosa
import numpy as np

from realtime.phase import PhaseInverter, invert, stft_magnitudes, warm
from tests.music import PIECES, render

N_FFT = 2048
HOPS = (512, 256)
REPEATS = 3


def run() -> dict[str, Any]:
    warm()
    return {f"hop{hop}": _measure(hop) for hop in HOPS}


def describe(result: dict[str, Any]) -> str:
    lines = ["        RTPGHI(0)  RTPGHI(1)  fast Griffin-Lim 32  RTPGHI(0) live, of one core"]
    for hop, figures in result.items():
        causal, ahead, reference = (figures[f"{method}_db"] for method in ("rtpghi0", "rtpghi1", "griffinlim32"))
        load = 100 * figures["rtpghi0_load"]
        lines.append(f"{hop}{causal:8.1f} dB{ahead:8.1f} dB{reference:18.1f} dB{load:27.2f} %")
    return "\n".join(lines)


def _measure(hop: int) -> dict[str, float]:
    convergence: dict[str, list[float]] = {"rtpghi0_db": [], "rtpghi1_db": [], "griffinlim32_db": []}
    loads = []
    for piece in PIECES:
        audio, sample_rate = render(piece)
        magnitudes = stft_magnitudes(audio, N_FFT, hop)
        for lookahead in (0, 1):
            inverted = invert(magnitudes, N_FFT, hop, lookahead=lookahead, length=len(audio))
            convergence[f"rtpghi{lookahead}_db"].append(_spectral_convergence_db(inverted, magnitudes, hop))
        reference = librosa.griffinlim(
            magnitudes, n_iter=32, hop_length=hop, pad_mode="constant", length=len(audio), random_state=0
        )
        convergence["griffinlim32_db"].append(_spectral_convergence_db(reference, magnitudes, hop))
        loads += [_live_seconds(magnitudes, hop) / (len(audio) / sample_rate) for _ in range(REPEATS)]
    return {name: statistics.mean(values) for name, values in convergence.items()} | {
        "rtpghi0_load": statistics.median(loads)
    }


def _spectral_convergence_db(audio: np.ndarray, magnitudes: np.ndarray, hop: int) -> float:
    error = np.linalg.norm(stft_magnitudes(audio, N_FFT, hop) - magnitudes)
    return float(20 * np.log10(error / np.linalg.norm(magnitudes)))


def _live_seconds(magnitudes: np.ndarray, hop: int) -> float:
    """CPU time of pushing the frames one by one."""
    inverter = PhaseInverter(N_FFT, hop)
    frames = [np.ascontiguousarray(frame[:, np.newaxis]) for frame in magnitudes.T]
    start = time.thread_time()
    for frame in frames:
        inverter.push(frame)
    return time.thread_time() - start
