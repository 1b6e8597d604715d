"""Models for tests: small ones built node by node (no torch), and the reference decoder that speed is measured on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.format.card import Card, Control, Latent, MelBands, Method, Provenance, Spectrum
from export.format.io import save
from export.format.mel_scale import bands_of

if TYPE_CHECKING:
    from torch import nn

RATE = 48_000


def level_model(path: Path, *, hop: int = 128, latents: int = 4, channels: int = 1, rate: int = RATE) -> Path:
    """Write a model whose audio shows its latent: a frame's samples are all 0.1 times latent 1.

    A cache counts the frames; it makes the state explicit without changing the sound.
    """
    nodes = [
        helper.make_node("Slice", ["decode.input", "zero", "one", "axis"], ["first"]),
        helper.make_node("Mul", ["first", "gain"], ["level"]),
        helper.make_node("Unsqueeze", ["level", "last"], ["level4"]),  # [1, 1, frames, 1]
        helper.make_node("Expand", ["level4", "block"], ["held"]),  # [1, channels, frames, hop]
        helper.make_node("Reshape", ["held", "flat"], ["decode.output"]),  # [1, channels, frames * hop]
        helper.make_node("Shape", ["decode.input"], ["count"], start=2, end=3),
        helper.make_node("Cast", ["count"], ["count_float"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["decode.state.0", "count_float"], ["decode.state.0.next"]),
    ]
    constants = {
        "zero": np.array([0]),
        "one": np.array([1]),
        "axis": np.array([1]),
        "last": np.array([3]),
        "gain": np.array(0.1, np.float32),
        "block": np.array([1, channels, 1, hop]),
        "flat": np.array([1, channels, -1]),
    }
    graph = helper.make_graph(
        nodes,
        "level",
        [_float("decode.input", [1, latents, "frames"]), _float("decode.state.0", [1, 1])],
        [_float("decode.output", [1, channels, "samples"]), _float("decode.state.0.next", [1, 1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    method = Method(hop=hop, output="audio", channels=channels, rest=(np.zeros((1, 1), np.float32),))
    return _save(path, graph, Card("level", rate, {"decode": method}, Latent.plain(latents)))


def echo_model(path: Path, *, hop: int = 128) -> Path:
    """Write a model with an encoder: `encode` gives the mean of a hop, and `decode` holds it for a hop.

    The card claims half a hop of delay, which is how far the middle of what is held lies behind.
    """
    nodes = [
        helper.make_node("Reshape", ["encode.input", "hops"], ["cut"]),  # [1, 1, frames, hop]
        helper.make_node("ReduceMean", ["cut", "last"], ["encode.output"], keepdims=0),
        helper.make_node("Unsqueeze", ["decode.input", "last"], ["level"]),
        helper.make_node("Expand", ["level", "block"], ["held"]),
        helper.make_node("Reshape", ["held", "flat"], ["decode.output"]),
    ]
    constants = {
        "hops": np.array([1, 1, -1, hop]),
        "last": np.array([3]),
        "block": np.array([1, 1, 1, hop]),
        "flat": np.array([1, 1, -1]),
    }
    graph = helper.make_graph(
        nodes,
        "echo",
        [_float("encode.input", [1, 1, "samples_in"]), _float("decode.input", [1, 1, "frames"])],
        [_float("encode.output", [1, 1, "frames_out"]), _float("decode.output", [1, 1, "samples"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    methods = {"decode": Method(hop=hop, output="audio"), "encode": Method(hop=hop, output="latent", delay=hop // 2)}
    return _save(path, graph, Card("echo", RATE, methods, Latent.plain(1)))


def tone_model(
    path: Path, *, frequency: float = 1000.0, n_fft: int = 2048, hop: int = 256, frames: int = 1, bands: int = 0
) -> Path:
    """Write a model of magnitudes: one steady tone, its level set by the control `loudness` in dBFS.

    A step gives several `frames` of the spectrum, where that is asked for, and power in mel `bands`.
    """
    mel = MelBands(bands) if bands else None
    spectrum = Spectrum(n_fft, hop, mel=mel)
    bins = n_fft // 2 + 1
    offset = np.arange(bins) - frequency * n_fft / RATE
    lobe = np.sinc(offset) + 0.5 * (np.sinc(offset - 1) + np.sinc(offset + 1))  # a Hann window's main lobe, peak 1
    lobe = np.where(np.abs(offset) < 2, np.abs(lobe), 0) * n_fft / 4 * np.sqrt(2)
    if bands:
        lobe = bands_of(spectrum, RATE) @ lobe**2
    nodes = [
        helper.make_node("Mul", ["decode.control.loudness", "nepers"], ["log"]),
        helper.make_node("Exp", ["log"], ["gain"]),
        helper.make_node("Mul", ["gain", "lobe"], ["tone"]),
        helper.make_node("ReduceSum", ["decode.input", "axis"], ["sum"]),
        helper.make_node("Mul", ["sum", "nothing"], ["none"]),
        helper.make_node("Add", ["tone", "none"], ["column"]),
        helper.make_node("Unsqueeze", ["column", "last"], ["column4"]),
        helper.make_node("Expand", ["column4", "columns"], ["held"]),
        helper.make_node("Reshape", ["held", "flat"], ["decode.output"]),
    ]
    constants = {
        "nepers": np.array(np.log(10) / (10 if bands else 20), np.float32),
        "lobe": lobe.reshape(1, -1, 1).astype(np.float32),
        "axis": np.array([1]),
        "nothing": np.array(0, np.float32),
        "last": np.array([3]),
        "columns": np.array([1, 1, 1, frames]),
        "flat": np.array([1, spectrum.rows, -1]),
    }
    graph = helper.make_graph(
        nodes,
        "tone",
        [_float("decode.input", [1, 2, "frames"]), _float("decode.control.loudness", [1, 1, "frames"])],
        [_float("decode.output", [1, spectrum.rows, "columns_out"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    loudness = Control("loudness", default=-12.0, minimum=-80.0, maximum=0.0, unit="dB", text="Level of the tone.")
    method = Method(hop=frames * hop, output="magnitudes", spectrum=spectrum, controls=(loudness,))
    return _save(path, graph, Card("tone", RATE, {"decode": method}, Latent.plain(2)))


def passing_model(
    path: Path, *, hop: int = 128, gain: float = 1.0, delay: int = 48, channels: int = 1, rate: int = RATE
) -> Path:
    """Write a model that transforms: its input, `delay` later, times `gain` and the control `level`."""
    nodes = [
        helper.make_node("Concat", ["transform.state.0", "transform.input"], ["joined"], axis=2),
        helper.make_node("Slice", ["joined", "back", "end", "time"], ["transform.state.0.next"]),
        helper.make_node("Slice", ["joined", "first", "back", "time"], ["late"]),
        helper.make_node("Mul", ["late", "gain"], ["louder"]),
        helper.make_node("Mul", ["louder", "transform.control.level"], ["transform.output"]),
    ]
    constants = {
        "first": np.array([0]),
        "back": np.array([-delay]),
        "end": np.array([2**31]),
        "time": np.array([2]),
        "gain": np.array(gain, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "passing",
        [
            _float("transform.input", [1, channels, "samples_in"]),
            _float("transform.control.level", [1, 1, 1]),
            _float("transform.state.0", [1, channels, delay]),
        ],
        [
            _float("transform.output", [1, channels, "samples"]),
            _float("transform.state.0.next", [1, channels, delay]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    level = Control("level", 1.0, 0.0, 1.0, text="How loud it comes back.", per_frame=False)
    rest = (np.zeros((1, channels, delay), np.float32),)
    method = Method(hop=hop, output="audio", channels=channels, delay=delay, controls=(level,), rest=rest)
    return _save(path, graph, Card("passing", rate, {"transform": method}, Latent.plain(0)))


def spectral_model(
    path: Path, *, n_fft: int = 512, hop: int = 128, frames: int = 1, bands: int = 0, rate: int = RATE
) -> Path:
    """Write a model that transforms: the magnitudes of its input, or mel `bands`; several frames a step."""
    spectrum = Spectrum(n_fft, hop, mel=MelBands(bands) if bands else None)
    n = np.arange(n_fft)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / n_fft)
    angle = 2 * np.pi * np.arange(spectrum.bins)[:, None] * n / n_fft
    kernel = np.concatenate([np.cos(angle), np.sin(angle)]) * window
    nodes = [
        helper.make_node("Concat", ["transform.state.0", "transform.input"], ["joined"], axis=2),
        helper.make_node("Slice", ["joined", "back", "end", "time"], ["transform.state.0.next"]),
        helper.make_node("Conv", ["joined", "kernel"], ["parts"], strides=[hop]),  # [1, 2 * bins, frames]
        helper.make_node("Mul", ["parts", "parts"], ["squares"]),
        helper.make_node("Reshape", ["squares", "pairs"], ["paired"]),  # [1, 2, bins, frames]
        helper.make_node("ReduceSum", ["paired", "pair"], ["power"], keepdims=0),
        helper.make_node("MatMul", ["bands", "power"], ["transform.output"])
        if bands
        else helper.make_node("Sqrt", ["power"], ["transform.output"]),
    ]
    constants = {
        "back": np.array([hop - n_fft]),
        "end": np.array([2**31]),
        "time": np.array([2]),
        "kernel": kernel[:, None].astype(np.float32),
        "pairs": np.array([1, 2, spectrum.bins, -1]),
        "pair": np.array([1]),
    }
    if bands:
        constants["bands"] = bands_of(spectrum, rate)[None]
    past: list[int | str] = [1, 1, n_fft - hop]
    graph = helper.make_graph(
        nodes,
        "spectral",
        [_float("transform.input", [1, 1, "samples_in"]), _float("transform.state.0", past)],
        [_float("transform.output", [1, spectrum.rows, "columns"]), _float("transform.state.0.next", past)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    method = Method(
        hop=frames * hop,
        output="magnitudes",
        delay=n_fft // 2 - hop,
        spectrum=spectrum,
        rest=(np.zeros((1, 1, n_fft - hop), np.float32),),
    )
    return _save(path, graph, Card("spectral", rate, {"transform": method}, Latent.plain(0)))


def singing_model(path: Path, *, audio: bool = False, n_fft: int = 2048, hop: int = 256) -> Path:
    """Write a model that encodes and decodes: a tone at the control `pitch`, as loud as `loudness` says.

    Latent 1 adds the octave, as loud as it is itself where it is above 0, and is what `encode` says of a sound: ten
    times the mean |sample| of each hop. Latent 2 does nothing. As `audio`, the tone is one of 562.5 Hz, at any pitch.
    """
    bins = n_fft // 2 + 1
    nodes = [
        helper.make_node("Reshape", ["encode.input", "hops"], ["cut"]),  # [1, 1, frames, hop]
        helper.make_node("Abs", ["cut"], ["sizes"]),
        helper.make_node("ReduceMean", ["sizes", "last"], ["size"], keepdims=0),  # [1, 1, frames]
        helper.make_node("Mul", ["size", "ten_and_nothing"], ["encode.output"]),  # [1, 2, frames]
        helper.make_node("Mul", ["decode.control.loudness", "nepers"], ["log"]),
        helper.make_node("Exp", ["log"], ["gain"]),  # [1, 1, frames]
        helper.make_node("Sub", ["decode.control.pitch", "a4"], ["interval"]),
        helper.make_node("Mul", ["interval", "semitone"], ["way"]),
        helper.make_node("Exp", ["way"], ["ratio"]),
        helper.make_node("Slice", ["decode.input", "zero", "one", "channel"], ["first"]),
        helper.make_node("Relu", ["first"], ["octave"]),
    ]
    if audio:
        nodes += [
            helper.make_node("Mul", ["ratio", "nothing"], ["silent"]),
            helper.make_node("Add", ["gain", "silent"], ["gained"]),
            helper.make_node("Unsqueeze", ["gained", "last"], ["level"]),
            helper.make_node("Unsqueeze", ["octave", "last"], ["octaves"]),
            helper.make_node("Mul", ["octaves", "waves"], ["upper"]),
            helper.make_node("Add", ["upper", "wave"], ["both"]),
            helper.make_node("Mul", ["both", "level"], ["sung"]),  # [1, 1, frames, hop]
            helper.make_node("Reshape", ["sung", "flat"], ["decode.output"]),
        ]
    else:
        for name, harmonic in (("tone", "f0"), ("upper", "f1")):
            nodes += [
                helper.make_node("Mul", ["ratio", harmonic], [f"{name}.place"]),
                helper.make_node("Sub", ["bins", f"{name}.place"], [f"{name}.away"]),
                helper.make_node("Clip", [f"{name}.away", "low", "high"], [f"{name}.near"]),
                helper.make_node("Mul", [f"{name}.near", "turn"], [f"{name}.angle"]),
                helper.make_node("Cos", [f"{name}.angle"], [f"{name}.cosine"]),
                helper.make_node("Add", [f"{name}.cosine", "unit"], [name]),  # a Hann window's main lobe, nearly
            ]
        nodes += [
            helper.make_node("Mul", ["upper", "octave"], ["added"]),
            helper.make_node("Add", ["tone", "added"], ["both"]),
            helper.make_node("Mul", ["gain", "peak"], ["height"]),
            helper.make_node("Mul", ["both", "height"], ["decode.output"]),
        ]
    time = 2 * np.pi * np.arange(hop) / hop
    numbers = {
        "ten_and_nothing": np.array([[[10.0], [0.0]]]),
        "nepers": np.log(10) / 20,
        "a4": 69.0,
        "semitone": np.log(2) / 12,
        "nothing": 0.0,
        "wave": np.sqrt(2) * np.sin(3 * time).reshape(1, 1, 1, hop),
        "waves": np.sqrt(2) * np.sin(6 * time).reshape(1, 1, 1, hop),
        "f0": 440 * n_fft / RATE,
        "f1": 880 * n_fft / RATE,
        "bins": np.arange(bins).reshape(1, bins, 1),
        "low": -2.0,
        "high": 2.0,
        "turn": np.pi / 2,
        "unit": 1.0,
        "peak": n_fft / 8 * np.sqrt(2),
    }
    places = {"hops": [1, 1, -1, hop], "last": [3], "zero": [0], "one": [1], "channel": [1], "flat": [1, 1, -1]}
    read = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "singing",
        [
            _float("encode.input", [1, 1, "samples_in"]),
            _float("decode.input", [1, 2, "frames"]),
            _float("decode.control.pitch", [1, 1, "frames"]),
            _float("decode.control.loudness", [1, 1, "frames"]),
        ],
        [
            _float("encode.output", [1, 2, "frames_out"]),
            _float("decode.output", [1, 1, "samples"] if audio else [1, bins, "frames"]),
        ],
        [
            *(
                numpy_helper.from_array(np.array(value, np.float32), name)
                for name, value in numbers.items()
                if name in read
            ),
            *(numpy_helper.from_array(np.array(value), name) for name, value in places.items() if name in read),
        ],
    )
    controls = (
        Control("pitch", 57.0, 24.0, 108.0, unit="MIDI note", text="Pitch."),
        Control("loudness", -20.0, -90.0, -6.0, unit="dBFS", text="Level."),
    )
    decode = Method(hop=hop, output="audio", controls=controls)
    if not audio:
        decode = Method(hop=hop, output="magnitudes", spectrum=Spectrum(n_fft, hop), controls=controls)
    methods = {"decode": decode, "encode": Method(hop=hop, output="latent")}
    return _save(path, graph, Card("singing", RATE, methods, Latent.plain(2)))


def layered_model(path: Path, *, hop: int = 64, latents: int = 4, rate: int = RATE) -> Path:
    """Write a small decoder of layers that can be bent: `front`, `body` and `out`, whose channels are samples."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Concat", ["decode.state.0", "decode.input"], ["joined"], axis=2),
        helper.make_node("Slice", ["joined", "last_two", "end", "time"], ["decode.state.0.next"]),
        helper.make_node("Conv", ["joined", "front.weight", "front.bias"], ["front"]),
        helper.make_node("LeakyRelu", ["front"], ["fronted"], alpha=0.2),
        helper.make_node("Conv", ["fronted", "body.weight"], ["body"]),
        helper.make_node("Add", ["body", "body.bias"], ["biased"]),
        helper.make_node("Tanh", ["biased"], ["bodied"]),
        helper.make_node("Conv", ["bodied", "out.weight", "out.bias"], ["out"]),  # [1, hop, frames]
        helper.make_node("Transpose", ["out"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("Reshape", ["turned", "flat"], ["decode.output"]),
    ]
    weights = {
        "front.weight": rng.standard_normal((12, latents, 3)) / 3,
        "front.bias": 0.1 * rng.standard_normal(12),
        "body.weight": rng.standard_normal((16, 12, 1)) / 4,
        "body.bias": 0.1 * rng.standard_normal((1, 16, 1)),
        "out.weight": 0.05 * rng.standard_normal((hop, 16, 1)),
        "out.bias": 0.02 * np.sin(2 * np.pi * np.arange(hop) / hop),
    }
    places = {"last_two": [-2], "end": [2**31], "time": [2], "flat": [1, 1, -1]}
    graph = helper.make_graph(
        nodes,
        "layered",
        [_float("decode.input", [1, latents, "frames"]), _float("decode.state.0", [1, latents, 2])],
        [_float("decode.output", [1, 1, "samples"]), _float("decode.state.0.next", [1, latents, 2])],
        [
            *(numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()),
            *(numpy_helper.from_array(np.array(value), name) for name, value in places.items()),
        ],
    )
    method = Method(hop=hop, output="audio", rest=(np.zeros((1, latents, 2), np.float32),))
    return _save(path, graph, Card("layered", rate, {"decode": method}, Latent.plain(latents)))


def reference_decoder(
    latents: int = 16, *, sizes: tuple[int, ...] = (112, 88, 56, 36, 24), bands: int = 1
) -> nn.Module:
    """Make the decoder that speed is measured on: causal, about 300 k parameters, hop 128, every cache explicit.

    Built as today's streaming audio decoders are: four stages (ratios 4, 4, 4, 2), each an upsampling convolution and
    three residual units (a dilated convolution of kernel 3 and a pointwise one). `sizes` are the channels before and
    after the stages; where the last layer gives several `bands`, they are laid out as samples, and the hop is as much
    longer. `forward(latent, *states)` gives `(audio, *states)`; `states()` gives the first ones.
    """
    import torch
    from torch import Tensor, nn

    class Cached(nn.Module):
        """A causal convolution that takes its past as an input."""

        def __init__(self, inside: int, outside: int, kernel: int, dilation: int = 1) -> None:
            super().__init__()
            self.conv = nn.Conv1d(inside, outside, kernel, dilation=dilation)
            self.past = (1, inside, (kernel - 1) * dilation)

        def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
            x = torch.cat([past, x], dim=2)
            return self.conv(x), x[:, :, -self.past[2] :]

    class Upsample(nn.Module):
        """A transposed convolution that reaches two frames, written as a convolution whose channels become samples."""

        def __init__(self, inside: int, outside: int, ratio: int) -> None:
            super().__init__()
            self.ratio, self.cached = ratio, Cached(inside, outside * ratio, 2)
            self.past = self.cached.past

        def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
            y, past = self.cached(nn.functional.leaky_relu(x, 0.2), past)
            batch, wide, frames = y.shape
            y = y.reshape(batch, wide // self.ratio, self.ratio, frames).transpose(2, 3)
            return y.reshape(batch, wide // self.ratio, frames * self.ratio), past

    class Residual(nn.Module):
        def __init__(self, channels: int, dilation: int) -> None:
            super().__init__()
            self.cached, self.point = Cached(channels, channels, 3, dilation), nn.Conv1d(channels, channels, 1)
            self.past = self.cached.past

        def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
            y, past = self.cached(nn.functional.leaky_relu(x, 0.2), past)
            return x + self.point(nn.functional.leaky_relu(y, 0.2)), past

    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[nn.Module] = [Cached(latents, sizes[0], 3)]
            for ratio, inside, outside in zip((4, 4, 4, 2), sizes[:-1], sizes[1:], strict=True):
                layers += [Upsample(inside, outside, ratio), *(Residual(outside, d) for d in (1, 3, 9))]
            self.layers = nn.ModuleList([*layers, Cached(sizes[-1], bands, 7)])

        def states(self) -> list[Tensor]:
            return [torch.zeros(layer.past) for layer in self.layers]  # type: ignore[call-overload]

        def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
            following = []
            for layer, past in zip(self.layers, states, strict=True):
                x, next_past = layer(x, past)
                following.append(next_past)
            audio = torch.tanh(x)  # [1, bands, frames * 128]
            return (audio if bands == 1 else audio.transpose(1, 2).reshape(1, 1, -1), *following)

    torch.manual_seed(0)
    return Decoder().eval()


def large_decoder() -> nn.Module:
    """Make the reference decoder as large as those that players have: 3.5 M parameters, 16 bands, hop 2048."""
    return reference_decoder(sizes=(512, 320, 160, 80, 40), bands=16)


def export_reference(path: Path, module: nn.Module | None = None, latents: int = 16, hop: int = 128) -> Path:
    """Write the reference decoder as a model file."""
    from export.torch_export import TorchMethod, export

    module = module or reference_decoder(latents=latents)
    method = Method(hop=hop, output="audio")
    part = TorchMethod(module, method, module.states())  # type: ignore[operator]
    export(path, name="reference", sample_rate=RATE, methods={"decode": part}, latent=Latent.plain(latents))
    return path


def export_shown_reference(path: Path, latents: int = 16) -> Path:
    """Write the reference decoder with its output replaced by 0.1 times latent 1: its cost, and audio that shows."""
    import torch
    from torch import Tensor, nn

    class Shown(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = reference_decoder(latents)

        def states(self) -> list[Tensor]:
            return self.decoder.states()  # type: ignore[operator]

        def forward(self, latent: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
            audio, *following = self.decoder(latent, *states)
            held = latent[:, :1, :, None].expand(-1, -1, -1, 128).reshape(1, 1, -1)
            return (0.1 * held + 1e-9 * audio, *following)

    torch.manual_seed(0)
    return export_reference(path, Shown().eval(), latents)


def _float(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _save(path: Path, graph: onnx.GraphProto, card: Card) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    save(path, model, Card(card.name, card.sample_rate, card.methods, card.latent, Provenance(licence="CC0-1.0")))
    return path
