"""Checks of a card, alone and against its graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from export.errors import ContractError
from export.format.card import (
    AUDIO_IN,
    FORMAT,
    LATENT_OUT,
    METHODS,
    SCALE,
    SHIFT,
    Card,
    MelBands,
    Method,
    input_channels,
    is_bend_control,
    output_channels,
)
from export.format.graph import inner_graphs

MIN_OPSET = 18
MAX_NAME_LENGTH = 200
MAX_DELAY = 1 << 24  # samples
MAX_FOLLOW_MS = 60_000.0  # time constant of a control
MAX_CONTROLS = 4096  # of a method
MAX_WIDTH = 65_536  # values of a control, and latents
MAX_BANDS = 1024  # of a mel spectrum
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")  # operator sets that onnxruntime includes


def validate(model: onnx.ModelProto, card: Card) -> None:
    """Check a card, alone and against its graph.

    Raises
    ------
    ContractError
        The first thing that is wrong, with what was expected and what was found.
    """
    _validate_card(card)
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    _expect(opset >= MIN_OPSET, f"the graph has opset {opset}, but at least {MIN_OPSET} is needed; export it again")
    _validate_parts(model)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name: value for value in model.graph.input if value.name not in weights}
    outputs = {value.name: value for value in model.graph.output}
    expected_inputs: dict[str, tuple[int | _Frames, ...]] = {}
    expected_outputs: dict[str, tuple[int | _Frames, ...]] = {}
    for name, method in card.methods.items():
        given = _Frames(method.hop if name in AUDIO_IN else 1)
        expected_inputs[f"{name}.input"] = (1, input_channels(card, name), given)
        for control in method.controls:
            length = _Frames(1) if control.per_frame else 1
            expected_inputs[f"{name}.control.{control.name}"] = (1, control.size, length)
        for k, rest in enumerate(method.rest):
            expected_inputs[f"{name}.state.{k}"] = rest.shape
            expected_outputs[f"{name}.state.{k}.next"] = rest.shape
        made = _Frames(method.gives)
        expected_outputs[f"{name}.output"] = (1, output_channels(card, name), made)
    _compare("input", inputs, expected_inputs)
    _compare("output", outputs, expected_outputs)


def _validate_parts(model: onnx.ModelProto) -> None:
    """Check that the graph and its inner graphs need only operators of onnxruntime and weights in the file."""
    known = {*DOMAINS, *(function.domain for function in model.functions)}
    pending: list[onnx.GraphProto | onnx.FunctionProto] = [model.graph, *model.functions]
    while pending:
        part = pending.pop()
        tensors = list(part.initializer) if isinstance(part, onnx.GraphProto) else []
        sparse = list(part.sparse_initializer) if isinstance(part, onnx.GraphProto) else []
        for node in part.node:
            foreign = f"the operator '{node.op_type}' of the domain '{node.domain}' is not an ONNX operator"
            _expect(node.domain in known, f"{foreign}; export the model with ONNX operators only")
            pending.extend(inner_graphs(node))
            for attribute in node.attribute:
                tensors += [attribute.t, *attribute.tensors]
                sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
        for tensor in (*tensors, *(half for whole in sparse for half in (whole.values, whole.indices))):
            outside = tensor.data_location == onnx.TensorProto.EXTERNAL
            _expect(not outside, f"the weights '{tensor.name}' are in another file; put them into the .onnx file")


def _validate_card(card: Card) -> None:
    _expect(card.format == FORMAT, f"format must be {FORMAT}, not {card.format}")
    _expect(8000 <= card.sample_rate <= 384_000, f"sample_rate must be 8000 to 384000 Hz, not {card.sample_rate}")
    _expect(bool(card.methods), f"methods must hold at least one of {', '.join(METHODS)}")
    _expect(
        len(card.name) <= MAX_NAME_LENGTH, f"name must have at most {MAX_NAME_LENGTH} characters, not {len(card.name)}"
    )
    _expect_printable("name", card.name)
    latent = card.latent
    _expect(latent.size <= MAX_WIDTH, f"latent has {latent.size} dimensions, more than {MAX_WIDTH}")
    for name in ("names", "std", "order"):
        length = len(getattr(latent, name))
        _expect(length == latent.size, f"latent.{name} has {length} entries, but latent.mean has {latent.size}")
    _expect(sorted(latent.order) == list(range(latent.size)), "latent.order must list every dimension once")
    _expect(all(np.isfinite(latent.mean)), "latent.mean must be finite")
    _expect(all(np.isfinite(latent.std)) and all(s > 0 for s in latent.std), "latent.std must be finite and above 0")
    for name in (*latent.names, *(point.label for point in latent.map)):
        _expect_printable("a name in latent", name)
    for point in latent.map:
        _expect(
            len(point.latent) == latent.size,
            f"the map point '{point.label}' has {len(point.latent)} latents, not {latent.size}",
        )
    for name, method in card.methods.items():
        _expect(name in METHODS, f"methods.{name} is not a known method; known are {', '.join(METHODS)}")
        _validate_method(name, method, card.sample_rate)
    _expect(
        "decode" not in card.methods or latent.size > 0, "a model with 'decode' needs at least one latent dimension"
    )


def _validate_method(name: str, method: Method, rate: int) -> None:
    where = f"methods.{name}"
    _expect(1 <= method.hop <= 65_536, f"{where}.hop must be 1 to 65536 samples, not {method.hop}")
    _expect(1 <= method.channels <= 64, f"{where}.channels must be 1 to 64, not {method.channels}")
    _expect(0 <= method.delay <= MAX_DELAY, f"{where}.delay must be 0 to {MAX_DELAY} samples, not {method.delay}")
    _expect((method.output == "latent") == (name in LATENT_OUT), f"{where}.output cannot be '{method.output}'")
    for k, rest in enumerate(method.rest):
        _expect(bool(np.isfinite(rest).all()), f"{where}.rest[{k}] must be finite")
    if method.output == "magnitudes":
        spectrum = method.spectrum
        if spectrum is None:
            raise ContractError(f"{where} outputs magnitudes, so {where}.spectrum must describe their STFT")
        whole = spectrum.hop >= 1 and method.hop % spectrum.hop == 0
        _expect(whole, f"{where}.hop is {method.hop}, not a multiple of {where}.spectrum.hop, {spectrum.hop}")
        _expect(method.channels == 1, f"{where}.channels must be 1 if the output is magnitudes")
        fits = spectrum.n_fft % 2 == 0 and 2 * spectrum.hop <= spectrum.n_fft <= 65_536
        _expect(fits, f"{where}.spectrum.n_fft must be even, at most 65536 and at least twice the spectrum's hop")
        if spectrum.mel is not None:
            _validate_bands(f"{where}.spectrum.mel", spectrum.mel, rate)
    count = len(method.controls)
    _expect(count <= MAX_CONTROLS, f"{where} has {count} controls, more than {MAX_CONTROLS}")
    names = [control.name for control in method.controls]
    _expect(len(set(names)) == len(names), f"two entries of {where}.controls have the same name")
    for control in method.controls:
        _expect(control.size <= MAX_WIDTH, f"the control '{control.name}' must have a size of 1 to {MAX_WIDTH}")
        _expect_printable(f"unit and text of the control '{control.name}'", control.unit + control.text)
        low, high = control.minimum, control.maximum
        valid = control.name.replace("_", "").replace(".", "").replace("-", "").isalnum()
        _expect(valid, f"the control '{control.name}' must have a name of letters, digits, '_', '-' and '.'")
        ordered = low < high and low <= control.default <= high
        _expect(ordered, f"the control '{control.name}' must have minimum < maximum and its default between them")
        times = [time for time in (control.rise_ms, control.fall_ms) if time is not None]
        timely = all(0 <= time <= MAX_FOLLOW_MS for time in times)
        _expect(timely, f"the control '{control.name}' must have rise_ms and fall_ms of 0 to {MAX_FOLLOW_MS:g} ms")
        _expect(1 <= control.size <= MAX_WIDTH, f"the control '{control.name}' must have a size of 1 to {MAX_WIDTH}")
        _expect_printable(f"unit and text of the control '{control.name}'", control.unit + control.text)
    _validate_bends(method)


def _validate_bands(where: str, mel: MelBands, rate: int) -> None:
    high_hz = rate / 2 if mel.high_hz is None else mel.high_hz
    _expect(1 <= mel.bands <= MAX_BANDS, f"{where}.bands must be 1 to {MAX_BANDS}, not {mel.bands}")
    _expect(0 <= mel.low_hz < high_hz <= rate / 2, f"{where} must have rising frequencies, from 0 to {rate / 2:g} Hz")


def _validate_bends(method: Method) -> None:
    controls = {control.name: control for control in method.controls if is_bend_control(control.name)}
    for name, control in controls.items():
        end, default = (SCALE, 1.0) if name.endswith(SCALE) else (SHIFT, 0.0)
        other = controls.get(name.removesuffix(end) + (SHIFT if end == SCALE else SCALE))
        pair = other is not None and other.size == control.size
        _expect(
            pair, f"the control '{name}' must have a matching '{SHIFT if end == SCALE else SCALE}' of the same size"
        )
        fits = control.default == default and not control.per_frame
        _expect(fits, f"the control '{name}' must have the default {default:g} and one value a step")


@dataclass(frozen=True)
class _Frames:
    """The axis of frames: free, or the length of one frame."""

    one: int

    def __str__(self) -> str:
        return f"* or {self.one}"


def _compare(kind: str, found: dict[str, onnx.ValueInfoProto], expected: dict[str, tuple[int | _Frames, ...]]) -> None:
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    _expect(not missing, f"the graph lacks the {kind} {', '.join(missing)} of its card")
    _expect(not extra, f"the graph has the {kind} {', '.join(extra)}, which is not in its card")
    for name, wanted in expected.items():
        tensor = found[name].type.tensor_type
        _expect(tensor.elem_type == onnx.TensorProto.FLOAT, f"the {kind} {name} must be float32")
        dims = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
        agrees = len(dims) == len(wanted) and all(
            d is None or d == (w.one if isinstance(w, _Frames) else w) for d, w in zip(dims, wanted, strict=True)
        )
        _expect(agrees, f"the {kind} {name} has the shape {_text(dims)}, but the card says {_text(wanted)}")


def _text(shape: tuple[int | _Frames | None, ...]) -> str:
    return "[" + ", ".join("*" if size is None else str(size) for size in shape) + "]"


def _expect_printable(what: str, text: str) -> None:
    _expect(text.isprintable(), f"{what} must be one line of printable text")


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ContractError(f"{otherwise}.")
