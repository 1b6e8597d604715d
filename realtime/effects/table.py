"""The table of effects: what each one is called, and its knobs with their musical ranges.

An effect is plain data, so the host makes its rows and its messages without loading a plug-in. The built-ins are
pedalboard's (https://spotify.github.io/pedalboard/); the description of a plug-in comes from `realtime.effects.probe`.

Left out, by what pedalboard 0.9.26 does in pieces (`reset=False`):

- `PitchShift` holds a second of sound back, and is silent in pieces shorter than that.
- `GSMFullRateCompressor` gives, in hops of 128, nothing that can be told to be what went in.
- `MP3Compressor` lags by 43 ms and by up to 20 samples more, depending on how the stream is cut.
- `BrickwallLimiter` looks 5 ms ahead; `Limiter` doesn't.
- `Convolution` and `IIRFilter` want a file or coefficients, which no knob can give.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from realtime.params.table import Curve

KnobKind = Literal["float", "int", "bool"]
Step = Literal["ramp", "set", "handover"]


@dataclass(frozen=True)
class Knob:
    """One knob of an effect.

    Attributes
    ----------
    name
        The end of its address: lower case letters, digits and `-`.
    attribute
        What pedalboard calls it; of a plug-in, the name under which its parameters list it.
    minimum, maximum, default
        In `unit`. Of a plug-in, its raw value from 0 to 1.
    curve
        How a fader should travel the range, and how the effect travels to a new value.
    step
        How the sound follows a new value: `ramp` glides, `set` leaves it to the effect, `handover` lets a second
        instance take the input over while the first one rings out.
    """

    name: str
    attribute: str
    minimum: float
    maximum: float
    default: float
    unit: str
    curve: Curve
    text: str
    kind: KnobKind = "float"
    step: Step = "ramp"


@dataclass(frozen=True)
class Effect:
    """What the stage knows of an effect.

    Attributes
    ----------
    name
        Of pedalboard's class, or the plug-in's own.
    source
        Empty for a built-in; else the path of the plug-in's file, with `::` and its name where the file has several.
    latency
        Samples that it says it lags by, at 48 kHz; `Chain.latency` says what holds at the stream's rate.
    """

    name: str
    source: str
    knobs: tuple[Knob, ...]
    latency: int = 0

    def to_json(self) -> dict[str, Any]:
        """Give the effect as what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Effect:
        """Read what `to_json` gave."""
        return cls(**{**data, "knobs": tuple(Knob(**knob) for knob in data["knobs"])})


def _wet(of: str) -> Knob:
    return Knob("wet", "mix", 0, 1, 0.5, "", "linear", f"How much of the {of}, against what comes in.")


def _cutoff(default: float, *, attribute: str = "cutoff_frequency_hz", text: str = "Frequency of the corner.") -> Knob:
    return Knob("cutoff", attribute, 20, 20_000, default, "Hz", "log", text)


def _bell(cutoff: float, where: str) -> tuple[Knob, ...]:
    return (
        _cutoff(cutoff),
        Knob("gain", "gain_db", -24, 24, 0, "dB", "linear", f"Level {where}."),
        Knob("q", "q", 0.1, 10, 0.7071, "", "log", "How narrow it is."),
    )


def _threshold(low: float, default: float, text: str) -> Knob:
    return Knob("threshold", "threshold_db", low, 0, default, "dB", "linear", text)


def _ratio(default: float) -> Knob:
    return Knob("ratio", "ratio", 1, 100, default, "", "log", "How many dB of change become one.")


_ATTACK = Knob("attack", "attack_ms", 0.1, 200, 1, "ms", "log", "How fast it takes hold.")
_RELEASE = Knob("release", "release_ms", 5, 2000, 100, "ms", "log", "How fast it lets go.")
_RATE = Knob("rate", "rate_hz", 0.01, 20, 1, "Hz", "log", "Turns a second.")
_FEEDBACK = Knob("feedback", "feedback", -0.95, 0.95, 0, "", "linear", "How much goes round again; below 0 inverted.")

LOWEST_RESAMPLE_HZ = 1000.0
LADDER_MODES = "0 low-pass, 1 high-pass, 2 band-pass, all 12 dB an octave; 3, 4 and 5 the same with 24."

BUILT_IN = (
    Effect(
        "Reverb",
        "",
        (
            Knob("room-size", "room_size", 0, 1, 0.5, "", "linear", "Size of the room, and so how long it rings."),
            Knob("damping", "damping", 0, 1, 0.5, "", "linear", "How fast the room swallows its treble."),
            Knob("wet-level", "wet_level", 0, 1, 0.33, "", "linear", "Level of the room."),
            Knob("dry-level", "dry_level", 0, 1, 0.4, "", "linear", "Level of what comes in."),
            Knob("width", "width", 0, 1, 1, "", "linear", "From mono to as wide as it goes."),
            Knob("freeze", "freeze_mode", 0, 1, 0, "", "linear", "Let the room ring for ever.", "bool", "set"),
        ),
    ),
    Effect(
        "Delay",
        "",
        (
            Knob("time", "delay_seconds", 0.001, 2, 0.5, "s", "log", "Time between echoes.", step="handover"),
            Knob("feedback", "feedback", 0, 0.95, 0.35, "", "linear", "Level of each echo against the one before."),
            _wet("echoes"),
        ),
    ),
    Effect(
        "Chorus",
        "",
        (
            _RATE,
            Knob("depth", "depth", 0, 1, 0.25, "", "linear", "How far the pitch sways."),
            Knob("delay", "centre_delay_ms", 1, 50, 7, "ms", "log", "Delay around which it sways.", step="handover"),
            _FEEDBACK,
            _wet("chorus"),
        ),
    ),
    Effect(
        "Phaser",
        "",
        (
            _RATE,
            Knob("depth", "depth", 0, 1, 0.5, "", "linear", "How far the notches travel."),
            Knob("centre", "centre_frequency_hz", 50, 10_000, 1300, "Hz", "log", "Around where they travel."),
            _FEEDBACK,
            _wet("phaser"),
        ),
    ),
    Effect(
        "Distortion",
        "",
        (Knob("drive", "drive_db", 0, 60, 25, "dB", "linear", "Level at which it goes into a hyperbolic tangent."),),
    ),
    Effect("Clipping", "", (_threshold(-60, -6, "Level at which peaks are cut off flat."),)),
    Effect("Bitcrush", "", (Knob("bits", "bit_depth", 1, 16, 8, "", "linear", "Bits that are left of a sample."),)),
    Effect(
        "Compressor",
        "",
        (_threshold(-60, -18, "Level above which it turns down."), _ratio(3), _ATTACK, _RELEASE),
    ),
    Effect("Limiter", "", (_threshold(-40, -10, "Level above which it turns down."), _RELEASE)),
    Effect(
        "NoiseGate",
        "",
        (_threshold(-100, -60, "Level below which it turns down."), _ratio(10), _ATTACK, _RELEASE),
    ),
    Effect("Gain", "", (Knob("gain", "gain_db", -60, 24, 0, "dB", "linear", "Level."),)),
    Effect("HighpassFilter", "", (_cutoff(50, text="Below it the sound is taken away, 6 dB an octave."),)),
    Effect("LowpassFilter", "", (_cutoff(4000, text="Above it the sound is taken away, 6 dB an octave."),)),
    Effect("HighShelfFilter", "", _bell(4000, "above the corner")),
    Effect("LowShelfFilter", "", _bell(200, "below the corner")),
    Effect("PeakFilter", "", _bell(1000, "around the frequency")),
    Effect(
        "LadderFilter",
        "",
        (
            Knob("mode", "mode", 0, 5, 0, "", "linear", LADDER_MODES, "int", "handover"),
            _cutoff(1000, attribute="cutoff_hz"),
            Knob("resonance", "resonance", 0, 1, 0, "", "linear", "How much it rings at the corner."),
            Knob("drive", "drive", 1, 20, 1, "", "log", "How hard the ladder is driven."),
        ),
    ),
    Effect(
        "Resample",
        "",
        (
            Knob(
                "rate",
                "target_sample_rate",
                LOWEST_RESAMPLE_HZ,
                48_000,
                8000,
                "Hz",
                "log",
                "Sample rate of an old sampler: samples are held, and alias.",
                step="handover",
            ),
        ),
        latency=50,
    ),
    Effect("Invert", "", ()),
)

FIXED = {"Resample": {"quality": "ZeroOrderHold"}}
"""What has no knob: how a built-in is made. Other qualities of `Resample` lag by up to 67 ms, depending on the rate."""
