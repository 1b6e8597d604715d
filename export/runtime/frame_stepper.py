"""A method run step by step with fixed buffers, for measuring.

The session comes from `export.runtime.onnx_session`, and so has the settings of the stage.
"""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from export.format.card import Card, input_channels, input_samples, output_channels, output_samples


class FrameStepper:
    """One method with fixed buffers: fill `input` and `controls`, call `run`, read `output`.

    It is made for measuring; `realtime.engine.loaded_method.LoadedMethod` of the stage can also restore caches and
    switch bends.

    Parameters
    ----------
    loaded : onnxruntime.InferenceSession
        The method's graph, from `export.runtime.onnx_session.session`.
    card : Card
        The model's card.
    name : str
        The method.

    Attributes
    ----------
    input, output : np.ndarray
        Input and output of a step, as described in `export.format.graph`.
    controls : list of np.ndarray [shape=(1, size, 1)]
        Values of the controls, at first their defaults.
    """

    def __init__(self, loaded: ort.InferenceSession, card: Card, name: str) -> None:
        method = card.method(name)
        self.input = np.zeros((1, input_channels(card, name), input_samples(card, name)), np.float32)
        self.controls = [np.full((1, c.size, 1), c.default, np.float32) for c in method.controls]
        self.output = np.zeros((1, output_channels(card, name), output_samples(card, name)), np.float32)
        self._caches = [[np.array(rest, np.float32) for rest in method.rest] for _ in range(2)]
        self._session, self._now = loaded, 0
        feeds = {f"{name}.input": self.input}
        named = zip(method.controls, self.controls, strict=True)
        feeds |= {f"{name}.control.{control.name}": buffer for control, buffer in named}
        self._bindings = [self._bind(name, feeds, self._caches[k], self._caches[1 - k]) for k in (0, 1)]

    @property
    def caches(self) -> list[np.ndarray]:
        """The caches as input of the next step."""
        return self._caches[self._now]

    def run(self) -> None:
        """Run one step and carry the caches over."""
        self._session.run_with_iobinding(self._bindings[self._now])
        self._now ^= 1

    def _bind(
        self, name: str, feeds: dict[str, np.ndarray], caches: list[np.ndarray], following: list[np.ndarray]
    ) -> ort.IOBinding:
        binding = self._session.io_binding()
        inputs = feeds | {f"{name}.state.{k}": cache for k, cache in enumerate(caches)}
        outputs = {f"{name}.output": self.output} | {f"{name}.state.{k}.next": c for k, c in enumerate(following)}
        for key, array in inputs.items():
            binding.bind_input(key, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        for key, array in outputs.items():
            binding.bind_output(key, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        return binding
