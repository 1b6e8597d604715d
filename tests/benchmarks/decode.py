"""decode: what a step of one frame costs in ONNX Runtime and in TorchScript, one thread each.

`{"reference": {"onnx_ms", "torchscript_ms", "ratio", "realtime_factor", "load"}, "largest": {…}, "bundled": {…},
"spectral": {…}}`. The reference is a causal convolutional decoder of about 300 k parameters at hop 128
(`tests.reference`), held against itself traced and frozen. The largest is a TorchScript file of the nn~ kind
(`tests.export.torchscript.scripts.largest`: 4 million parameters at hop 2048, a filterbank, noise), saved and loaded
as players do,
against what it is converted into. Beside the bundled files stand the modules that they were exported from, with weights
of the same sizes. The sides step in turns, so that a busy machine is busy for all; each steps twice and the second is
timed, because a deck has its core's cache to itself. Lower quartiles. `load` is the share of one core that a step takes
with everything a deck does for it (inversion of magnitudes).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

STEPS, WARM_UP = 600, 50


def run() -> dict[str, Any]:
    """Measure both models."""
    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    return {"reference": _reference(), "largest": _largest(), "bundled": _bundled(), "spectral": _spectral()}


def describe(result: dict[str, Any]) -> str:
    """Say it in lines."""
    return "\n".join(
        f"{name}: ONNX {r['onnx_ms']:.3f} ms, TorchScript {r['torchscript_ms']:.3f} ms a step, {r['ratio']:.1f} times; "
        f"{r['realtime_factor']:.0f} times real time, {100 * r['load']:.1f} % of a core with inversion"
        for name, r in result.items()
    )


def _reference() -> dict[str, float]:
    import torch

    from realtime.engine.decoder import Decoder
    from tests.reference import export_reference, reference_decoder

    module = reference_decoder()
    with tempfile.TemporaryDirectory() as folder:
        decoder = Decoder(export_reference(Path(folder) / "reference.onnx", module))
    return _beside(decoder, module, [torch.randn(1, 16, 1)], module.states())


def _largest() -> dict[str, float]:
    import torch

    from export.torchscript.converter import convert
    from realtime.engine.decoder import Decoder
    from tests.export.torchscript.scripts import largest

    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "largest.ts", Path(folder) / "largest.onnx"
        largest().save(str(source))
        convert(source, made)
        script, decoder = torch.jit.load(str(source)).eval(), Decoder(made)
    return _compare(decoder, partial(script.decode, torch.randn(1, decoder.card.latent.size, 1)))


def _bundled() -> dict[str, float]:
    import torch

    from models.playable.export import HOP
    from models.playable.graphs import DecodeGraph
    from models.playable.instruments import Presets
    from models.playable.network import PlayableConfig, PlayableVae
    from realtime.engine.decoder import Decoder
    from realtime.library.library import Library

    decoder = Decoder(Library().find("orchestra"))
    size, presets = decoder.card.latent.size, decoder.method.controls[-1].maximum
    vae = PlayableVae(PlayableConfig(latent=size))
    module = DecodeGraph(vae, Presets([str(k) for k in range(int(presets))], size), [0.0] * size, HOP, 1).eval()
    told = [torch.full((1, 1, 1), control.default) for control in decoder.method.controls]
    return _beside(decoder, module, [torch.randn(1, size, 1), *told], module.synth.rest().tensors)


def _spectral() -> dict[str, float]:
    import torch

    from models.spectral.graphs import DecodeGraph
    from models.spectral.network import SpectralVae, VaeConfig
    from realtime.engine.decoder import Decoder
    from realtime.library.library import Library

    decoder = Decoder(Library().find("orchestra-spectral"))
    told = [torch.full((1, 1, 1), control.default) for control in decoder.method.controls]
    module = DecodeGraph(SpectralVae(VaeConfig())).eval()
    return _beside(decoder, module, [torch.randn(1, decoder.card.latent.size, 1), *told], ())


def _beside(decoder: Any, module: Any, inputs: list[Any], states: Sequence[Any]) -> dict[str, float]:
    """Compare a model with a module, traced and frozen."""
    import torch

    frozen = torch.jit.freeze(torch.jit.trace(module, (*inputs, *states)))
    return _compare(decoder, _stepper(frozen, inputs, list(states)))


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
            step()
            began = time.perf_counter()
            step()
            costs[k, n] = time.perf_counter() - began
    costs = costs[:, WARM_UP:]
    onnx_s, whole_s, script_s = np.quantile(costs, 0.25, axis=1)
    hop_s = decoder.hop / decoder.card.sample_rate
    return {
        "onnx_ms": round(1e3 * onnx_s, 4),
        "torchscript_ms": round(1e3 * script_s, 4),
        "ratio": round(script_s / onnx_s, 2),
        "realtime_factor": round(hop_s / whole_s, 1),
        "load": round(whole_s / hop_s, 4),
    }
