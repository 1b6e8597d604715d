"""Where a graph comes to stand when nothing is played: the rest state, found and checked in the graph itself."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import onnx

from export.format.card import Card, Method
from export.format.graph import split
from export.runtime.frame_stepper import FrameStepper, graph_errors, session

SECONDS = 10.0
MAX_STEPS = 4096
SETTLED = 1e-7
LAST_PART = 4  # the last of so many parts of the steps is what a move is compared with


@dataclass(frozen=True)
class RestTrajectory:
    """How the caches of a method moved while it was left alone.

    `moves` [shape=(steps, caches)] is the largest move of each in each step, `caches` is where they are then, and
    `still` whether they had come to stand before time was up.
    """

    moves: np.ndarray
    caches: tuple[np.ndarray, ...]
    still: bool

    @property
    def first(self) -> np.ndarray:
        """What each cache moves in the first step."""
        return self.moves[0]

    @property
    def later(self) -> np.ndarray:
        """What each cache moves at most in the end: a counter or noise never stands still."""
        end = 1 if self.still else max(len(self.moves) // LAST_PART, 1)
        return np.asarray(self.moves[-end:].max(axis=0))


def run_at_rest(part: onnx.ModelProto, card: Card, name: str, seconds: float = SECONDS) -> RestTrajectory:
    """Run a method from its rest state on the mean latent, or on silence, until nothing moves or time is up.

    Parameters
    ----------
    part
        The graph of that method alone, as `export.format.graph.split` cuts it.
    seconds
        Of sound that it is left alone for, at most.
    """
    method = card.method(name)
    steps = FrameStepper(session(part.SerializeToString()), card, name)
    if name == "decode":
        steps.input[0, :, 0] = card.latent.mean
    moves, still = [], False
    with graph_errors(name):
        for _ in range(int(np.clip(seconds * card.sample_rate / method.hop, 1, MAX_STEPS))):
            before = [cache.copy() for cache in steps.caches]
            steps.run()
            pairs = zip(before, steps.caches, strict=True)
            moves.append([float(np.abs(a - b).max(initial=0.0)) for a, b in pairs])
            still = max(moves[-1], default=0.0) < SETTLED
            if still:
                break
    return RestTrajectory(np.array(moves, np.float64), tuple(cache.copy() for cache in steps.caches), still)


def settle_rest_states(model: onnx.ModelProto, card: Card) -> Card:
    """Bring the rest state of every method to where its graph settles, where it settles at all."""
    methods = {name: _settle(split(model, name), card, name) for name in card.methods}
    return dataclasses.replace(card, methods=methods)


def _settle(part: onnx.ModelProto, card: Card, name: str) -> Method:
    method = card.method(name)
    if not method.rest:
        return method
    found = run_at_rest(part, card, name)
    calms = found.later < 0.5 * found.first
    pairs = zip(calms, method.rest, found.caches, strict=True)
    return dataclasses.replace(method, rest=tuple(new if calm else old for calm, old, new in pairs))
