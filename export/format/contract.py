"""The model file: one streaming ONNX graph that says what it is.

A model is a single `.onnx` file with up to four methods in one graph, told apart by the prefix of their tensors. For a
method `m` the tensors are

=======================  ===================================================================================
`m.input`                latent ``[1, L, frames]`` (decode), audio ``[1, C, frames * hop]`` (encode, transform) or what
                         leads a generator of latents, ``[1, C, frames]`` (prior)
`m.output`               audio ``[1, C, frames * hop]``, magnitudes ``[1, rows, frames * n]`` (where a hop is n of the
                         spectrum's) or latent ``[1, L, frames]``
`m.control.<name>`       a live control: ``[1, size, frames]`` if it is per frame, else ``[1, size, 1]``
`m.state.<k>`            a cache that goes in, of a fixed shape
`m.state.<k>.next`       the same cache as it comes out
=======================  ===================================================================================

Nothing is hidden: a host may zero, keep, restore and prime every cache. The axis of the frames is free, or fixed to one
frame where a graph cannot be made for any number of them. What the tensors mean stands as JSON in the
file's metadata under the key `glitch`, and is read and written here, through the dataclasses of this module. This is
the ground floor of the project: everything may import it.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from google.protobuf.message import DecodeError, EncodeError

from export.format.dataclass_json import PlainError, plain, typed

FORMAT = 1
KEY = "glitch"
MIN_OPSET = 18
METHODS = ("decode", "encode", "transform", "prior")
AUDIO_IN, LATENT_OUT = ("encode", "transform"), ("encode", "prior")
FRAMES = "frames"
BEND, SCALE, SHIFT = "bend.", ".scale", ".shift"  # names of the controls of a bent layer: bend.LAYER.scale, .shift
MOST_BYTES = 2 << 30  # of a file: what protobuf can read
MOST_TOLD = 64 << 20  # characters of a card
LONGEST_NAME = 200
LONGEST_SENTENCE = 500
MOST_DELAY = 1 << 24
LONGEST_MS = 60_000.0  # in which a control follows a step
MOST_CONTROLS, WIDEST = 4096, 65_536  # of a method; values of a control, and latents
MOST_BANDS = 1024  # of a mel spectrum
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")  # whose operators onnxruntime brings along

Window = Literal["hann", "sqrt_hann", "hamming", "blackman"]


class GlitchError(Exception):
    """What the command line prints as one sentence: what is wrong, what was expected, what to do."""


class ContractError(GlitchError):
    """A file is not a model of this format, or contradicts itself."""


@dataclass(frozen=True)
class Control:
    """A live control of a method: a graph input that the host feeds with its default until somebody turns it.

    `per_frame` controls take one value a latent frame (pitch, loudness); the others one value a step (bending).
    `rise_ms` and `fall_ms` are the time constants in which a host lets the value follow a step upwards and downwards;
    where there is only the first, it counts for both, and None leaves it to the host.
    """

    name: str
    default: float
    minimum: float
    maximum: float
    unit: str = ""
    text: str = ""
    size: int = 1
    per_frame: bool = True
    rise_ms: float | None = None
    fall_ms: float | None = None


@dataclass(frozen=True)
class Bend:
    """A bent layer: each of its channels goes through a scale (1 at rest) and a shift (0 at rest), two live controls.

    `scale` and `shift` are the places of these controls among those of the method.
    """

    layer: str
    channels: int
    scale: int
    shift: int


@dataclass(frozen=True)
class MelBands:
    """Bands of a mel spectrum: triangles of equal area on Slaney's scale, see `export.format.mel_scale.mel_weights`."""

    bands: int
    low_hz: float = 0.0
    high_hz: float | None = None


@dataclass(frozen=True)
class Spectrum:
    """What a method's magnitudes are: those of an unnormalised STFT with a periodic window, linear or natural log.

    With `mel` they are its power in mel bands.
    """

    n_fft: int
    hop: int
    window: Window = "hann"
    scale: Literal["linear", "log"] = "linear"
    mel: MelBands | None = None

    @property
    def bins(self) -> int:
        """Frequencies of the STFT."""
        return self.n_fft // 2 + 1

    @property
    def rows(self) -> int:
        """Numbers that a frame of it has: bins, or bands."""
        return self.bins if self.mel is None else self.mel.bands


@dataclass(frozen=True)
class Measured:
    """What was measured of a method before its file was written; None is what could not be, or had nothing beside it.

    `parity` is the largest difference from the model that it was made from, over `parity_steps` steps and more than one
    number of frames a step; `chunks` the largest difference between cuts of the same input; `delay` the samples from an
    impulse in to its answer's peak; `real_time` how many times faster than real time it runs on one thread.
    """

    parity: float | None = None
    parity_steps: int = 0
    chunks: float | None = None
    delay: int | None = None
    real_time: float | None = None


@dataclass(frozen=True)
class Method:
    """One way through the graph.

    `hop` is the number of audio samples a frame stands for, `delay` the number of samples by which the output lags the
    input inside the graph (inversion of magnitudes comes on top, and is the host's to count). `rest` holds the caches
    after the model has settled on its mean latent: reset and panic go there, not to zeros, so that they don't pop.
    """

    hop: int
    output: Literal["audio", "magnitudes", "latent"]
    channels: int = 1
    delay: int = 0
    spectrum: Spectrum | None = None
    controls: tuple[Control, ...] = ()
    rest: tuple[np.ndarray, ...] = field(default=(), compare=False)
    measured: Measured | None = None

    @property
    def gives(self) -> int:
        """Length of the output for one frame: a hop of audio, as many magnitudes as fit into it, or one latent."""
        if self.output == "magnitudes" and self.spectrum is not None:
            return self.hop // self.spectrum.hop
        return self.hop if self.output == "audio" else 1

    @property
    def bends(self) -> tuple[Bend, ...]:
        """The layers that can be bent, in the order of their controls."""
        places = {control.name: k for k, control in enumerate(self.controls)}
        found = []
        for name, scale in places.items():
            if bends_layer(name) and name.endswith(SCALE):
                layer = name[len(BEND) : -len(SCALE)]
                found.append(Bend(layer, self.controls[scale].size, scale, places[f"{BEND}{layer}{SHIFT}"]))
        return tuple(found)


@dataclass(frozen=True)
class MapPoint:
    """A sound of the training set on the 2-D map of the latent space."""

    x: float
    y: float
    label: str
    latent: tuple[float, ...]


@dataclass(frozen=True)
class Latent:
    """What is known of the latent space.

    Dimensions are given in the model's own order; `order` lists them by how much they change the sound, the strongest
    first. A host plays with standard scores: `z[order[k]] = mean[order[k]] + std[order[k]] * score[k]`.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: tuple[int, ...]
    map: tuple[MapPoint, ...] = ()

    @property
    def size(self) -> int:
        """Number of dimensions."""
        return len(self.mean)

    @classmethod
    def plain(cls, size: int) -> Latent:
        """Make the latent of a model of which nothing is known: standard normal, in its own order."""
        return cls(
            names=tuple(f"latent {k + 1}" for k in range(size)),
            mean=(0.0,) * size,
            std=(1.0,) * size,
            order=tuple(range(size)),
        )


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from, so that it may be made again and handed on."""

    data: str = ""
    licence: str = ""
    date: str = ""
    command: str = ""
    steps: int = 0
    seed: int = 0
    notes: str = ""


@dataclass(frozen=True)
class Card:
    """All that a model says of itself."""

    name: str
    sample_rate: int
    methods: dict[str, Method]
    latent: Latent
    provenance: Provenance = Provenance()
    format: int = FORMAT

    def method(self, name: str) -> Method:
        """Give the method of that name, or say which there are."""
        try:
            return self.methods[name]
        except KeyError:
            has = ", ".join(self.methods)
            raise ContractError(f"The model '{self.name}' has no method '{name}'; it has: {has}.") from None

    @property
    def played(self) -> str:
        """Name of the method that the stage plays: `decode`, or `transform` where there is none.

        Raises
        ------
        ContractError
            It has neither.
        """
        for name in ("decode", "transform"):
            if name in self.methods:
                return name
        has = ", ".join(self.methods)
        raise ContractError(
            f"The model '{self.name}' has neither 'decode' nor 'transform', so it cannot be played; it has: {has}."
        )


def load(path: str | os.PathLike[str]) -> tuple[onnx.ModelProto, Card]:
    """Read and check a model file.

    Raises
    ------
    ContractError
        The file is missing, is no ONNX file, carries no card, or its card and its graph contradict each other.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise ContractError(f"{path} is a folder, not a model; give the .onnx file inside it.")
        if not path.exists():
            raise ContractError(f"There is no file {path}; check the path.")
        if not path.is_file():
            raise ContractError(f"{path} is a device or a pipe, not a file; give the path of a model.")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ContractError(f"{path} has {size / 1e9:.1f} GB, and a model file has at most {MOST_BYTES / 1e9:.1f}.")
        data = path.read_bytes()
    except OSError as error:
        raise ContractError(f"Cannot read {path}: {error.strerror or error}.") from None
    return loads(data, str(path))


def loads(data: bytes, name: str = "the model") -> tuple[onnx.ModelProto, Card]:
    """Read and check a model from bytes; `name` is what errors call it."""
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError:
        model = onnx.ModelProto()
    if data.startswith(b"PK\x03\x04") and name.endswith(".ckpt"):
        raise ContractError(
            f"{name} is the checkpoint of a training, not a model file; play the .onnx beside it, or make one: "
            "'glitch-lab export CHECKPOINT OUT.onnx'."
        )
    if data.startswith(b"PK\x03\x04"):
        raise ContractError(
            f"{name} is a zip archive, not an ONNX file; if it is TorchScript, let its name end in .ts to "
            "play it, or make a model file of it with 'glitch-lab convert'."
        )
    if not model.graph.node or not model.opset_import:
        raise ContractError(f"{name} is not an ONNX file, or is cut short; give a model file, or export it again.")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if KEY not in metadata:
        raise ContractError(
            f"{name} is an ONNX file without the metadata '{KEY}' that says its sample rate, hop and latent; "
            "make it with 'glitch-lab export CHECKPOINT OUT.onnx'."
        )
    try:
        card = from_json(metadata[KEY])
        validate(model, card)
    except ContractError as error:
        raise ContractError(f"{name}: {_readable(str(error))}") from None
    return model, card


def save(path: str | os.PathLike[str], model: onnx.ModelProto, card: Card) -> None:
    """Write a model with its card, whole or not at all.

    Raises
    ------
    ContractError
        The card and the graph contradict each other, or the file cannot be written.
    """
    validate(model, card)
    path = Path(path)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: to_json(card)})
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        scratch.write_bytes(model.SerializeToString())
        os.replace(scratch, path)
    except (OSError, EncodeError) as error:
        scratch.unlink(missing_ok=True)
        raise ContractError(f"Cannot write {path}: {error}.") from None


def validate(model: onnx.ModelProto, card: Card) -> None:
    """Check a card by itself and against the graph.

    Raises
    ------
    ContractError
        Names the first thing that is wrong, what was expected and what was found.
    """
    _validate_card(card)
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    _expect(opset >= MIN_OPSET, f"the graph has opset {opset}, and at least {MIN_OPSET} is needed; export it again")
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


def bends_layer(control: str) -> bool:
    """Say whether a control of that name is the scale or the shift of a layer."""
    named = control.removeprefix(BEND)
    return named != control and any(named.endswith(end) and named != end for end in (SCALE, SHIFT))


def input_channels(card: Card, name: str) -> int:
    """Size of the middle axis of a method's input: latents or channels."""
    return card.latent.size if name == "decode" else card.method(name).channels


def output_channels(card: Card, name: str) -> int:
    """Size of the middle axis of a method's output: channels, bins, bands or latents."""
    method = card.method(name)
    if method.output == "latent":
        return card.latent.size
    if method.output == "magnitudes":
        assert method.spectrum is not None
        return method.spectrum.rows
    return method.channels


def input_samples(card: Card, name: str) -> int:
    """Length of a method's input for one frame: a hop of audio, or one."""
    return card.method(name).hop if name in AUDIO_IN else 1


def output_samples(card: Card, name: str) -> int:
    """Length of a method's output for one frame: a hop of audio, as many magnitudes as fit into it, or one latent."""
    return card.method(name).gives


def one_frame(model: onnx.ModelProto, name: str) -> bool:
    """Whether a method's graph takes one frame a step and no more."""
    given = next(value for value in model.graph.input if value.name == f"{name}.input")
    return given.type.tensor_type.shape.dim[2].HasField("dim_value")


def split(model: onnx.ModelProto, method: str) -> onnx.ModelProto:
    """Cut one method out of a graph, in memory: the nodes its outputs need, and nothing else."""
    graph = model.graph
    producer = {output: node for node in graph.node for output in node.output}
    outputs = [value for value in graph.output if value.name.startswith(f"{method}.")]
    needed: set[int] = set()
    tensors: set[str] = set()
    pending = [value.name for value in outputs]
    while pending:
        name = pending.pop()
        if name in tensors or not name:
            continue
        tensors.add(name)
        node = producer.get(name)
        if node is not None and id(node) not in needed:
            needed.add(id(node))
            pending.extend(reads(node))
    part = onnx.ModelProto()
    part.CopyFrom(_without_graph(model))
    part.graph.name = method
    part.graph.node.extend(node for node in graph.node if id(node) in needed)
    part.graph.input.extend(value for value in graph.input if value.name.startswith(f"{method}."))
    part.graph.output.extend(outputs)
    part.graph.initializer.extend(tensor for tensor in graph.initializer if tensor.name in tensors)
    return part


def unbent(model: onnx.ModelProto, card: Card) -> tuple[onnx.ModelProto, Card]:
    """Take the bends out of a graph, in memory: what is left is what was bent, node by node.

    It gives the samples that the bent graph gives at rest, at the price that it had before.

    Raises
    ------
    ContractError
        Something reads a bend's controls that is neither its scale nor its shift.
    """
    scales, shifts = (
        {f"{name}.control.{BEND}{bend.layer}{end}" for name, method in card.methods.items() for bend in method.bends}
        for end in (SCALE, SHIFT)
    )
    controls = scales | shifts
    if not controls:
        return model, card
    kept: list[onnx.NodeProto] = []
    names: dict[str, str] = {}  # what goes into a scale or a shift is called as what comes out
    for node in model.graph.node:
        first, last = (node.input[0], node.input[-1]) if node.input else ("", "")
        if node.op_type == "Reshape" and (first in scales or first in shifts):
            (scales if first in scales else shifts).add(node.output[0])
        elif last in {"Mul": scales, "Add": shifts}.get(node.op_type, ()) and first not in names:
            names[first] = node.output[0]
        else:
            kept.append(node)
    controls = scales | shifts
    made = {output for node in model.graph.node for output in node.output}
    if any(name in controls for node in kept for name in reads(node)) or not names.keys() <= made:
        raise ContractError(
            "the graph reads a bend's controls otherwise than as scale and shift; bend the model again."
        )
    for name in reversed(names):
        names[name] = names.get(names[name], names[name])
    part = _without_graph(model)
    part.graph.name = model.graph.name
    part.graph.node.extend(kept)
    for node in part.graph.node:
        _rename(node, names)
    read = {name for node in part.graph.node for name in reads(node)} | {value.name for value in model.graph.output}
    part.graph.input.extend(value for value in model.graph.input if value.name not in controls)
    part.graph.output.extend(model.graph.output)
    part.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in read)
    methods = {
        name: replace(method, controls=tuple(c for c in method.controls if not bends_layer(c.name)))
        for name, method in card.methods.items()
    }
    return part, replace(card, methods=methods)


def to_json(card: Card) -> str:
    """Write a card as JSON; arrays become their shape and base64 of little-endian float32."""
    return json.dumps(plain(card), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> Card:
    """Read a card from JSON.

    Raises
    ------
    ContractError
        Names the key that is missing, unknown or of the wrong type.
    """
    if len(text) > MOST_TOLD:
        raise ContractError(
            f"its metadata '{KEY}' has {len(text) / 1e6:.0f} MB, which no model needs; export it again."
        )
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"its metadata '{KEY}' is not JSON ({error}); export the model again.") from None
    version = data.get("format") if isinstance(data, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise ContractError(f"it has format {version}, and this version reads up to {FORMAT}; update glitch-live.")
    try:
        card = typed(Card, data, "card")
    except PlainError as error:
        raise ContractError(str(error)) from None
    assert isinstance(card, Card)
    return card


def _validate_parts(model: onnx.ModelProto) -> None:
    """Make sure that the graph, with what is inside it, needs nothing from outside the file and onnxruntime."""
    known = {*DOMAINS, *(function.domain for function in model.functions)}
    pending: list[onnx.GraphProto | onnx.FunctionProto] = [model.graph, *model.functions]
    while pending:
        part = pending.pop()
        tensors = list(part.initializer) if isinstance(part, onnx.GraphProto) else []
        sparse = list(part.sparse_initializer) if isinstance(part, onnx.GraphProto) else []
        for node in part.node:
            alien = f"the operator '{node.op_type}' of the domain '{node.domain}' is none of ONNX"
            _expect(node.domain in known, f"{alien}; export the model with operators of ONNX alone")
            pending.extend(_inner(node))
            for attribute in node.attribute:
                tensors += [attribute.t, *attribute.tensors]
                sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
        for tensor in (*tensors, *(half for whole in sparse for half in (whole.values, whole.indices))):
            outside = tensor.data_location == onnx.TensorProto.EXTERNAL
            _expect(not outside, f"the weights '{tensor.name}' lie in another file; put them into the .onnx file")


def _validate_card(card: Card) -> None:
    _expect(card.format == FORMAT, f"format must be {FORMAT}, not {card.format}")
    _expect(8000 <= card.sample_rate <= 384_000, f"sample_rate must be 8000 to 384000 Hz, not {card.sample_rate}")
    _expect(bool(card.methods), f"methods must hold at least one of {', '.join(METHODS)}")
    _expect(len(card.name) <= LONGEST_NAME, f"name must have at most {LONGEST_NAME} characters, not {len(card.name)}")
    _expect_printable("name", card.name)
    latent = card.latent
    _expect(latent.size <= WIDEST, f"latent has {latent.size} dimensions, and there can be {WIDEST}")
    for name in ("names", "std", "order"):
        length = len(getattr(latent, name))
        _expect(length == latent.size, f"latent.{name} has {length} entries, and latent.mean has {latent.size}")
    _expect(sorted(latent.order) == list(range(latent.size)), "latent.order must name every dimension once")
    _expect(all(np.isfinite(latent.mean)), "latent.mean must be finite")
    _expect(all(np.isfinite(latent.std)) and all(s > 0 for s in latent.std), "latent.std must be finite and above 0")
    for name in (*latent.names, *(point.label for point in latent.map)):
        _expect_printable("a name of latent", name)
    for point in latent.map:
        _expect(len(point.latent) == latent.size, f"the map point '{point.label}' has {len(point.latent)} latents")
    for name, method in card.methods.items():
        _expect(name in METHODS, f"methods.{name} is not known; there are {', '.join(METHODS)}")
        _validate_method(name, method, card.sample_rate)
    _expect("decode" not in card.methods or latent.size > 0, "a model that decodes needs at least one latent")


def _validate_method(name: str, method: Method, rate: int) -> None:
    where = f"methods.{name}"
    _expect(1 <= method.hop <= 65_536, f"{where}.hop must be 1 to 65536 samples, not {method.hop}")
    _expect(1 <= method.channels <= 64, f"{where}.channels must be 1 to 64, not {method.channels}")
    _expect(0 <= method.delay <= MOST_DELAY, f"{where}.delay must be 0 to {MOST_DELAY} samples, not {method.delay}")
    _expect((method.output == "latent") == (name in LATENT_OUT), f"{where}.output cannot be '{method.output}'")
    for k, rest in enumerate(method.rest):
        _expect(bool(np.isfinite(rest).all()), f"{where}.rest[{k}] must be finite")
    if method.output == "magnitudes":
        spectrum = method.spectrum
        if spectrum is None:
            raise ContractError(f"{where} gives magnitudes, so {where}.spectrum must say of which STFT")
        whole = spectrum.hop >= 1 and method.hop % spectrum.hop == 0
        _expect(whole, f"{where}.hop is {method.hop}, which is no multiple of {where}.spectrum.hop, {spectrum.hop}")
        _expect(method.channels == 1, f"{where}.channels must be 1 where the output is magnitudes")
        fits = spectrum.n_fft % 2 == 0 and 2 * spectrum.hop <= spectrum.n_fft <= 65_536
        _expect(fits, f"{where}.spectrum.n_fft must be even, at most 65536 and at least twice the spectrum's hop")
        if spectrum.mel is not None:
            _validate_bands(f"{where}.spectrum.mel", spectrum.mel, rate)
    count = len(method.controls)
    _expect(count <= MOST_CONTROLS, f"{where} has {count} controls, and there can be {MOST_CONTROLS}")
    names = [control.name for control in method.controls]
    _expect(len(set(names)) == len(names), f"{where}.controls has a name twice")
    for control in method.controls:
        _expect(control.size <= WIDEST, f"the control '{control.name}' must have a size of 1 to {WIDEST}")
        _expect_printable(f"what the control '{control.name}' is called", control.unit + control.text)
        low, high = control.minimum, control.maximum
        valid = control.name.replace("_", "").replace(".", "").replace("-", "").isalnum()
        _expect(valid, f"the control '{control.name}' must be named in letters, digits, '_', '-' and '.'")
        ordered = low < high and low <= control.default <= high
        _expect(ordered, f"the control '{control.name}' must have minimum < maximum and its default between them")
        times = [time for time in (control.rise_ms, control.fall_ms) if time is not None]
        timely = all(0 <= time <= LONGEST_MS for time in times)
        _expect(timely, f"the control '{control.name}' must rise and fall in 0 to {LONGEST_MS:g} ms")
        _expect(1 <= control.size <= WIDEST, f"the control '{control.name}' must have a size of 1 to {WIDEST}")
        _expect_printable(f"what the control '{control.name}' is called", control.unit + control.text)
    _validate_bends(method)


def _validate_bands(where: str, mel: MelBands, rate: int) -> None:
    high_hz = rate / 2 if mel.high_hz is None else mel.high_hz
    _expect(1 <= mel.bands <= MOST_BANDS, f"{where}.bands must be 1 to {MOST_BANDS}, not {mel.bands}")
    _expect(0 <= mel.low_hz < high_hz <= rate / 2, f"{where} must rise, from 0 Hz on and to {rate / 2:g} Hz at most")


def _validate_bends(method: Method) -> None:
    controls = {control.name: control for control in method.controls if bends_layer(control.name)}
    for name, control in controls.items():
        end, default = (SCALE, 1.0) if name.endswith(SCALE) else (SHIFT, 0.0)
        other = controls.get(name.removesuffix(end) + (SHIFT if end == SCALE else SCALE))
        pair = other is not None and other.size == control.size
        _expect(
            pair, f"the control '{name}' must have its {SHIFT if end == SCALE else SCALE} beside it, of the same size"
        )
        fits = control.default == default and not control.per_frame
        _expect(fits, f"the control '{name}' must have the default {default:g}, and one value a step")


@dataclass(frozen=True)
class _Frames:
    """An axis along the frames: free, or as long as one frame."""

    one: int

    def __str__(self) -> str:
        return f"* or {self.one}"


def _compare(kind: str, found: dict[str, onnx.ValueInfoProto], expected: dict[str, tuple[int | _Frames, ...]]) -> None:
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    _expect(not missing, f"the graph lacks the {kind} {', '.join(missing)} that its card speaks of")
    _expect(not extra, f"the graph has the {kind} {', '.join(extra)} that its card doesn't speak of")
    for name, wanted in expected.items():
        tensor = found[name].type.tensor_type
        _expect(tensor.elem_type == onnx.TensorProto.FLOAT, f"the {kind} {name} must be float32")
        dims = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
        agrees = len(dims) == len(wanted) and all(
            d is None or d == (w.one if isinstance(w, _Frames) else w) for d, w in zip(dims, wanted, strict=True)
        )
        _expect(agrees, f"the {kind} {name} has the shape {_text(dims)}, and the card says {_text(wanted)}")


def _text(shape: tuple[int | _Frames | None, ...]) -> str:
    return "[" + ", ".join("*" if size is None else str(size) for size in shape) + "]"


def _expect_printable(what: str, text: str) -> None:
    _expect(text.isprintable(), f"{what} must be one line of text, and has other characters in it")


def _readable(text: str) -> str:
    """Make what a file says fit to be read: one line, nothing that steers a terminal, not without end."""
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in text[:LONGEST_SENTENCE])
    return shown if len(text) <= LONGEST_SENTENCE else f"{shown} …"


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ContractError(f"{otherwise}.")


def reads(node: onnx.NodeProto) -> list[str]:
    """List the tensors a node reads, those of its inner graphs (If, Loop, Scan) included."""
    names = list(node.input)
    for graph in _inner(node):
        for inner in graph.node:
            names.extend(reads(inner))
        names.extend(value.name for value in graph.output)
    return names


def _rename(node: onnx.NodeProto, names: dict[str, str]) -> None:
    """Call tensors otherwise, where a node or one inside it reads or makes them."""
    node.input[:] = [names.get(name, name) for name in node.input]
    node.output[:] = [names.get(name, name) for name in node.output]
    for graph in _inner(node):
        for inner in graph.node:
            _rename(inner, names)
        for value in graph.output:
            value.name = names.get(value.name, value.name)


def _inner(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """Give the graphs inside a node (If, Loop, Scan)."""
    singles = [attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]
    return [*singles, *(graph for attribute in node.attribute for graph in attribute.graphs)]


def _without_graph(model: onnx.ModelProto) -> onnx.ModelProto:
    shell = onnx.ModelProto()
    shell.ir_version = model.ir_version
    shell.opset_import.extend(model.opset_import)
    shell.functions.extend(model.functions)
    return shell
