"""faster: cost of each setting of ONNX Runtime, and of each way to store weights, beside the default.

`{"bundled": {"default_ms", "ratios", "weights"}, "large": {…}}`, the bundled model's `decode` and a causal
convolutional decoder of 3.5 M parameters at hop 2048 (`tests.reference.large_decoder`). `default_ms` is a step as
`export.runtime` loads and binds it; `ratios` is, for each single change, how many times longer a step
takes: above 1 the default is faster. A side is loaded `INSTANCES` times, because the place of its weights in memory
matters more than most settings; all step in turns, in another order each round. An instance counts with the lower
quartile of its steps, a side with the median of its instances. `the same again` is the default a second time: the
distance of its ratio from 1 is the error. `weights` gives the size of the file and the signal-to-error ratio in dB of
smaller weights; `int8 dynamic` is onnxruntime's own quantisation, which calculates in eight bits. The quick form has
the bundled model alone.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

from export.format.card import Card
from export.format.graph import FRAMES, split
from export.format.io import load
from export.runtime.conv1d_to_conv2d import convs_as_2d
from export.runtime.frame_stepper import FrameStepper
from export.runtime.onnx_session import load_session, session, session_options
from export.weight_storage import quantize
from tests.benchmarks.support.job import Figures, Job

QUICK_S, FULL_S = 8, 90
INSTANCES, ROUNDS, WARM_UP = 5, 80, 5
QUICK_INSTANCES, QUICK_ROUNDS = 1, 8
SIGNAL_FRAMES, QUICK_SIGNAL_FRAMES = 256, 32
Step = Callable[[], None]


def run(job: Job) -> Figures:
    """Measure the bundled model, and in the full form the large one."""
    from realtime.library.library import bundled_model
    from tests.reference import export_reference, large_decoder

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = {"bundled": _measure(job, bundled_model(), folder)}
        if not job.quick:
            job.partial(result)
            job.progress("exporting the large model")
            large = export_reference(folder / "large.onnx", large_decoder(), hop=2048)
            result["large"] = _measure(job, large, folder)
    return result


def describe(result: Figures) -> str:
    """Return a line for each setting."""
    lines = []
    for name, found in result.items():
        lines.append(f"{name}: {found['default_ms']:.3f} ms a step; how many times longer it takes with")
        lines += [f"  {setting:24} {ratio:5.2f}" for setting, ratio in found["ratios"].items()]
        for kind, weights in found["weights"].items():
            lines.append(f"  {kind:24} {weights['megabytes']:.1f} MB, {weights['signal_to_error_db']} dB")
    return "\n".join(lines)


def _measure(job: Job, path: Path, folder: Path) -> Figures:
    job.progress(f"{path.stem}: loading")
    model, card = load(path)
    part = split(model, "decode")
    data = part.SerializeToString()
    lighters = {kind: quantize(model, card, kind) for kind in ("fp16", "int8")}
    dynamic = _dynamic(part, folder)
    sides: dict[str, Callable[[], Step]] = {
        "default": partial(_bound, data, card),
        "the same again": partial(_bound, data, card),
        **{name: partial(_bound, data, card, settings) for name, settings in _settings().items()},
        "convolutions as they are": partial(_bound, data, card, wide=False),
        "frames left open": partial(_bound, _open(part).SerializeToString(), card),
        "run() without binding": partial(_unbound, data, card),
        "int8 dynamic": partial(_bound, dynamic.SerializeToString(), card),
    }
    for kind, (light, lighter_card, _) in lighters.items():
        sides[f"{kind} weights"] = partial(_bound, split(light, "decode").SerializeToString(), lighter_card)
    instances = job.choose(QUICK_INSTANCES, INSTANCES)
    steps = [load_side() for load_side in sides.values() for _ in range(instances)]
    job.progress(f"{path.stem}: stepping")
    costs = dict(zip(sides, _in_turns(steps, instances, job.choose(QUICK_ROUNDS, ROUNDS)), strict=True))
    job.progress(f"{path.stem}: comparing weights")
    weights: dict[str, Any] = {"fp32": {"megabytes": _megabytes(model), "signal_to_error_db": None}}
    for kind, (light, _, cost_db) in lighters.items():
        weights[kind] = {"megabytes": _megabytes(light), "signal_to_error_db": round(cost_db, 1)}
    error_db = _signal_to_error_db(
        data, dynamic.SerializeToString(), card, job.choose(QUICK_SIGNAL_FRAMES, SIGNAL_FRAMES)
    )
    weights["int8 dynamic"] = {"megabytes": _megabytes(dynamic), "signal_to_error_db": round(error_db, 1)}
    return {
        "default_ms": round(1e3 * costs["default"], 4),
        "ratios": {name: round(cost / costs["default"], 3) for name, cost in costs.items() if name != "default"},
        "weights": weights,
    }


def _settings() -> dict[str, ort.SessionOptions]:
    """Return the default with one thing changed, for each of them."""
    level = ort.GraphOptimizationLevel
    changed = {}
    for name, value in (
        ("no optimisation", level.ORT_DISABLE_ALL),
        ("basic optimisation", level.ORT_ENABLE_BASIC),
        ("extended optimisation", level.ORT_ENABLE_EXTENDED),
    ):
        changed[name] = session_options()
        changed[name].graph_optimization_level = value
    for name, attribute in (("no arena", "enable_cpu_mem_arena"), ("no memory pattern", "enable_mem_pattern")):
        changed[name] = session_options()
        setattr(changed[name], attribute, not getattr(changed[name], attribute))
    changed["no prepacking"] = session_options()
    changed["no prepacking"].add_session_config_entry("session.disable_prepacking", "1")
    return changed


def _bound(data: bytes, card: Card, settings: ort.SessionOptions | None = None, *, wide: bool = True) -> Step:
    graph = convs_as_2d(onnx.load_model_from_string(data)).SerializeToString() if wide else data
    steps = FrameStepper(load_session(graph, settings or session_options()), card, "decode")
    steps.input[0, :, 0] = np.random.default_rng(0).standard_normal(card.latent.size)
    return steps.run


def _unbound(data: bytes, card: Card) -> Step:
    graph, method = session(data), card.method("decode")
    latent = np.random.default_rng(0).standard_normal((1, card.latent.size, 1)).astype(np.float32)
    feeds = {"decode.input": latent}
    feeds |= {f"decode.control.{c.name}": np.full((1, c.size, 1), c.default, np.float32) for c in method.controls}
    states = {f"decode.state.{k}": rest for k, rest in enumerate(method.rest)}
    wanted = ["decode.output", *(f"{name}.next" for name in states)]

    def step() -> None:
        nonlocal states
        _, *following = graph.run(wanted, feeds | states)
        states = dict(zip(states, following, strict=True))

    return step


def _open(part: onnx.ModelProto) -> onnx.ModelProto:
    """Rename the axis of the frames, so that the setting that makes it 1 doesn't find it."""
    renamed = onnx.ModelProto()
    renamed.CopyFrom(part)
    for value in (*renamed.graph.input, *renamed.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if FRAMES in dim.dim_param:
                dim.dim_param = dim.dim_param.replace(FRAMES, "any")
    return renamed


def _dynamic(part: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    """Let onnxruntime quantise weights beforehand and activations at every step."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source, made = folder / "whole.onnx", folder / "dynamic.onnx"
    onnx.save(part, source)
    quantize_dynamic(source, made, weight_type=QuantType.QInt8)
    return onnx.load(made)


def _signal_to_error_db(data: bytes, other: bytes, card: Card, frames: int) -> float:
    rng = np.random.default_rng(0)
    a, b = (FrameStepper(session(d), card, "decode") for d in (data, other))
    signal = error = 0.0
    for _ in range(frames):
        a.input[0, :, 0] = np.array(card.latent.mean) + np.array(card.latent.std) * rng.standard_normal(
            card.latent.size
        )
        b.input[:] = a.input
        a.run()
        b.run()
        signal += float(np.square(a.output, dtype=np.float64).sum())
        error += float(np.square(a.output - b.output, dtype=np.float64).sum())
    return float(10 * np.log10(signal / error))


def _in_turns(steps: list[Step], instances: int, rounds: int) -> list[float]:
    """Return the cost of a step of each side, s; `steps` has so many instances of each side in a row."""
    costs = np.zeros((len(steps), WARM_UP + rounds))
    order = np.random.default_rng(0)
    for n in range(WARM_UP + rounds):
        for k in order.permutation(len(steps)):
            step = steps[k]
            step()  # brings its weights back to the processor's caches, as far as they fit
            began = time.perf_counter()
            step()
            costs[k, n] = time.perf_counter() - began
    quartiles = np.quantile(costs[:, WARM_UP:], 0.25, axis=1).reshape(-1, instances)
    return [float(cost) for cost in np.median(quartiles, axis=1)]


def _megabytes(model: onnx.ModelProto) -> float:
    return float(round(model.ByteSize() / 1e6, 2))
