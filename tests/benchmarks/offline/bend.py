"""bend: cost of layers that can be bent, at rest and bent, beside the same model without them; one thread.

`{"plain_ms", "at_rest_ms", "ratio", "bent_ms", "bent_ratio", "deck_ratio", "first_bent_ms", "cold_ms", "load_plain_ms",
"load_bent_ms", "layers"}`, of a decoder's step of one frame: a causal convolutional decoder of about 300 k parameters
at hop 128 (`tests.reference`) with every layer bent; the quick form, which exports nothing, has the bundled model.
`ratio` is at rest over plain, the median of rounds in which the sides step in turns, so that a busy machine slows down
both; `deck_ratio` is the same of all that a deck does for a frame. `first_bent_ms` is the first bent step after others
at rest, with the processor's caches overwritten between, and `cold_ms` a step at rest after the same; medians.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from tests.benchmarks.support.job import Figures, Job

QUICK_S, FULL_S = 5, 40
ROUNDS, STEPS, WARM_UP, SWITCHES = 40, 50, 50, 20
QUICK_ROUNDS, QUICK_SWITCHES = 6, 5


def run(job: Job) -> Figures:
    """Measure a decoder with all of its layers bent."""
    import torch

    from export.bending.bend import bend_file
    from realtime.engine.decoder import Decoder
    from realtime.engine.engine import Engine
    from realtime.library.library import bundled_model
    from tests.reference import export_reference

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("plain.onnx", "bent.onnx")]
        job.progress("writing the models")
        if job.quick:
            shutil.copy(bundled_model(), paths[0])
        else:
            export_reference(paths[0])
        bend_file(paths[0], paths[1], ["all"])
        loads = [_seconds(partial(Decoder, path)) for path in paths]
        plain, bent = (Decoder(path) for path in paths)
        decks = [Engine(path, 48_000) for path in paths]
    latent = np.zeros(plain.card.latent.size)
    turned = bent.graph.rest.copy()
    turned[bent.graph.bent] += 0.01
    plain.warm()
    bent.warm()
    sides: list[Callable[[], object]] = [
        lambda: plain.step(latent, plain.graph.rest),
        lambda: bent.step(latent, bent.graph.rest),
        lambda: bent.step(latent, turned),
        decks[0].next,
        decks[1].next,
    ]
    job.progress("stepping")
    costs = _rounds(sides, job.choose(QUICK_ROUNDS, ROUNDS))
    plain_s, rest_s, bent_s, *_ = np.median(costs, axis=1)
    switches = job.choose(QUICK_SWITCHES, SWITCHES)
    first, cold = (np.median([_cold(sides[1], then) for _ in range(switches)]) for then in (sides[2], sides[1]))
    return {
        "plain_ms": round(1e3 * plain_s, 4),
        "at_rest_ms": round(1e3 * rest_s, 4),
        "ratio": round(float(np.median(costs[1] / costs[0])), 3),
        "bent_ms": round(1e3 * bent_s, 4),
        "bent_ratio": round(float(np.median(costs[2] / costs[0])), 3),
        "deck_ratio": round(float(np.median(costs[4] / costs[3])), 3),
        "first_bent_ms": round(1e3 * first, 4),
        "cold_ms": round(1e3 * cold, 4),
        "load_plain_ms": round(1e3 * loads[0], 1),
        "load_bent_ms": round(1e3 * loads[1], 1),
        "layers": len(bent.method.bends),
    }


def describe(result: Figures) -> str:
    """Return the costs."""
    return (
        f"{result['layers']} layers: {result['at_rest_ms']:.3f} ms a step at rest against {result['plain_ms']:.3f} "
        f"without ({100 * (result['ratio'] - 1):+.1f} %, a whole deck {100 * (result['deck_ratio'] - 1):+.1f} %), "
        f"{result['bent_ms']:.3f} ms bent, {result['first_bent_ms']:.3f} in the first such step "
        f"(at rest, as cold: {result['cold_ms']:.3f}); "
        f"loaded in {result['load_bent_ms']:.0f} ms against {result['load_plain_ms']:.0f}"
    )


def _rounds(sides: list[Callable[[], object]], rounds: int) -> np.ndarray:
    """Return the median cost of a step of each side in each round [shape=(sides, rounds)], s."""
    costs = np.zeros((len(sides), rounds, STEPS))
    for side in sides:
        for _ in range(WARM_UP):
            side()
    for n in range(rounds):
        for step in range(STEPS):
            for turn in range(len(sides)):
                k = (turn + step) % len(sides)  # in changing order
                began = time.perf_counter()
                sides[k]()
                costs[k, n, step] = time.perf_counter() - began
    return np.asarray(np.median(costs, axis=2))


def _cold(rest: Callable[[], object], then: Callable[[], object]) -> float:
    """Time a step after others, with the caches overwritten between."""
    for _ in range(STEPS):
        rest()
    np.ones(1 << 22).sum()  # 32 MB go through the caches
    return _seconds(then)


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began
