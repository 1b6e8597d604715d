"""One method of a model, loaded to be run a frame a step: caches in place, nothing allocated.

Everything that plays a model runs it through here, so that all hear the same samples.
"""

from __future__ import annotations

import os

import numpy as np
import onnx
import onnxruntime as ort

from export.contract import AUDIO_IN, Card, ContractError, Method, input_channels, output_channels, split
from export.stepping import first_line, session


class Graph:
    """Runs a method on buffers that stay: fill `input` and `controls`, `run`, read `output`.

    A step is always one frame, however many are asked for: any cut of the same input gives the same output, bit for
    bit, also where a matrix product over many frames would round otherwise than one over few.

    Parameters
    ----------
    model, card
        As `export.contract.load` gives them.
    name
        `decode`, `encode`, `transform` or `prior`.
    path
        What errors call the model.

    Attributes
    ----------
    input : np.ndarray [shape=(1, latents or channels, 1 or hop)], float32
    controls : list of np.ndarray [shape=(1, size, 1)], float32
    output : np.ndarray [shape=(1, channels, bins or latents, hop or 1)], float32

    Raises
    ------
    ContractError
        The model lacks the method, or the graph gives other shapes than its card says.
    """

    def __init__(self, model: onnx.ModelProto, card: Card, name: str, path: str | os.PathLike[str]) -> None:
        self.name, self.method = name, card.method(name)
        method: Method = self.method
        self.session = session(split(model, name).SerializeToString())
        given = method.hop if name in AUDIO_IN else 1
        self.input = np.zeros((1, input_channels(card, name), given), np.float32)
        self.controls = [np.full((1, c.size, 1), c.default, np.float32) for c in method.controls]
        samples = method.hop if method.output == "audio" else 1
        self.output = np.zeros((1, output_channels(card, name), samples), np.float32)
        self._caches = [[np.array(rest, np.float32) for rest in method.rest] for _ in range(2)]
        self._now = 0
        self._check_output(path)
        self._bindings = [self._bind(self._caches[0], self._caches[1]), self._bind(self._caches[1], self._caches[0])]

    def run(self) -> None:
        """Run the graph on what its buffers hold, and take its caches on."""
        self.session.run_with_iobinding(self._bindings[self._now])
        self._now ^= 1

    def reset(self) -> None:
        """Bring the caches to their rest state."""
        self.restore(self.method.rest)

    def snapshot(self) -> tuple[np.ndarray, ...]:
        """Copy the caches."""
        return tuple(cache.copy() for cache in self._caches[self._now])

    def restore(self, caches: tuple[np.ndarray, ...]) -> None:
        """Go on from caches of this method."""
        for cache, kept in zip(self._caches[self._now], caches, strict=True):
            cache[:] = kept

    def _bind(self, caches: list[np.ndarray], following: list[np.ndarray]) -> ort.IOBinding:
        """Tie the graph to buffers that stay, so that a step allocates nothing."""
        binding = self.session.io_binding()
        for name, array in self._feeds(caches).items():
            binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        outputs = {f"{self.name}.output": self.output}
        outputs |= {f"{self.name}.state.{k}.next": cache for k, cache in enumerate(following)}
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        return binding

    def _feeds(self, caches: list[np.ndarray]) -> dict[str, np.ndarray]:
        feeds = {f"{self.name}.input": self.input}
        controls = zip(self.method.controls, self.controls, strict=True)
        feeds |= {f"{self.name}.control.{control.name}": buffer for control, buffer in controls}
        return feeds | {f"{self.name}.state.{k}": cache for k, cache in enumerate(caches)}

    def _check_output(self, path: str | os.PathLike[str]) -> None:
        """Run once in the open, to see that the graph gives what its card says."""
        try:
            output = self.session.run([f"{self.name}.output"], self._feeds(self._caches[0]))[0]
        except Exception as error:  # onnxruntime raises classes of its own that it doesn't publish
            raise ContractError(f"{path}: the graph does not run ({first_line(error)}); export it again.") from None
        if output.shape != self.output.shape:
            raise ContractError(
                f"{path}: a frame gives {list(output.shape)}, and the card's hop, channels and spectrum say "
                f"{list(self.output.shape)}; export it again."
            )
