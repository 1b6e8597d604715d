"""Sessions of onnxruntime as the stage uses them: one thread, one frame a step; and the errors of a graph.

The exporter measures with the same settings that the stage plays with, so that the speed on a card holds on stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import onnxruntime as ort

from export.errors import ContractError
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
