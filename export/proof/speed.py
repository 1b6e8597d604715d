"""The speed of a method, as a multiple of real time."""

from __future__ import annotations

import time

import numpy as np
import onnxruntime as ort

from export.format.card import Card
from export.proof.chunk_equality import random_input
from export.runtime.frame_stepper import FrameStepper

ROUNDS, ROUND_S = 5, 0.04


def real_time(loaded: ort.InferenceSession, card: Card, name: str) -> float:
    """Say how many times faster than real time a method runs: its median step in the quietest of a few rounds."""
    steps, rng = FrameStepper(loaded, card, name), np.random.default_rng(0)
    steps.input[:] = random_input(card, name, 1, rng, wander=False)[f"{name}.input"]
    medians = []
    for _ in range(ROUNDS):
        costs: list[float] = []
        ends = time.perf_counter() + ROUND_S
        while len(costs) < 3 or time.perf_counter() < ends:
            began = time.perf_counter()
            steps.run()
            costs.append(time.perf_counter() - began)
        medians.append(float(np.median(costs)))
    return round(card.method(name).hop / card.sample_rate / min(medians), 2)
