"""nsgt: reconstruction error of the nonstationary Gabor transform, whole and sliced, and how far the two agree.

For semitones from 55 Hz on, and mel and Bark bands, at 48 kHz and in float64: ``whole`` and ``sliced`` are the largest
relative errors, ``norm(back - sound) / norm(sound)``, over 1, 2, 47, 1001 and 48001 samples of noise and two seconds of
three pieces of music (`tests.music`); the quick form has less of each. ``silence`` is the largest sample that is
reconstructed from silence. The aim is at most 1e-12. ``redundancy`` is the number of complex coefficients a sample.

``agreement_db`` is, for semitones from 220 Hz on, the energy of the difference between the joined coefficients of
slices (by their length in samples) and those of the whole sound, in dB, on a second of music.
"""

import numpy as np
import torch

from models.dsp.transforms.frequency_scales import barks, mels, octaves
from models.dsp.transforms.nsgt import NSGT
from models.dsp.transforms.sliced_nsgt import SlicedNSGT
from tests.benchmarks.support.inversion import RATE, pieces
from tests.benchmarks.support.job import Figures, Job

QUICK_S, FULL_S = 5, 60
SCALES = {"semitones": octaves(55, 20_000, 12), "mel": mels(50, 20_000, 80), "bark": barks(50, 20_000, 48)}
SECONDS, QUICK_SECONDS = 2.0, 0.5
LENGTHS_OF_NOISE, QUICK_LENGTHS_OF_NOISE = (1, 2, 47, 1001, RATE + 1), (1, 47, 1001)
SLICES, QUICK_SLICES = (4096, 8192, 16_384, 32_768, 65_536), (4096, 16_384)


def run(job: Job) -> Figures:
    """Measure each scale, then each length of slices."""
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    sounds = [random.standard_normal(length) for length in job.choose(QUICK_LENGTHS_OF_NOISE, LENGTHS_OF_NOISE)]
    music = [audio[RATE:].astype(np.float64) for _, audio in pieces(job, quick_s=2.0)]
    sounds += [audio[: round(job.choose(QUICK_SECONDS, SECONDS) * RATE)] for audio in music]
    result: Figures = {}
    for name, edges in SCALES.items():
        job.progress(name)
        whole, sliced = NSGT(edges, RATE), SlicedNSGT(edges, RATE)
        silence = torch.zeros(RATE + 1, dtype=torch.float64)
        result[name] = {
            "whole": max(_error(whole, sound) for sound in sounds),
            "sliced": max(_error(sliced, sound) for sound in sounds),
            "silence": max(
                float(transform.inverse(transform(silence), len(silence)).abs().max()) for transform in (whole, sliced)
            ),
            "bands": whole.bands,
            "redundancy": whole.bands / whole.hop,
        }
        job.partial(result)
    result["agreement_db"] = {}
    for length in job.choose(QUICK_SLICES, SLICES):
        job.progress(f"slices of {length}")
        result["agreement_db"][str(length)] = _agreement_db(music[0][:RATE], length)
        job.partial(result)
    return result


def describe(result: Figures) -> str:
    """Return a line for each scale, and the agreement."""
    lines = [
        f"{name:10} whole {r['whole']:.1e}, sliced {r['sliced']:.1e}, silence {r['silence']:.0e}; {r['bands']} bands, "
        f"{r['redundancy']:.1f} coefficients a sample"
        for name, r in result.items()
        if name != "agreement_db"
    ]
    slices = ", ".join(f"{length}: {db:.1f} dB" for length, db in result["agreement_db"].items())
    return "\n".join([*lines, f"slices beside the whole, by their length: {slices}"])


def _error(transform: NSGT | SlicedNSGT, sound: np.ndarray) -> float:
    audio = torch.from_numpy(sound)
    back = transform.inverse(transform(audio), len(audio))
    return float(torch.linalg.norm(back - audio) / torch.linalg.norm(audio))


def _agreement_db(music: np.ndarray, slice_length: int) -> float:
    edges = octaves(220, 20_000, 12)
    audio = torch.from_numpy(np.pad(music, 65_536))  # silence around it, for what rings on
    whole = NSGT(edges, RATE)(audio)
    sliced = SlicedNSGT(edges, RATE, slice_length=slice_length)
    joined = sliced.joined(sliced(audio), len(audio))
    return float(20 * torch.log10(torch.linalg.norm(joined - whole) / torch.linalg.norm(whole)))
