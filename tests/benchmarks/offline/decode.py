"""decode: cost of a step of one frame in ONNX Runtime, beside TorchScript, one thread each.

`{"reference": {"onnx_ms", "torchscript_ms", "ratio", "realtime_factor", "load"}, "largest": {…}, "bundled": {…},
"spectral": {…}}`. The reference is a causal convolutional decoder of about 300 k parameters at hop 128
(`tests.reference`), held against itself traced and frozen. The largest is a TorchScript file of the nn~ kind
(`tests.export.torchscript.scripts.largest`: 4 million parameters at hop 2048, a filterbank, noise), saved and loaded
as players do,
against the file that it is converted into. The bundled files are compared with the modules that they were exported
from, with weights of the same sizes. The sides step in turns, so that a busy machine slows down all; each steps twice
and the second is timed, because a deck has its core's cache to itself. Lower quartiles. `load` is the share of one core
that a step takes with everything a deck does for it (inversion of magnitudes). The quick form has the bundled files
alone: exporting takes longer than measuring.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.support.job import Figures, Job

QUICK_S, FULL_S = 6, 90
STEPS, WARM_UP = 600, 50
QUICK_STEPS, QUICK_WARM_UP = 60, 5
QUICK = ("bundled", "spectral")


def run(job: Job) -> Figures:
    """Measure each model."""
    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    measures = {"reference": _reference, "largest": _largest, "bundled": _bundled, "spectral": _spectral}
    result: Figures = {}
    for name in job.choose(QUICK, tuple(measures)):
        job.progress(f"the {name} model")
        result[name] = measures[name](job)
        job.partial(result)
    return result


def describe(result: Figures) -> str:
    """Return a line for each model."""
    return "\n".join(
        f"{name}: ONNX {r['onnx_ms']:.3f} ms, TorchScript {r['torchscript_ms']:.3f} ms a step, {r['ratio']:.1f} times; "
        f"{r['realtime_factor']:.0f} times real time, {100 * r['load']:.1f} % of a core with inversion"
        for name, r in result.items()
    )


def _reference(job: Job) -> dict[str, float]:
    import torch

    from realtime.engine.decoder import Decoder
    from tests.reference import export_reference, reference_decoder

    module = reference_decoder()
    with tempfile.TemporaryDirectory() as folder:
        decoder = Decoder(export_reference(Path(folder) / "reference.onnx", module))
    return _beside(job, decoder, module, [torch.randn(1, 16, 1)], _states_of(module))


def _largest(job: Job) -> dict[str, float]:
    import torch

    from export.torchscript.converter import convert
    from realtime.engine.decoder import Decoder
    from tests.export.torchscript.scripts import largest

    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "largest.ts", Path(folder) / "largest.onnx"
        largest().save(str(source))
        convert(source, made)
        script, decoder = _load_script(source), Decoder(made)
    return _compare(job, decoder, partial(script.decode, torch.randn(1, decoder.card.latent.size, 1)))


def _states_of(module: Any) -> Sequence[Any]:
    """Return the initial caches of a module."""
    return list(module.states())


def _load_script(path: Path) -> Any:
    import torch

    load: Callable[..., Any] = torch.jit.load  # torch leaves it untyped
    return load(str(path)).eval()


def _bundled(job: Job) -> dict[str, float]:
    import torch

    from models.playable_vae.export import HOP, DecodeGraph
    from models.playable_vae.instrument_presets import Presets
    from models.playable_vae.network import PlayableConfig, PlayableVae
    from realtime.engine.decoder import Decoder
    from realtime.library.library import Library

    decoder = Decoder(Library().find("orchestra"))
    size, presets = decoder.card.latent.size, decoder.method.controls[-1].maximum
    vae = PlayableVae(PlayableConfig(latent=size))
    module = DecodeGraph(vae, Presets([str(k) for k in range(int(presets))], size), [0.0] * size, HOP, 1).eval()
    controls = [torch.full((1, 1, 1), control.default) for control in decoder.method.controls]
    return _beside(job, decoder, module, [torch.randn(1, size, 1), *controls], module.synth.rest().tensors)


def _spectral(job: Job) -> dict[str, float]:
    import torch

    from models.spectral_vae.export import DecodeGraph
    from models.spectral_vae.network import SpectralVae, VaeConfig
    from realtime.engine.decoder import Decoder
    from realtime.library.library import Library

    decoder = Decoder(Library().find("orchestra-spectral"))
    controls = [torch.full((1, 1, 1), control.default) for control in decoder.method.controls]
    module = DecodeGraph(SpectralVae(VaeConfig())).eval()
    return _beside(job, decoder, module, [torch.randn(1, decoder.card.latent.size, 1), *controls], ())


def _beside(job: Job, decoder: Any, module: Any, inputs: list[Any], states: Sequence[Any]) -> dict[str, float]:
    """Compare a model with a module, traced and frozen."""
    import torch

    trace: Callable[..., Any] = torch.jit.trace  # torch leaves it untyped
    frozen = torch.jit.freeze(trace(module, (*inputs, *states)))
    return _compare(job, decoder, _stepper(frozen, inputs, list(states)))


def _stepper(module: Any, inputs: list[Any], states: list[Any]) -> Callable[[], None]:
    def step() -> None:
        nonlocal states
        _, *states = module(*inputs, *states)

    return step


def _compare(job: Job, decoder: Any, torchscript: Callable[[], None]) -> dict[str, float]:
    """Time one graph step of the decoder, one whole step with inversion, and one step of TorchScript, in turns."""
    latent = np.array(decoder.card.latent.mean)
    controls = np.array([c.default for c in decoder.method.controls])
    sides = (decoder.graph.run, partial(decoder.step, latent, controls), torchscript)
    steps, warm_up = job.choose(QUICK_STEPS, STEPS), job.choose(QUICK_WARM_UP, WARM_UP)
    costs = np.zeros((len(sides), warm_up + steps))
    for n in range(warm_up + steps):
        for k, step in enumerate(sides):
            step()
            began = time.perf_counter()
            step()
            costs[k, n] = time.perf_counter() - began
    costs = costs[:, warm_up:]
    onnx_s, whole_s, script_s = np.quantile(costs, 0.25, axis=1)
    hop_s = decoder.hop / decoder.card.sample_rate
    return {
        "onnx_ms": round(1e3 * onnx_s, 4),
        "torchscript_ms": round(1e3 * script_s, 4),
        "ratio": round(script_s / onnx_s, 2),
        "realtime_factor": round(hop_s / whole_s, 1),
        "load": round(whole_s / hop_s, 4),
    }
