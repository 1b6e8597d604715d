"""phase: quality and cost of inverting magnitudes by every method, beside librosa's Griffin-Lim.

`{"music": {"hop512": {…}, "hop256": {…}}, "notes": {…}, "all": {…}}`. Music: three pieces (`tests.music`), ensembles in
a room, mixed to one channel; notes: one of each of the orchestra's instruments; all: the mean over all sounds. 48 kHz,
magnitudes of a Hann window of 2048 samples, hops of 512 and 256. The quick form has a quarter of a second of one piece
and of one note. For each:

- ``NAME_db``: mean over the sounds of the spectral convergence, ``20 log10(norm(abs(STFT(y)) - S) / norm(S))``; lower
  is better. `rtpghi0` and `rtpghi1` are the stage's, without and with one frame of lookahead; `rtisi_la` looks three
  frames ahead; `griffin_lim` has 100 rounds, `fast_griffin_lim` 32, both from random phases; `pghi` has none,
  `pghi_fast_griffin_lim` 32 after it, `pghi_raar` 100 of RAAR (quality `good`) and `pghi_raar_300` 300 (`best`), the
  last of the first two seconds of each sound: whole, they would take as long as all others together.
- ``NAME_load``: seconds that it takes for a second of sound, median over the sounds; one thread of a core.
- ``rtpghi0_load``, ``rtpghi1_load``: share of one core that live inversion takes, one frame a push: CPU time of the
  thread over duration of the audio, median over three runs of every sound.
- ``griffinlim32_db``, ``griffinlim100_db``: the same for ``librosa.griffinlim``, 32 and 100 iterations from random
  phases (seed 0) with its default momentum of 0.99 (fast Griffin-Lim); ``griffinlim100_plain_db`` without momentum.
  They see the whole sound at once.
- ``asked_db``: the aims of some methods. They were measured on unknown sounds, which matter more than the method, so
  compare them with librosa's there: -22.0 and -28.8 for the 32 and 100 rounds, close to those in ``all``.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import librosa
import numpy as np
import torch

from export.format.card import Spectrum
from models.dsp.transforms.phase_inversion import METHODS, invert
from realtime.dsp.rtpghi import PhaseInverter, stft_magnitudes, warm
from tests.benchmarks.support.inversion import N_FFT, RATE, live_load, notes, pieces, spectral_convergence_db
from tests.benchmarks.support.job import Figures, Job

QUICK_S, FULL_S = 10, 300
HOPS = (512, 256)
SHORTENED, SHORT_S = ("pghi_raar_300",), 2.0
LIBROSA = {"griffinlim32": (32, 0.99), "griffinlim100": (100, 0.99), "griffinlim100_plain": (100, 0.0)}
ASKED = {
    512: {"rtpghi0": -18.4, "rtpghi1": -20.6, "rtisi_la": -27.0, "pghi_fast_griffin_lim": -32.3},
    256: {"rtpghi0": -22.6, "pghi_fast_griffin_lim": -34.6},
}


def run(job: Job) -> Figures:
    """Measure all methods on each material at each hop."""
    job.progress("compiling")
    torch.set_num_threads(1)
    warm()
    for method in METHODS:
        invert(torch.ones(9, 4), Spectrum(16, 4), method=method)
    job.progress("rendering the sounds")
    materials = {"music": list(pieces(job, quick_s=0.25)), "notes": list(notes(job))}
    found: dict[str, Figures] = {name: {} for name in materials}
    for name, sounds in materials.items():
        for hop in HOPS:
            found[name][f"hop{hop}"] = _measure(job, sounds, hop)
            job.partial(found)
    counts = [len(sounds) for sounds in materials.values()]
    return found | {"all": {hop: _mean([each[hop] for each in found.values()], counts) for hop in found["music"]}}


def describe(result: Figures) -> str:
    """Return a line for each method, material and hop."""
    lines = []
    for material, hops in result.items():
        for hop, figures in hops.items():
            lines.append(f"{material}, {hop}:")
            lines += _rows(figures)
    return "\n".join(lines)


def _rows(figures: dict[str, Any]) -> Iterator[str]:
    for key, value in figures.items():
        if not key.endswith("_db") or key == "asked_db":
            continue
        name = key.removesuffix("_db")
        load, asked = figures.get(f"{name}_load"), figures["asked_db"].get(name)
        yield (
            f"  {name:26}{value:7.1f} dB"
            + (f"{100 * load:9.2f} % of a core" if load is not None else " " * 20)
            + (f"   aim {asked:.1f} dB" if asked is not None else "")
        )


def _mean(materials: Sequence[dict[str, Any]], counts: Sequence[int]) -> dict[str, Any]:
    """Return the mean over all sounds; `counts` are their numbers in each material."""
    names = [key for key in materials[0] if key.endswith("_db") and key != "asked_db"]
    means = {name: float(np.average([each[name] for each in materials], weights=counts)) for name in names}
    return means | {"asked_db": materials[0]["asked_db"]}


def _measure(job: Job, sounds: Sequence[tuple[str, np.ndarray]], hop: int) -> Figures:
    convergence: dict[str, list[float]] = {name: [] for name in (*METHODS, *LIBROSA)}
    seconds: dict[str, list[float]] = {name: [] for name in METHODS}
    spectra = []
    for sound, audio in sounds:
        magnitudes = stft_magnitudes(audio, N_FFT, hop)
        spectra.append(magnitudes)
        for name in METHODS:
            job.progress(f"hop {hop}, {sound}, {name}")
            part = audio[: round(SHORT_S * RATE)] if name in SHORTENED else audio
            wanted = stft_magnitudes(part, N_FFT, hop) if len(part) < len(audio) else magnitudes
            began = time.thread_time()
            made = invert(torch.from_numpy(wanted), Spectrum(N_FFT, hop), method=name, length=len(part))
            seconds[name].append((time.thread_time() - began) / (len(part) / RATE))
            convergence[name].append(spectral_convergence_db(made.numpy(), wanted, hop))
        for name, (rounds, momentum) in LIBROSA.items():
            job.progress(f"hop {hop}, {sound}, {name}")
            reference = librosa.griffinlim(
                magnitudes,
                n_iter=rounds,
                hop_length=hop,
                pad_mode="constant",
                length=len(audio),
                random_state=0,
                momentum=momentum,
            )
            convergence[name].append(spectral_convergence_db(reference, magnitudes, hop))
    job.progress(f"hop {hop}, live load")
    live = {
        f"rtpghi{ahead}_load": live_load(partial(PhaseInverter, N_FFT, hop, lookahead=ahead), spectra)
        for ahead in (0, 1)
    }
    return (
        {f"{name}_db": statistics.mean(values) for name, values in convergence.items()}
        | {f"{name}_load": float(np.median(values)) for name, values in seconds.items()}
        | live
        | {"asked_db": ASKED[hop]}
    )
