"""decode: what a step of one frame costs in ONNX Runtime and in TorchScript, one thread each.

`{"reference": {"onnx_ms", "torchscript_ms", "ratio", "realtime_factor", "load"}, "large": {…}, "bundled": {…}}`. The
reference is a causal convolutional decoder of about 300 k parameters at hop 128, the large one the same with 3.5 M at
hop 2048 (`tests.reference`); beside the bundled file stands the module it was exported from, with weights of the same
sizes. The sides step in turns, so that a busy machine is busy for all; medians. `load` is the share of one core that a
step takes with everything a deck does for it (inversion of magnitudes).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

STEPS, WARM_UP = 600, 50


def run() -> dict[str, Any]:
    """Measure both models."""
    import torch

    from realtime.library import bundled_model
    from tests.reference import large_decoder, reference_decoder

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    result = {"reference": _traced(reference_decoder(), 128), "large": _traced(large_decoder(), 2048)}
    if bundled_model().exists():
        from realtime.decoder import Decoder

        result["bundled"] = _bundled(Decoder(bundled_model()))
    return result


def describe(result: dict[str, Any]) -> str:
    """Say it in lines."""
    return "\n".join(
        f"{name}: ONNX {r['onnx_ms']:.3f} ms, TorchScript {r['torchscript_ms']:.3f} ms a step, {r['ratio']:.1f} times; "
        f"{r['realtime_factor']:.0f} times real time, {100 * r['load']:.1f} % of a core with inversion"
        for name, r in result.items()
    )


def _traced(module: Any, hop: int) -> dict[str, float]:
    """Hold an exported module against itself, traced and frozen."""
    import torch

    from realtime.decoder import Decoder
    from tests.reference import export_reference

    with tempfile.TemporaryDirectory() as folder:
        decoder = Decoder(export_reference(Path(folder) / "module.onnx", module, hop=hop))
    inputs = [torch.randn(1, 16, 1)]
    frozen = torch.jit.freeze(torch.jit.trace(module, (*inputs, *module.states())))
    return _compare(decoder, _stepper(frozen, inputs, module.states()))


def _bundled(decoder: Any) -> dict[str, float]:
    import torch

    from models.graphs import DecodeGraph
    from models.vae import SpectralVae, VaeConfig

    module = DecodeGraph(SpectralVae(VaeConfig())).eval()
    inputs = [torch.randn(1, decoder.card.latent.size, 1), torch.full((1, 1, 1), 60.0), torch.full((1, 1, 1), -20.0)]
    frozen = torch.jit.freeze(torch.jit.trace(module, inputs))
    return _compare(decoder, _stepper(frozen, inputs, []))


def _stepper(module: Any, inputs: list[Any], states: list[Any]) -> Callable[[], None]:
    def step() -> None:
        nonlocal states
        _, *states = module(*inputs, *states)

    return step


def _compare(decoder: Any, torchscript: Callable[[], None]) -> dict[str, float]:
    """Time one graph step of the decoder, one whole step with inversion, and one step of TorchScript, in turns."""
    latent = np.array(decoder.card.latent.mean)
    controls = np.array([c.default for c in decoder.method.controls])
    sides = (decoder.graph.run, partial(decoder.step, latent, controls), torchscript)
    costs = np.zeros((len(sides), WARM_UP + STEPS))
    for n in range(WARM_UP + STEPS):
        for k, step in enumerate(sides):
            began = time.perf_counter()
            step()
            costs[k, n] = time.perf_counter() - began
    costs = costs[:, WARM_UP:]
    onnx_s, whole_s, script_s = np.median(costs, axis=1)
    hop_s = decoder.hop / decoder.card.sample_rate
    return {
        "onnx_ms": round(1e3 * onnx_s, 4),
        "torchscript_ms": round(1e3 * script_s, 4),
        "ratio": round(script_s / onnx_s, 2),
        "realtime_factor": round(hop_s / whole_s, 1),
        "load": round(whole_s / hop_s, 4),
    }
