"""Parity: a converted method compared with the script that it was made from.

Both process the same random input with the same noise: the graph with one frame a step in onnxruntime, the script with
several frames a call and with random divisions. If they differ, the first layer that differs can be named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, fx

from export.torchscript.method_runner import MethodRunner
from export.torchscript.script.detect_state import Cache, load_caches, preserved_state
from export.torchscript.script.method_roles import Role
from export.torchscript.script.nn_tilde import Script
from export.torchscript.tracing.random_operators import NoiseSubstitution
from export.torchscript.tracing.repeatable_noise import AMOUNT, SEED, Draw
from export.torchscript.tracing.windowed_models import Window

TOLERANCE = 1e-5
STEPS = 72
CHUNK_SIZES = (1, 2, 4)
LAYER_TOLERANCE = 1e-4


@dataclass(frozen=True)
class ConvertedMethod:
    """A converted method with its runner and its random draws."""

    role: Role
    runner: MethodRunner
    draws: list[Draw]

    @property
    def rest(self) -> tuple[np.ndarray, ...]:
        """The caches that graph and script start from."""
        return self.runner.method.rest

    def render(self, x: Tensor, values: dict[str, float]) -> Tensor:
        """Run the graph one frame a step from its rest state, with values of controls."""
        self.runner.states = [np.array(rest) for rest in self.rest]
        self.runner.values = values
        frames = torch.split(x, self.role.input_length, dim=2)
        return torch.cat([torch.from_numpy(self.runner.step(frame.numpy())) for frame in frames], dim=2)


@dataclass(frozen=True)
class Parity:
    """The largest difference between graph and script.

    Attributes
    ----------
    value : float
        Difference, relative if the peak is above 1.
    steps : int
        Frames that were compared.
    cut : str
        How the script's input was divided.
    at : int
        The frame with the difference.
    """

    value: float
    steps: int
    cut: str
    at: int = 0


def compare(
    script: Script,
    converted: ConvertedMethod,
    caches: list[Cache],
    window: Window | None,
    values: dict[str, float],
    seed: int,
) -> Parity:
    """Compare a method with its script.

    Parameters
    ----------
    script : Script
        With its attributes set to `values`.
    converted : ConvertedMethod
    caches : list of Cache
        The caches of the script that the graph carries.
    window : Window or None
        The window of a method without caches.
    values : dict of str to float
        Values of controls by name.
    seed : int
        Seed of the random input.

    Returns
    -------
    Parity
        The largest difference over all divisions of the input.
    """
    x = converted.role.input(STEPS, seed=1000 + seed)
    found = converted.render(x, values)
    if window is not None:
        return _compare_windowed(script, converted, window, x, found, values, seed)
    worst = Parity(0.0, STEPS, "")
    cuts = {f"{count} at once": [count] * (STEPS // count) for count in CHUNK_SIZES} | {
        "cut at random": _random_chunks(seed)
    }
    for label, sizes in cuts.items():
        wanted = _run_script(script, converted, caches, x, sizes, values)
        if wanted is not None:
            gap = _difference(found, wanted, converted.role.output_length)
        else:  # its draws for several frames have another layout: compare without noise
            wanted = _run_script(script, converted, caches, x, sizes, values | {AMOUNT: 0.0})
            assert wanted is not None
            gap = _difference(converted.render(x, values | {AMOUNT: 0.0}), wanted, converted.role.output_length)
        if gap[0] > worst.value:
            worst = Parity(gap[0], STEPS, label, gap[1])
    return worst


def first_difference(
    model: onnx.ModelProto,
    graph: fx.GraphModule,
    layers: dict[str, str],
    feeds: dict[str, np.ndarray],
    examples: list[Tensor],
) -> str:
    """Find the first layer of a recorded graph whose output the ONNX graph doesn't reproduce.

    Both are run on the same input, and a layer's output is searched for among all tensors of its shape.

    Parameters
    ----------
    model : onnx.ModelProto
        The graph of one method.
    graph : fx.GraphModule
        The recording.
    layers : dict of str to str
        Names of layers by the names of the recording's nodes.
    feeds : dict of str to np.ndarray
        Input of `model` by name.
    examples : list of Tensor
        The same input for `graph`, in order.

    Returns
    -------
    str
        Name of the layer; empty if all are reproduced.
    """
    inside = onnx.ModelProto()
    inside.CopyFrom(model)
    known = {value.name for value in inside.graph.output}
    names = [name for node in inside.graph.node for name in node.output if name and name not in known]
    inside.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(inside.SerializeToString(), options, providers=["CPUExecutionProvider"])
    tensors: dict[tuple[int, ...], list[np.ndarray]] = {}
    for tensor in session.run(None, feeds):
        if isinstance(tensor, np.ndarray):
            tensors.setdefault(tensor.shape, []).append(tensor)

    class LayerSearch(fx.Interpreter):
        missing = ""

        def run_node(self, n: fx.Node) -> object:
            value = super().run_node(n)
            if not self.missing and n.name in layers and isinstance(value, Tensor) and value.is_floating_point():
                own = value.numpy()
                near = [np.abs(own - other).max(initial=0.0) for other in tensors.get(own.shape, [])]
                if not near or min(near) > LAYER_TOLERANCE * max(1.0, float(np.abs(own).max(initial=0.0))):
                    self.missing = layers[n.name]
            return value

    search = LayerSearch(graph)
    with torch.no_grad():
        search.run(*examples)
    return search.missing


def _run_script(
    script: Script,
    converted: ConvertedMethod,
    caches: list[Cache],
    x: Tensor,
    sizes: Sequence[int],
    values: dict[str, float],
) -> Tensor | None:
    """Run the script; None if its draws for several frames have another layout."""
    amount, number = values.get(AMOUNT, 1.0), _seed(converted, values)
    outputs, count = [], 0
    with preserved_state(script):
        load_caches(script, caches, [torch.from_numpy(rest) for rest in converted.rest[: len(caches)]])
        for chunk in torch.split(x, [size * converted.role.input_length for size in sizes], dim=2):
            frames = chunk.shape[2] // converted.role.input_length
            with NoiseSubstitution(converted.draws, number, count, frames, amount) as noise:
                outputs.append(converted.role.play(script, chunk))
            if noise.mismatched:
                return None
            count += frames
    return torch.cat(outputs, dim=2)


def _compare_windowed(
    script: Script,
    converted: ConvertedMethod,
    window: Window,
    x: Tensor,
    found: Tensor,
    values: dict[str, float],
    seed: int,
) -> Parity:
    """Compare an exact window with the delayed render of the whole, and another with windows run by the script."""
    role, amount, number = converted.role, values.get(AMOUNT, 1.0), _seed(converted, values)
    past = torch.from_numpy(converted.rest[0])
    whole = torch.cat([past, x], dim=2)
    total, before = whole.shape[2] // role.input_length, past.shape[2] // role.input_length
    if window.exact:
        with NoiseSubstitution(converted.draws, number, -before, total, amount) as noise:
            wanted = role.play(script, whole)
        if noise.mismatched:
            found = converted.render(x, values | {AMOUNT: 0.0})
            with NoiseSubstitution(converted.draws, number, -before, total, 0.0):
                wanted = role.play(script, whole)
        begin = (before - window.ahead) * role.output_length
        gap = _difference(
            found[:, :, : wanted.shape[2] - begin], wanted[:, :, begin : begin + found.shape[2]], role.output_length
        )
        return Parity(gap[0], STEPS, "rendered whole", gap[1])
    states = [torch.from_numpy(rest) for rest in converted.rest[:2]]
    outputs = []
    for k, frame in enumerate(torch.split(x, role.input_length, dim=2)):
        first = k - before if _noise_grows(converted, window, role, script) else k
        frames = window.frames if first != k or before == 0 else 1
        with NoiseSubstitution(converted.draws, number, first, frames, amount):
            output, *states = window.step(script, role, frame, states)
        outputs.append(output)
    gap = _difference(found, torch.cat(outputs, dim=2), role.output_length)
    return Parity(gap[0], STEPS, "windows run by the script", gap[1])


def _noise_grows(converted: ConvertedMethod, window: Window, role: Role, script: Script) -> bool:
    from export.torchscript.tracing.windowed_models import plan_noise

    return bool(converted.draws) and plan_noise(script, role, window.frames)[0] is not None


def _seed(converted: ConvertedMethod, values: dict[str, float]) -> int:
    default = next((c.default for c in converted.runner.method.controls if c.name == SEED), 0.0)
    return int(values.get(SEED, default))


def _random_chunks(seed: int) -> list[int]:
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.choice(np.arange(1, STEPS), size=STEPS // 5, replace=False))
    return [int(size) for size in np.diff([0, *edges, STEPS])]


def _difference(found: Tensor, wanted: Tensor, frame: int) -> tuple[float, int]:
    """Return the largest difference, relative if the peak is above 1, and its frame."""
    if found.shape != wanted.shape:
        return float("inf"), 0
    apart = torch.nan_to_num((found - wanted).abs(), nan=float("inf")) / max(1.0, float(wanted.abs().max()))
    return float(apart.max()), int(apart.amax(dim=(0, 1)).argmax()) // frame
