"""A converted method, run in onnxruntime one frame a step, and its rest state."""

from __future__ import annotations

import numpy as np
import onnx

from export.format.card import AUDIO_IN, Card, input_channels
from export.format.graph import split
from export.runtime.onnx_session import session
from export.torchscript.tracing.repeatable_noise import AMOUNT

SETTLE_SECONDS = 10.0
MAX_STEPS = 2000
SETTLED = 1e-7


class MethodRunner:
    """A method of a model with its caches, which start from the card's rest state.

    Parameters
    ----------
    model, card
        A whole model.
    key : str
        Name of the method.

    Attributes
    ----------
    states : list of np.ndarray
        The caches.
    values : dict of str to float
        Values of controls by name; the others have their defaults.
    """

    def __init__(self, model: onnx.ModelProto, card: Card, key: str) -> None:
        self.session = session(split(model, key).SerializeToString())
        self.key, self.method = key, card.method(key)
        self.shape = (1, input_channels(card, key), self.method.hop if key in AUDIO_IN else 1)
        self.states = [np.array(rest) for rest in self.method.rest]
        self.values: dict[str, float] = {}
        states = range(len(self.states))
        self._wanted = [f"{key}.output", *(f"{key}.state.{k}.next" for k in states)]

    def step(self, frame: np.ndarray) -> np.ndarray:
        """Process one frame of input; return the output."""
        feeds = {f"{self.key}.input": frame} | {f"{self.key}.state.{k}": s for k, s in enumerate(self.states)}
        for control in self.method.controls:
            value = self.values.get(control.name, control.default)
            feeds[f"{self.key}.control.{control.name}"] = np.full((1, control.size, 1), value, np.float32)
        output, *self.states = self.session.run(self._wanted, feeds)
        return output


def settle_rest(model: onnx.ModelProto, card: Card, key: str, noisy: bool) -> tuple[np.ndarray, ...]:
    """Find the rest state of a method.

    Parameters
    ----------
    model, card
        A whole model.
    key : str
        Name of the method.
    noisy : bool
        Whether its last cache is the counter of its noise, which never settles.

    Returns
    -------
    tuple of np.ndarray
        The caches after the mean latent (or silence), without noise, has been repeated until they settled.
    """
    runner = MethodRunner(model, card, key)
    resting_input = _resting_input(runner, card)
    steps = min(MAX_STEPS, int(SETTLE_SECONDS * card.sample_rate / runner.method.hop))
    runner.values = {AMOUNT: 0.0}
    for _ in range(max(steps, 1)):
        before = runner.states
        runner.step(resting_input)
        pairs = list(zip(before, runner.states, strict=True))[: len(before) - noisy]
        if max((float(np.abs(a - b).max(initial=0.0)) for a, b in pairs), default=0.0) < SETTLED:
            break
    if noisy:
        runner.states[-1] = np.zeros(1, np.float32)
    return tuple(np.nan_to_num(state) for state in runner.states)


def _resting_input(runner: MethodRunner, card: Card) -> np.ndarray:
    resting_input = np.zeros(runner.shape, np.float32)
    if runner.key == "decode":
        resting_input[0, :, 0] = card.latent.mean
    return resting_input
