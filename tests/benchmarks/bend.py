"""bend: what layers that can be bent cost, at rest and bent, against the same model without them; one thread.

`{"plain_ms", "at_rest_ms", "ratio", "bent_ms", "bent_ratio", "deck_ratio", "first_bent_ms", "cold_ms", "load_plain_ms",
"load_bent_ms", "layers"}`, of a decoder's step of one frame: a causal convolutional decoder of about 300 k parameters
at hop 128 (`tests.reference`) with every layer bent. `ratio` is at rest against plain, the median of rounds in which
the sides step in turns, so that a busy machine is busy for both; `deck_ratio` is the same of all that a deck does for a
frame. `first_bent_ms` is the first bent step after a rest in which the processor's caches were used for something else,
and `cold_ms` a step at rest after the same; medians.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROUNDS, STEPS, WARM_UP, SWITCHES = 40, 50, 50, 20


def run() -> dict[str, Any]:
    """Measure the reference decoder, all of its layers bent."""
    import torch

    from export.bending.bend import bend_file
    from realtime.engine.decoder import Decoder
    from realtime.engine.engine import Engine
    from tests.reference import export_reference

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("plain.onnx", "bent.onnx")]
        export_reference(paths[0])
        bend_file(paths[0], paths[1], ["all"])
        loads = [_seconds(lambda path=path: Decoder(path)) for path in paths]
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
    costs = _rounds(sides)
    plain_s, rest_s, bent_s, *_ = np.median(costs, axis=1)
    first, cold = (np.median([_cold(sides[1], then) for _ in range(SWITCHES)]) for then in (sides[2], sides[1]))
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


def describe(result: dict[str, Any]) -> str:
    """Say it in a line."""
    return (
        f"{result['layers']} layers: {result['at_rest_ms']:.3f} ms a step at rest against {result['plain_ms']:.3f} "
        f"without ({100 * (result['ratio'] - 1):+.1f} %, a whole deck {100 * (result['deck_ratio'] - 1):+.1f} %), "
        f"{result['bent_ms']:.3f} ms bent, {result['first_bent_ms']:.3f} in the first such step "
        f"(at rest, as cold: {result['cold_ms']:.3f}); "
        f"loaded in {result['load_bent_ms']:.0f} ms against {result['load_plain_ms']:.0f}"
    )


def _rounds(sides: list[Callable[[], object]]) -> np.ndarray:
    """Give the median cost of a step of each side in each round [shape=(sides, rounds)], s."""
    costs = np.zeros((len(sides), ROUNDS, STEPS))
    for side in sides:
        for _ in range(WARM_UP):
            side()
    for n in range(ROUNDS):
        for step in range(STEPS):
            for turn in range(len(sides)):
                k = (turn + step) % len(sides)  # nobody always comes after the same
                began = time.perf_counter()
                sides[k]()
                costs[k, n, step] = time.perf_counter() - began
    return np.asarray(np.median(costs, axis=2))


def _cold(rest: Callable[[], object], then: Callable[[], object]) -> float:
    """Time a step after a rest, and after memory was used for something else."""
    for _ in range(STEPS):
        rest()
    np.ones(1 << 22).sum()  # 32 MB go through the caches
    return _seconds(then)


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began
