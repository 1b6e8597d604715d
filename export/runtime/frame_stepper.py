"""A method run as on stage: one thread, one frame a step, fixed buffers.

The exporter measures with the same settings that the stage plays with, so that the speed on a card holds on stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnx
import onnxruntime as ort

from export.errors import ContractError
from export.format.card import Card, input_channels, input_samples, output_channels, output_samples
from export.format.graph import FRAMES
from export.runtime.conv1d_to_conv2d import convs_as_2d


def session_options() -> ort.SessionOptions:
    """Return the settings that every method is loaded with; `python -m tests.benchmarks faster` measures each."""
    chosen = ort.SessionOptions()
    chosen.intra_op_num_threads = 1
    chosen.inter_op_num_threads = 1
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    chosen.add_free_dimension_override_by_name(FRAMES, 1)
    chosen.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    chosen.log_severity_level = 3
    return chosen


def session(model: bytes) -> ort.InferenceSession:
    """Load a graph for one thread and one frame a step, with wide 1-D convolutions rewritten for speed.

    Returns
    -------
    ort.InferenceSession
        On the CPU, with `session_options`.

    Raises
    ------
    ContractError
        onnxruntime cannot load it.
    """
    return load_session(convs_as_2d(onnx.load_model_from_string(model)).SerializeToString(), session_options())


def load_session(model: bytes, settings: ort.SessionOptions) -> ort.InferenceSession:
    """Load a graph without rewriting it.

    Returns
    -------
    ort.InferenceSession
        On the CPU.

    Raises
    ------
    ContractError
        onnxruntime cannot load it.
    """
    try:
        return ort.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises unpublished classes
        raise ContractError(f"onnxruntime cannot load the graph ({first_line(error)}); export it again.") from None


class FrameStepper:
    """One method with fixed buffers: fill `input` and `controls`, call `run`, read `output`.

    It is made for measuring; `realtime.engine.loaded_method.LoadedMethod` of the stage can also restore caches and
    switch bends.

    Parameters
    ----------
    loaded : onnxruntime.InferenceSession
        The method's graph, from `session`.
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


@contextmanager
def graph_errors(name: str) -> Iterator[None]:
    """Turn errors of onnxruntime while it runs the method `name` into a `ContractError`."""
    try:
        yield
    except (ContractError, OSError, MemoryError):
        raise
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        raise ContractError(f"the graph of '{name}' does not run ({first_line(error)}); export it again.") from None


def first_line(error: Exception) -> str:
    """Return the first line of an error of onnxruntime, without its full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
