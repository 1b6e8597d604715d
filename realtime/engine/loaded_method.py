"""One method of a model, loaded to run frame by frame on fixed buffers, without allocation.

Everything that plays a model runs it through here, and so gets the same samples.
"""

from __future__ import annotations

import os
from itertools import pairwise

import numpy as np
import onnx
import onnxruntime as ort

from export.errors import ContractError
from export.format.card import AUDIO_IN, Card, Method, input_channels, output_channels
from export.format.graph import split, unbent
from export.runtime.onnx_session import first_line, session


class LoadedMethod:
    """Runs a method on fixed buffers: fill `input` and `values`, `run`, read `output`.

    A step is always one frame. A matrix product over many frames is rounded otherwise than one over few, so this is
    what makes any division into chunks give the same output, bit for bit.

    Parameters
    ----------
    model, card
        From `export.format.io.load`.
    name
        `decode`, `encode`, `transform` or `prior`.
    path
        Names the model in errors.

    Attributes
    ----------
    input : np.ndarray [shape=(1, latents or channels, 1 or hop)], float32
    values : np.ndarray [shape=(values,)], float32
        The values of all controls, one control after the other.
    rest : np.ndarray [shape=(values,)], float32
        Their defaults.
    controls : list of np.ndarray [shape=(1, size, 1)], float32
        Views of `values`, one for each control.
    bent : slice or np.ndarray [shape=(bent,)], int
        Indices of the values that bend layers.
    output : np.ndarray [shape=(1, channels, rows or latents, `Method.gives`)], float32

    Raises
    ------
    ContractError
        The model lacks the method, or its graph gives other shapes than the card says.
    """

    def __init__(self, model: onnx.ModelProto, card: Card, name: str, path: str | os.PathLike[str]) -> None:
        self.name, self.method = name, card.method(name)
        method: Method = self.method
        part = split(model, name)
        self.session = session(_unbent(part, card, path).SerializeToString())
        given = method.hop if name in AUDIO_IN else 1
        self.input = np.zeros((1, input_channels(card, name), given), np.float32)
        self.values = np.array([c.default for c in method.controls for _ in range(c.size)], np.float32)
        self.rest = self.values.copy()
        self.bent = _bent(method)
        self._unbent = self.rest[self.bent]
        edges = np.cumsum([0, *(c.size for c in method.controls)])
        self.controls = [self.values[a:b].reshape(1, -1, 1) for a, b in pairwise(edges)]
        self.output = np.zeros((1, output_channels(card, name), method.gives), np.float32)
        self._caches = [[np.array(rest, np.float32) for rest in method.rest] for _ in range(2)]
        self._now = 0
        sessions = [self.session, session(part.SerializeToString())] if self._unbent.size else [self.session]
        for loaded in sessions:
            self._check_output(loaded, path)
        first, second = self._caches
        self._bindings = [
            (loaded, (self._bind(loaded, first, second), self._bind(loaded, second, first))) for loaded in sessions
        ]

    @property
    def at_rest(self) -> bool:
        """Whether no layer is bent."""
        return not self._unbent.size or bool((self.values[self.bent] == self._unbent).all())

    def run(self) -> None:
        """Run the graph on its buffers, and update its caches.

        While no layer is bent, a second graph without the bends is run, which costs less. Both use the same caches.
        """
        loaded, bindings = self._bindings[0 if self.at_rest else 1]
        loaded.run_with_iobinding(bindings[self._now])
        self._now ^= 1

    def reset(self) -> None:
        """Return the caches to their rest state."""
        self.restore(self.method.rest)

    def snapshot(self) -> tuple[np.ndarray, ...]:
        """Copy the caches."""
        return tuple(cache.copy() for cache in self._caches[self._now])

    def restore(self, caches: tuple[np.ndarray, ...]) -> None:
        """Continue from copied caches of this method."""
        for cache, kept in zip(self._caches[self._now], caches, strict=True):
            cache[:] = kept

    def _bind(
        self, loaded: ort.InferenceSession, caches: list[np.ndarray], following: list[np.ndarray]
    ) -> ort.IOBinding:
        """Bind the graph to fixed buffers, so that a step allocates nothing."""
        binding = loaded.io_binding()
        for name, array in self._feeds(loaded, caches).items():
            binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        outputs = {f"{self.name}.output": self.output}
        outputs |= {f"{self.name}.state.{k}.next": cache for k, cache in enumerate(following)}
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        return binding

    def _feeds(self, loaded: ort.InferenceSession, caches: list[np.ndarray]) -> dict[str, np.ndarray]:
        feeds = {f"{self.name}.input": self.input}
        controls = zip(self.method.controls, self.controls, strict=True)
        feeds |= {f"{self.name}.control.{control.name}": buffer for control, buffer in controls}
        feeds |= {f"{self.name}.state.{k}": cache for k, cache in enumerate(caches)}
        return {value.name: feeds[value.name] for value in loaded.get_inputs()}

    def _check_output(self, loaded: ort.InferenceSession, path: str | os.PathLike[str]) -> None:
        """Run once, to check that the output has the shape that the card says."""
        try:
            output = loaded.run([f"{self.name}.output"], self._feeds(loaded, self._caches[0]))[0]
        except Exception as error:  # onnxruntime raises private classes
            raise ContractError(f"{path}: the graph does not run ({first_line(error)}); export it again.") from None
        if output.shape != self.output.shape:
            raise ContractError(
                f"{path}: a frame gives {list(output.shape)}, and the card's hop, channels and spectrum say "
                f"{list(self.output.shape)}; export it again."
            )


def _unbent(part: onnx.ModelProto, card: Card, path: str | os.PathLike[str]) -> onnx.ModelProto:
    try:
        return unbent(part, card)[0]
    except ContractError as error:
        raise ContractError(f"{path}: {error}") from None


def _bent(method: Method) -> slice | np.ndarray:
    """Give the indices of the bends among the values of all controls."""
    edges = np.cumsum([0, *(c.size for c in method.controls)])
    pairs = [k for bend in method.bends for k in (bend.scale, bend.shift)]
    return run_of(np.concatenate([np.zeros(0, int), *(np.arange(edges[k], edges[k + 1]) for k in sorted(pairs))]))


def run_of(places: np.ndarray) -> slice | np.ndarray:
    """Convert consecutive indices into a slice, which is faster; leave others as they are."""
    first = int(places[0]) if places.size else 0
    follow = np.array_equal(places, np.arange(first, first + places.size))
    return slice(first, first + places.size) if follow else places
