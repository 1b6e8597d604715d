"""faster: what each setting of ONNX Runtime, and each way to store weights, costs beside what the stage plays with.

`{"bundled": {…}, "large": {…}}`, the bundled model's `decode` and a causal convolutional decoder of 3.5 M parameters at
hop 2048 (`tests.reference.large_decoder`). `default_ms` is a step as `export.runtime.frame_stepper` loads and binds it;
`ratios` is, for each change of one thing, how many times longer a step takes then: above 1 the default wins. A
side is loaded `INSTANCES` times, because where its weights happen to lie in memory matters more than most settings; all
step in turns, in another order each round. An instance counts with the lower quartile of its steps, a side with the
median of its instances. `the same again` is the default a second time: what its ratio is away from 1 means nothing.
`weights` gives the size of the
file and the signal to error in dB of smaller weights; `int8 dynamic` is onnxruntime's own quantisation, which
calculates in eight bits.
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
from export.quantization import quantize
from export.runtime.conv1d_to_conv2d import convs_as_2d
from export.runtime.frame_stepper import FrameStepper, load_session, session, session_options

INSTANCES, ROUNDS, WARM_UP = 5, 80, 5
Step = Callable[[], None]


def run() -> dict[str, Any]:
    """Measure both models."""
    from realtime.library.library import bundled_model
    from tests.reference import export_reference, large_decoder

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large = export_reference(folder / "large.onnx", large_decoder(), hop=2048)
        files = {"bundled": bundled_model(), "large": large}
        return {key: _measure(path, folder) for key, path in files.items()}


def describe(result: dict[str, Any]) -> str:
    """Say it in lines."""
    lines = []
    for name, found in result.items():
        lines.append(f"{name}: {found['default_ms']:.3f} ms a step; how many times longer it takes with")
        lines += [f"  {setting:24} {ratio:5.2f}" for setting, ratio in found["ratios"].items()]
        for kind, weights in found["weights"].items():
            lines.append(f"  {kind:24} {weights['megabytes']:.1f} MB, {weights['signal_to_error_db']} dB")
    return "\n".join(lines)


def _measure(path: Path, folder: Path) -> dict[str, Any]:
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
    costs = dict(
        zip(sides, _in_turns([load_side() for load_side in sides.values() for _ in range(INSTANCES)]), strict=True)
    )
    weights: dict[str, Any] = {"fp32": {"megabytes": _megabytes(model), "signal_to_error_db": None}}
    for kind, (light, _, cost_db) in lighters.items():
        weights[kind] = {"megabytes": _megabytes(light), "signal_to_error_db": round(cost_db, 1)}
    weights["int8 dynamic"] = {
        "megabytes": _megabytes(dynamic),
        "signal_to_error_db": round(_signal_to_error_db(data, dynamic.SerializeToString(), card), 1),
    }
    return {
        "default_ms": round(1e3 * costs["default"], 4),
        "ratios": {name: round(cost / costs["default"], 3) for name, cost in costs.items() if name != "default"},
        "weights": weights,
    }


def _settings() -> dict[str, ort.SessionOptions]:
    """The default with one thing changed."""
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
    """Call the axis of the frames otherwise, so that the setting that makes it 1 doesn't find it."""
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


def _signal_to_error_db(data: bytes, other: bytes, card: Card) -> float:
    rng = np.random.default_rng(0)
    a, b = (FrameStepper(session(d), card, "decode") for d in (data, other))
    signal = error = 0.0
    for _ in range(256):
        a.input[0, :, 0] = np.array(card.latent.mean) + np.array(card.latent.std) * rng.standard_normal(
            card.latent.size
        )
        b.input[:] = a.input
        a.run()
        b.run()
        signal += float(np.square(a.output, dtype=np.float64).sum())
        error += float(np.square(a.output - b.output, dtype=np.float64).sum())
    return float(10 * np.log10(signal / error))


def _in_turns(instances: list[Step]) -> list[float]:
    """Give what a step of each side costs, s; a side's instances stand together."""
    costs = np.zeros((len(instances), WARM_UP + ROUNDS))
    order = np.random.default_rng(0)
    for n in range(WARM_UP + ROUNDS):
        for k in order.permutation(len(instances)):
            step = instances[k]
            step()  # brings back to the processor's caches what the others have pushed out, as far as it fits
            began = time.perf_counter()
            step()
            costs[k, n] = time.perf_counter() - began
    quartiles = np.quantile(costs[:, WARM_UP:], 0.25, axis=1).reshape(-1, INSTANCES)
    return [float(cost) for cost in np.median(quartiles, axis=1)]


def _megabytes(model: onnx.ModelProto) -> float:
    return round(model.ByteSize() / 1e6, 2)
