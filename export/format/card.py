"""The card of a model file: a description of its methods, controls and latent space.

The card is JSON in the file's metadata, under the key `glitch`. `export.format.graph` describes the tensors.
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
    """A live control of a method: an input of the graph that has its default until somebody changes it.

    Attributes
    ----------
    name : str
        Letters, digits, `_`, `-` and `.`.
    default, minimum, maximum : float
        Its value at rest and its range, in `unit`.
    text : str
        What it does, for players.
    size : int
        Values that it has at a time.
    per_frame : bool
        Whether it takes one value a latent frame (pitch, loudness) or one value a step (bends).
    rise_ms, fall_ms : float or None
        Time constants of the host's smoothing, for steps upwards and downwards. Without `fall_ms`, `rise_ms` counts for
        both; without either, the host decides.
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
    """A layer with bends: each of its channels has a scale (1 at rest) and a shift (0 at rest), as live controls.

    `scale` and `shift` are the positions of the two controls among those of the method.
    """

    layer: str
    channels: int
    scale: int
    shift: int


@dataclass(frozen=True)
class MelBands:
    """Mel bands: triangles of equal area on Slaney's scale (see `export.format.mel_scale.mel_weights`)."""

    bands: int
    low_hz: float = 0.0
    high_hz: float | None = None


@dataclass(frozen=True)
class Spectrum:
    """The kind of magnitudes that a method outputs.

    They are those of an unnormalised STFT with a periodic window, linear or as natural logarithm. With `mel` they are
    its power in mel bands.
    """

    n_fft: int
    hop: int
    window: Window = "hann"
    scale: Literal["linear", "log"] = "linear"
    mel: MelBands | None = None

    @property
    def bins(self) -> int:
        """Number of frequencies of the STFT."""
        return self.n_fft // 2 + 1

    @property
    def rows(self) -> int:
        """Number of values in a spectral frame: bins, or mel bands."""
        return self.bins if self.mel is None else self.mel.bands


@dataclass(frozen=True)
class Measured:
    """Measurements of a method, made before its file was written; None if a figure couldn't be measured.

    Attributes
    ----------
    parity : float or None
        Largest difference from the model that it was converted from, over `parity_steps` steps.
    chunks : float or None
        Largest difference between divisions of the same input into chunks.
    delay : int or None
        Samples from a change of the input to the peak of the response.
    real_time : float or None
        Speed on one thread, as a multiple of real time.
    """

    parity: float | None = None
    parity_steps: int = 0
    chunks: float | None = None
    delay: int | None = None
    real_time: float | None = None


@dataclass(frozen=True)
class Method:
    """One function of a model: `decode`, `encode`, `transform` or `prior`.

    Attributes
    ----------
    hop : int
        Audio samples a frame.
    output : {"audio", "magnitudes", "latent"}
    channels : int
        Audio channels; of a `prior`, channels of its input.
    delay : int
        Samples by which the output lags the input inside the graph. The delay of a phase inversion is added by the
        host.
    spectrum : Spectrum or None
        The kind of magnitudes, where the output is magnitudes.
    controls : tuple of Control
        In the order of their positions.
    rest : tuple of np.ndarray
        The caches after the model has settled on its mean latent. Reset and panic return to these values instead of
        zeros, which would click.
    measured : Measured or None
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
        """Length of the output for one frame: a hop of audio, its spectral frames, or one latent."""
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
    """The latent space.

    A host plays standard scores in order of importance: `z[order[k]] = mean[order[k]] + std[order[k]] * score[k]`.

    Attributes
    ----------
    names, mean, std : tuple
        Of each dimension, in the model's own order.
    order : tuple of int
        The dimensions by how much they change the sound, the largest effect first.
    map : tuple of MapPoint
        The training sounds on the latent map.
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
        """Make the latent space of a model without statistics: standard normal, in its own order."""
        return cls(
            names=tuple(f"latent {k + 1}" for k in range(size)),
            mean=(0.0,) * size,
            std=(1.0,) * size,
            order=tuple(range(size)),
        )


@dataclass(frozen=True)
class Provenance:
    """The origin of a model: its data, licence, date, command, steps, seed and notes."""

    data: str = ""
    licence: str = ""
    date: str = ""
    command: str = ""
    steps: int = 0
    seed: int = 0
    notes: str = ""


@dataclass(frozen=True)
class Card:
    """The description of a model."""

    name: str
    sample_rate: int
    methods: dict[str, Method]
    latent: Latent
    provenance: Provenance = Provenance()
    format: int = FORMAT

    def method(self, name: str) -> Method:
        """Look up a method by name.

        Returns
        -------
        Method
            Its description: hop, output, delay, controls and measurements.

        Raises
        ------
        ContractError
            The model has no method of that name; the message lists those it has.
        """
        try:
            return self.methods[name]
        except KeyError:
            has = ", ".join(self.methods)
            raise ContractError(f"The model '{self.name}' has no method '{name}'; it has: {has}.") from None

    @property
    def live_method(self) -> str:
        """Name of the method that the stage plays: `decode`, or else `transform`.

        Raises
        ------
        ContractError
            The model has neither.
        """
        for name in ("decode", "transform"):
            if name in self.methods:
                return name
        has = ", ".join(self.methods)
        raise ContractError(
            f"The model '{self.name}' has neither 'decode' nor 'transform', so it cannot be played; it has: {has}."
        )


def is_bend_control(control: str) -> bool:
    """Whether a control of that name is the scale or the shift of a layer."""
    named = control.removeprefix(BEND)
    return named != control and any(named.endswith(end) and named != end for end in (SCALE, SHIFT))


def input_channels(card: Card, name: str) -> int:
    """Size of the middle axis of a method's input: latents or channels."""
    return card.latent.size if name == "decode" else card.method(name).channels


def output_channels(card: Card, name: str) -> int:
    """Size of the middle axis of a method's output: channels, bins, mel bands or latents."""
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
    """Length of a method's output for one frame: a hop of audio, its spectral frames, or one latent."""
    return card.method(name).gives


def to_json(card: Card) -> str:
    """Write a card as JSON. An array becomes its shape and base64 of little-endian float32."""
    return json.dumps(to_plain(card), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> Card:
    """Read a card from JSON.

    Returns
    -------
    Card
        With all entries of the declared types; nothing is compared with the graph.

    Raises
    ------
    ContractError
        A key is missing, unknown or of the wrong type; the message names it.
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
