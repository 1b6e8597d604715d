"""A method's graph in onnxruntime, run a frame a step: where it comes to rest, and how late it answers."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort

from export.contract import AUDIO_IN, Card, input_channels, split
from export.noise import AMOUNT

SETTLE_SECONDS = 10.0
MOST_STEPS = 2000
SETTLED = 1e-7
LISTENED = 48  # frames after an impulse
IMPULSES = 4


class Running:
    """A method of a model, and its caches.

    Parameters
    ----------
    model, card
        The caches begin as the card's `rest` says.
    """

    def __init__(self, model: onnx.ModelProto, card: Card, key: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        part = split(model, key).SerializeToString()
        self.session = ort.InferenceSession(part, options, providers=["CPUExecutionProvider"])
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


def settled(model: onnx.ModelProto, card: Card, key: str, noisy: bool) -> tuple[np.ndarray, ...]:
    """Run a method on its mean latent (or silence), without noise, until its caches stand still."""
    running = Running(model, card, key)
    calm = _calm(running, card)
    steps = min(MOST_STEPS, int(SETTLE_SECONDS * card.sample_rate / running.method.hop))
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


def delay(model: onnx.ModelProto, card: Card, key: str) -> int:
    """How many samples after an input its answer is strongest.

    For audio in, that of a click's peak; for latents in, where the hop begins that holds most of what one frame does.
    """
    if key == "prior":
        return 0
    running = Running(model, card, key)
    running.values = {AMOUNT: 0.0}
    calm, rng = _calm(running, card), np.random.default_rng(0)
    hop, energy = running.method.hop, np.zeros(0)
    for _ in range(IMPULSES):
        impulse = calm.copy()
        if key in AUDIO_IN:
            impulse[:, :, 0] += rng.choice([-1.0, 1.0], impulse.shape[1])
        else:
            impulse += rng.standard_normal(impulse.shape).astype(np.float32)
        answers = []
        for first in (impulse, calm):
            running.states = [np.array(rest) for rest in running.method.rest]
            answers.append(np.concatenate([running.step(g) for g in [first] + [calm] * (LISTENED - 1)], axis=2))
        apart = np.square(answers[0] - answers[1]).sum(axis=(0, 1))
        energy = apart if not len(energy) else energy + apart
    if not energy.any():
        return 0
    if key == "encode":
        return int(energy.argmax()) * hop
    if key == "transform":
        return int(energy.argmax())
    return int(np.convolve(energy, np.ones(hop), "valid").argmax())


def _calm(running: Running, card: Card) -> np.ndarray:
    calm = np.zeros(running.shape, np.float32)
    if running.key == "decode":
        calm[0, :, 0] = card.latent.mean
    return calm
