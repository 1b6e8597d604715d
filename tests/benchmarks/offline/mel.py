"""mel: quality and cost of making sound of 128 mel bands, beside NNLS followed by phase inversion.

Three pieces of music (`tests.music`) at 48 kHz, power in 128 mel bands of an STFT of 2048 samples at hop 512 (Hann).
``NAME_db`` is the mean over the pieces of the mean |Δ log-mel| of the sound from the original
(`models.dsp.sound_distances`: not below −80 dB, frames within 60 dB of the loudest); lower is better. The quick form
has a second of one piece.

- ``pinv_rtpghi_db``: the bands through the pseudo-inverse of their weights, then RTPGHI(0).
- ``nnls_rtpghi1_db``: non-negative least squares (``librosa.feature.inverse.mel_to_stft``), then RTPGHI(1).
- ``nnls_griffinlim32_db``: the same spectrum, then 32 rounds of ``librosa.griffinlim``: the figure to beat offline.
- ``live_db``: `realtime.dsp.mel_inversion`; ``live_load`` is the share of one core that it takes, one frame a push:
  CPU time of the thread over duration of the audio, median over three runs of every piece. The aim is at most 0.05.
- ``good_db``, ``best_db``: `models.dsp.transforms.phase_inversion` at these qualities; ``good_load`` and ``best_load``
are
  seconds that they take for a second of sound, one thread.
- ``buzz_db``: of white noise through each of them, how much its treble fluctuates at the frame rate
  (`models.dsp.sound_distances.buzz_db`); ``noise`` is the noise itself.
- ``by_piece``: the same for each piece.
"""

import statistics
import time

import librosa
import numpy as np
import torch

from export.format.card import Spectrum
from models.dsp.sound_distances import buzz_db, log_mel_difference_db
from models.dsp.transforms.mel import Mel
from models.dsp.transforms.phase_inversion import invert
from realtime.dsp import mel_inversion as unmel
from realtime.dsp import rtpghi as phase
from tests.benchmarks.support.inversion import N_FFT, RATE, live_load, pieces
from tests.benchmarks.support.job import Figures, Job

QUICK_S, FULL_S = 10, 120
HOP, BANDS = 512, 128
NOISE_S, QUICK_NOISE_S = 20.0, 0.9
MARGIN_S, QUICK_MARGIN_S = 1.0, 0.2  # of the noise, at both ends


def run(job: Job) -> Figures:
    """Measure each piece, the live load and the noise."""
    job.progress("compiling")
    torch.set_num_threads(1)
    phase.warm()
    unmel.warm()
    mel = Mel(RATE, Spectrum(N_FFT, HOP), BANDS)
    by_piece: dict[str, dict[str, float]] = {}
    spectra = []
    for name, audio in pieces(job, quick_s=0.7):
        job.progress(name)
        bands = mel(torch.from_numpy(audio))
        spectra.append(bands.numpy())
        by_piece[name] = _measure(audio, bands, mel)
        job.partial({"by_piece": by_piece})
    weights = mel.weights.numpy()
    mean = {
        key: statistics.mean(figures[key] for figures in by_piece.values()) for key in next(iter(by_piece.values()))
    }
    job.progress("live load")
    load = live_load(lambda: unmel.MelInverter(weights, N_FFT, HOP), spectra)
    job.partial(mean | {"live_load": load, "by_piece": by_piece})
    job.progress("noise")
    return mean | {"live_load": load, "buzz_db": _buzz(job, mel), "by_piece": by_piece}


def describe(result: Figures) -> str:
    """Return a line for each method."""
    rows = {
        "pinv_rtpghi": "pseudo-inverse, RTPGHI(0)",
        "nnls_rtpghi1": "NNLS, RTPGHI(1)",
        "live": "live",
        "nnls_griffinlim32": "NNLS, 32 rounds of librosa's fast Griffin-Lim",
        "good": "good",
        "best": "best",
    }
    lines = []
    for key, what in rows.items():
        load = result.get(f"{key}_load")
        pieces_db = ", ".join(f"{name} {figures[f'{key}_db']:.2f}" for name, figures in result["by_piece"].items())
        cost = f"   {100 * load:.1f} % of a core" if load is not None else ""
        buzz = f"   buzz {result['buzz_db'][key]:.1f} dB"
        lines.append(f"{what:48}{result[f'{key}_db']:6.2f} dB ({pieces_db}){buzz}{cost}")
    return "\n".join(lines)


def _measure(audio: np.ndarray, bands: torch.Tensor, mel: Mel) -> dict[str, float]:
    made, loads = _inverted(bands, mel, len(audio))
    return {f"{name}_db": log_mel_difference_db(audio, other, RATE) for name, other in made.items()} | loads


def _buzz(job: Job, mel: Mel) -> dict[str, float]:
    noise = (0.1 * np.random.default_rng(0).standard_normal(round(job.choose(QUICK_NOISE_S, NOISE_S) * RATE))).astype(
        np.float32
    )
    margin = round(job.choose(QUICK_MARGIN_S, MARGIN_S) * RATE)
    made, _ = _inverted(mel(torch.from_numpy(noise)), mel, len(noise))
    return {name: round(buzz_db(audio[margin:-margin]), 2) for name, audio in {"noise": noise, **made}.items()}


def _inverted(bands: torch.Tensor, mel: Mel, length: int) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Make sound of bands in every way, and return it with the cost of some of them."""
    weights = mel.weights.numpy().astype(np.float64)
    pinv = np.sqrt(np.maximum(np.linalg.pinv(weights) @ bands.numpy(), 0))
    nnls = librosa.feature.inverse.mel_to_stft(bands.numpy(), sr=RATE, n_fft=N_FFT, power=2.0)
    made = {
        "pinv_rtpghi": phase.invert(pinv, N_FFT, HOP, length=length),
        "nnls_rtpghi1": phase.invert(nnls, N_FFT, HOP, lookahead=1, length=length),
        "nnls_griffinlim32": librosa.griffinlim(
            nnls, n_iter=32, hop_length=HOP, pad_mode="constant", length=length, random_state=0
        ),
        "live": invert(bands, mel, quality="live", length=length).numpy(),
    }
    loads = {}
    for quality in ("good", "best"):
        began = time.thread_time()
        made[quality] = invert(bands, mel, quality=quality, length=length).numpy()
        loads[f"{quality}_load"] = (time.thread_time() - began) / (length / RATE)
    return made, loads
