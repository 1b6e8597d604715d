"""The rest state: the caches of a method after it has settled on its mean latent or on silence."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import onnx

from export.format.card import Card, Method
from export.format.graph import split
from export.runtime.frame_stepper import FrameStepper
from export.runtime.onnx_session import graph_errors, session

SECONDS = 10.0
MAX_STEPS = 4096
SETTLED = 1e-7
LAST_PART = 4  # moves are compared with those in the last quarter of the steps


@dataclass(frozen=True)
class RestTrajectory:
    """The course of a method's caches at rest.

    Attributes
    ----------
    moves : np.ndarray [shape=(steps, caches)]
        Largest change of each cache in each step.
    caches : tuple of np.ndarray
        The caches at the end.
    settled : bool
        Whether they stopped changing before the time was up.
    """

    moves: np.ndarray
    caches: tuple[np.ndarray, ...]
    settled: bool

    @property
    def first(self) -> np.ndarray:
        """Change of each cache in the first step."""
        return self.moves[0]

    @property
    def later(self) -> np.ndarray:
        """Largest change of each cache at the end; a counter or noise never settles."""
        end = 1 if self.settled else max(len(self.moves) // LAST_PART, 1)
        return np.asarray(self.moves[-end:].max(axis=0))


def run_at_rest(part: onnx.ModelProto, card: Card, name: str, seconds: float = SECONDS) -> RestTrajectory:
    """Run a method from its rest state on the mean latent, or on silence, until its caches settle or time is up.

    Parameters
    ----------
    part
        The graph of that method alone, from `export.format.graph.split`.
    card, name
        The model's card, and the method.
    seconds
        Limit, in seconds of sound.

    Returns
    -------
    RestTrajectory
    """
    method = card.method(name)
    steps = FrameStepper(session(part.SerializeToString()), card, name)
    if name == "decode":
        steps.input[0, :, 0] = card.latent.mean
    moves, settled = [], False
    with graph_errors(name):
        for _ in range(int(np.clip(seconds * card.sample_rate / method.hop, 1, MAX_STEPS))):
            before = [cache.copy() for cache in steps.caches]
            steps.run()
            pairs = zip(before, steps.caches, strict=True)
            moves.append([float(np.abs(a - b).max(initial=0.0)) for a, b in pairs])
            settled = max(moves[-1], default=0.0) < SETTLED
            if settled:
                break
    return RestTrajectory(np.array(moves, np.float64), tuple(cache.copy() for cache in steps.caches), settled)


def settle_rest_states(model: onnx.ModelProto, card: Card) -> Card:
    """Set the rest state of every method to the values that its caches settle at; caches that never settle are kept."""
    methods = {name: _settle(split(model, name), card, name) for name in card.methods}
    return dataclasses.replace(card, methods=methods)


def _settle(part: onnx.ModelProto, card: Card, name: str) -> Method:
    method = card.method(name)
    if not method.rest:
        return method
    found = run_at_rest(part, card, name)
    settles = found.later < 0.5 * found.first
    pairs = zip(settles, method.rest, found.caches, strict=True)
    return dataclasses.replace(method, rest=tuple(new if settled else old for settled, old, new in pairs))
