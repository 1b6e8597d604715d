"""nsgt: the nonstationary Gabor transform there and back, whole and sliced, and how far the two agree.

For semitones from 55 Hz on, and mel and Bark bands, at 48 kHz and in float64: ``whole`` and ``sliced`` are the largest
relative errors, ``norm(back - sound) / norm(sound)``, over 1, 2, 47, 1001 and 48001 samples of noise and two seconds of
three pieces of music (`tests.music`); ``silence`` is the largest sample that comes back for it. At most 1e-12 is asked
for. ``redundancy`` is the number of coefficients, complex, for each sample.

``agreement_db`` says for semitones from 220 Hz on how far the joined coefficients of slices of so many samples are from
those of the whole sound, as energy, in dB, on a second of music.
"""

from typing import Any

import numpy as np
import torch

from models.dsp.transforms.frequency import barks, mels, octaves
from models.dsp.transforms.nsgt import NSGT
from models.dsp.transforms.sliced import SlicedNSGT
from tests.benchmarks._inversion import RATE, pieces

SCALES = {"semitones": octaves(55, 20_000, 12), "mel": mels(50, 20_000, 80), "bark": barks(50, 20_000, 48)}
SECONDS = 2
SLICES = (4096, 8192, 16_384, 32_768, 65_536)


def run() -> dict[str, Any]:
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    sounds = [random.standard_normal(length) for length in (1, 2, 47, 1001, RATE + 1)]
    sounds += [audio[RATE : (SECONDS + 1) * RATE].astype(np.float64) for _, audio in pieces()]
    result: dict[str, Any] = {}
    for name, edges in SCALES.items():
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
    return result | {"agreement_db": {str(length): _agreement_db(length) for length in SLICES}}


def describe(result: dict[str, Any]) -> str:
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


def _agreement_db(slice_length: int) -> float:
    edges = octaves(220, 20_000, 12)
    music = next(pieces())[1][RATE : 2 * RATE].astype(np.float64)
    audio = torch.from_numpy(np.pad(music, 65_536))  # silence around it, for what rings on
    whole = NSGT(edges, RATE)(audio)
    sliced = SlicedNSGT(edges, RATE, slice_length=slice_length)
    joined = sliced.joined(sliced(audio), len(audio))
    return float(20 * torch.log10(torch.linalg.norm(joined - whole) / torch.linalg.norm(whole)))
