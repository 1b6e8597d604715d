"""A method's graph in onnxruntime, run a frame a step, and where it comes to rest."""

from __future__ import annotations

import numpy as np
import onnx

from export.format.card import AUDIO_IN, Card, input_channels
from export.format.graph import split
from export.runtime.frame_stepper import session
from export.torchscript.tracing.noise import AMOUNT

SETTLE_SECONDS = 10.0
MAX_STEPS = 2000
SETTLED = 1e-7


class MethodRunner:
    """A method of a model, and its caches.

    Parameters
    ----------
    model, card
        The caches begin as the card's `rest` says.
    """

    def __init__(self, model: onnx.ModelProto, card: Card, key: str) -> None:
        self.session = session(split(model, key).SerializeToString())
        self.key, self.method = key, card.method(key)
        self.shape = (1, input_channels(card, key), self.method.hop if key in AUDIO_IN else 1)
        self.states = [np.array(rest) for rest in self.method.rest]
        self.values: dict[str, float] = {}
        states = range(len(self.states))
        self._wanted = [f"{key}.output", *(f"{key}.state.{k}.next" for k in states)]

    def step(self, given: np.ndarray) -> np.ndarray:
        """Make one frame."""
        feeds = {f"{self.key}.input": given} | {f"{self.key}.state.{k}": s for k, s in enumerate(self.states)}
        for control in self.method.controls:
            value = self.values.get(control.name, control.default)
            feeds[f"{self.key}.control.{control.name}"] = np.full((1, control.size, 1), value, np.float32)
        output, *self.states = self.session.run(self._wanted, feeds)
        return output


def settle_rest(model: onnx.ModelProto, card: Card, key: str, noisy: bool) -> tuple[np.ndarray, ...]:
    """Run a method on its mean latent (or silence), without noise, until its caches stand still."""
    running = MethodRunner(model, card, key)
    calm = _resting_input(running, card)
    steps = min(MAX_STEPS, int(SETTLE_SECONDS * card.sample_rate / running.method.hop))
    running.values = {AMOUNT: 0.0}
    for _ in range(max(steps, 1)):
        before = running.states
        running.step(calm)
        pairs = list(zip(before, running.states, strict=True))[: len(before) - noisy]
        if max((float(np.abs(a - b).max(initial=0.0)) for a, b in pairs), default=0.0) < SETTLED:
            break
    if noisy:
        running.states[-1] = np.zeros(1, np.float32)
    return tuple(np.nan_to_num(state) for state in running.states)


def _resting_input(running: MethodRunner, card: Card) -> np.ndarray:
    calm = np.zeros(running.shape, np.float32)
    if running.key == "decode":
        calm[0, :, 0] = card.latent.mean
    return calm
