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
    """Measure the speed of a method on one thread.

    Parameters
    ----------
    loaded : onnxruntime.InferenceSession
        The method's graph, from `export.runtime.onnx_session.session`.
    card, name
        The model's card, and the method.

    Returns
    -------
    float
        Duration of a hop divided by that of a step: the median step in the fastest of a few rounds.
    """
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
