"""The proof at the door: a converted method beside the script that it was made from.

Both run over the same random input with the same noise: the graph a frame a step in onnxruntime, the script with
several frames at once and with random cuts. What differs is refused, and the first layer that differs is named.
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
from export.torchscript.script.nn_tilde import Script
from export.torchscript.script.roles import Role
from export.torchscript.tracing.noise import AMOUNT, SEED, Draw
from export.torchscript.tracing.randomness import NoiseSubstitution
from export.torchscript.tracing.windowed_models import Window

TOLERANCE = 1e-5
STEPS = 72
CHUNK_SIZES = (1, 2, 4)
LAYER_TOLERANCE = 1e-4


@dataclass(frozen=True)
class ConvertedMethod:
    """A converted method, ready to be run beside its script, and what it draws."""

    role: Role
    running: MethodRunner
    draws: list[Draw]

    @property
    def rest(self) -> tuple[np.ndarray, ...]:
        """The caches that both begin with."""
        return self.running.method.rest

    def render(self, given: Tensor, values: dict[str, float]) -> Tensor:
        """Run the graph a frame a step from its rest."""
        self.running.states = [np.array(rest) for rest in self.rest]
        self.running.values = values
        frames = torch.split(given, self.role.given, dim=2)
        return torch.cat([torch.from_numpy(self.running.step(frame.numpy())) for frame in frames], dim=2)


@dataclass(frozen=True)
class Parity:
    """The largest difference found, over how many frames, and under which cut."""

    value: float
    steps: int
    cut: str
    at: int = 0


def compare(
    script: Script,
    made: ConvertedMethod,
    caches: list[Cache],
    window: Window | None,
    values: dict[str, float],
    seed: int,
) -> Parity:
    """Measure a method against its script, whose attributes stand as `values` say."""
    given = made.role.input(STEPS, seed=1000 + seed)
    found = made.render(given, values)
    if window is not None:
        return _compare_windowed(script, made, window, given, found, values, seed)
    worst = Parity(0.0, STEPS, "")
    cuts = {f"{count} at once": [count] * (STEPS // count) for count in CHUNK_SIZES} | {
        "cut at random": _random_chunks(seed)
    }
    for label, sizes in cuts.items():
        wanted = _run_script(script, made, caches, given, sizes, values)
        if wanted is not None:
            gap = _difference(found, wanted, made.role.made)
        else:  # what it draws for several frames lies elsewhere than for one: without noise, then
            wanted = _run_script(script, made, caches, given, sizes, values | {AMOUNT: 0.0})
            assert wanted is not None
            gap = _difference(made.render(given, values | {AMOUNT: 0.0}), wanted, made.role.made)
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
    """Name the first layer of a recorded graph that has no counterpart in the ONNX graph; empty where all have.

    Both are run on the same input (`feeds` by name, `examples` in order), and a layer's output is looked for among all
    tensors of its shape.
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

    class Look(fx.Interpreter):
        missing = ""

        def run_node(self, n: fx.Node) -> object:
            value = super().run_node(n)
            if not self.missing and n.name in layers and isinstance(value, Tensor) and value.is_floating_point():
                own = value.numpy()
                near = [np.abs(own - other).max(initial=0.0) for other in tensors.get(own.shape, [])]
                if not near or min(near) > LAYER_TOLERANCE * max(1.0, float(np.abs(own).max(initial=0.0))):
                    self.missing = layers[n.name]
            return value

    look = Look(graph)
    with torch.no_grad():
        look.run(*examples)
    return look.missing


def _run_script(
    script: Script,
    made: ConvertedMethod,
    caches: list[Cache],
    given: Tensor,
    sizes: Sequence[int],
    values: dict[str, float],
) -> Tensor | None:
    """Run the script; None where it draws otherwise for several frames at once."""
    amount, number = values.get(AMOUNT, 1.0), _seed(made, values)
    outputs, count = [], 0
    with preserved_state(script):
        load_caches(script, caches, [torch.from_numpy(rest) for rest in made.rest[: len(caches)]])
        for chunk in torch.split(given, [size * made.role.given for size in sizes], dim=2):
            frames = chunk.shape[2] // made.role.given
            with NoiseSubstitution(made.draws, number, count, frames, amount) as noise:
                outputs.append(made.role.play(script, chunk))
            if noise.lost:
                return None
            count += frames
    return torch.cat(outputs, dim=2)


def _compare_windowed(
    script: Script,
    made: ConvertedMethod,
    window: Window,
    given: Tensor,
    found: Tensor,
    values: dict[str, float],
    seed: int,
) -> Parity:
    """An exact window equals the render of the whole, later; another equals its own windows, run by the script."""
    role, amount, number = made.role, values.get(AMOUNT, 1.0), _seed(made, values)
    past = torch.from_numpy(made.rest[0])
    whole = torch.cat([past, given], dim=2)
    total, before = whole.shape[2] // role.given, past.shape[2] // role.given
    if window.exact:
        with NoiseSubstitution(made.draws, number, -before, total, amount) as noise:
            wanted = role.play(script, whole)
        if noise.lost:
            found = made.render(given, values | {AMOUNT: 0.0})
            with NoiseSubstitution(made.draws, number, -before, total, 0.0):
                wanted = role.play(script, whole)
        begin = (before - window.ahead) * role.made
        gap = _difference(
            found[:, :, : wanted.shape[2] - begin], wanted[:, :, begin : begin + found.shape[2]], role.made
        )
        return Parity(gap[0], STEPS, "rendered whole", gap[1])
    states = [torch.from_numpy(rest) for rest in made.rest[:2]]
    outputs = []
    for k, frame in enumerate(torch.split(given, role.given, dim=2)):
        first = k - before if _grows(made, window, role, script) else k
        frames = window.frames if first != k or before == 0 else 1
        with NoiseSubstitution(made.draws, number, first, frames, amount):
            output, *states = window.step(script, role, frame, states)
        outputs.append(output)
    gap = _difference(found, torch.cat(outputs, dim=2), role.made)
    return Parity(gap[0], STEPS, "windows run by the script", gap[1])


def _grows(made: ConvertedMethod, window: Window, role: Role, script: Script) -> bool:
    from export.torchscript.tracing.windowed_models import plan_noise

    return bool(made.draws) and plan_noise(script, role, window.frames)[0] is not None


def _seed(made: ConvertedMethod, values: dict[str, float]) -> int:
    default = next((c.default for c in made.running.method.controls if c.name == SEED), 0.0)
    return int(values.get(SEED, default))


def _random_chunks(seed: int) -> list[int]:
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.choice(np.arange(1, STEPS), size=STEPS // 5, replace=False))
    return [int(size) for size in np.diff([0, *edges, STEPS])]


def _difference(found: Tensor, wanted: Tensor, frame: int) -> tuple[float, int]:
    """Give the largest difference, relative above a peak of 1, and the frame that it is in."""
    if found.shape != wanted.shape:
        return float("inf"), 0
    apart = torch.nan_to_num((found - wanted).abs(), nan=float("inf")) / max(1.0, float(wanted.abs().max()))
    return float(apart.max()), int(apart.amax(dim=(0, 1)).argmax()) // frame
