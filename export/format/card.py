"""The card of a model file: plain data that says what its methods, latents and controls are.

The card is JSON in the file's metadata under the key `glitch`. Tensors: `export.format.graph`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from export.errors import ContractError
from export.format.dataclass_json import JsonError, from_plain, to_plain

FORMAT = 1
KEY = "glitch"
METHODS = ("decode", "encode", "transform", "prior")
AUDIO_IN, LATENT_OUT = ("encode", "transform"), ("encode", "prior")
BEND, SCALE, SHIFT = "bend.", ".scale", ".shift"  # names of the controls of a bent layer: bend.LAYER.scale, .shift
MAX_CARD_CHARACTERS = 64 << 20

Window = Literal["hann", "sqrt_hann", "hamming", "blackman"]


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
            if is_bend_control(name) and name.endswith(SCALE):
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


def is_bend_control(control: str) -> bool:
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


def to_json(card: Card) -> str:
    """Write a card as JSON; arrays become their shape and base64 of little-endian float32."""
    return json.dumps(to_plain(card), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> Card:
    """Read a card from JSON.

    Raises
    ------
    ContractError
        Names the key that is missing, unknown or of the wrong type.
    """
    if len(text) > MAX_CARD_CHARACTERS:
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
        card = from_plain(Card, data, "card")
    except JsonError as error:
        raise ContractError(str(error)) from None
    assert isinstance(card, Card)
    return card
