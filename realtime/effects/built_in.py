"""The table of built-in effects: names, knobs and their ranges.

An effect is plain data, so the host makes parameters and messages without loading a plug-in. The built-ins are
pedalboard's (https://spotify.github.io/pedalboard/); plug-ins are described by `realtime.effects.probe`.

Not included, because of how pedalboard 0.9.26 processes streams (`reset=False`):

- `PitchShift` delays by a second and is silent for blocks shorter than that.
- `GSMFullRateCompressor` gives unrecognisable sound at hops of 128 samples.
- `MP3Compressor` has a latency of 43 ms plus up to 20 samples, depending on how the stream is cut.
- `BrickwallLimiter` has a look-ahead of 5 ms; `Limiter` has none.
- `Convolution` and `IIRFilter` need a file or coefficients, which no knob can provide.
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
        Last part of the address: lower-case letters, digits and `-`.
    attribute
        Name in pedalboard; for a plug-in, the key in its `parameters`.
    minimum, maximum, default
        In `unit`; for a plug-in, the raw value from 0 to 1.
    curve
        Taper of a fader, `linear` or `log`, and of ramps to a new value.
    step
        How the sound follows a new value: `ramp` ramps it, `set` leaves it to the effect, `handover` lets a second
        instance take over the input while the first rings out.
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
    """Description of an effect.

    Attributes
    ----------
    name
        Name of pedalboard's class, or of the plug-in.
    source
        Empty for a built-in; else the path of the plug-in's file, followed by `::` and its name if the file has
        several.
    knobs
        Its knobs.
    latency
        Reported latency in samples at 48 kHz; `Chain.latency` is the one at the stream's rate.
    """

    name: str
    source: str
    knobs: tuple[Knob, ...]
    latency: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the effect as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Effect:
        """Make an effect from the values of `to_json`."""
        return cls(**{**data, "knobs": tuple(Knob(**knob) for knob in data["knobs"])})


def _wet(of: str) -> Knob:
    return Knob("wet", "mix", 0, 1, 0.5, "", "linear", f"Mix of the {of} with the input.")


def _cutoff(default: float, *, attribute: str = "cutoff_frequency_hz", text: str = "Corner frequency.") -> Knob:
    return Knob("cutoff", attribute, 20, 20_000, default, "Hz", "log", text)


def _bell(cutoff: float, where: str) -> tuple[Knob, ...]:
    return (
        _cutoff(cutoff),
        Knob("gain", "gain_db", -24, 24, 0, "dB", "linear", f"Level {where}."),
        Knob("q", "q", 0.1, 10, 0.7071, "", "log", "Quality: higher is narrower."),
    )


def _threshold(low: float, default: float, text: str) -> Knob:
    return Knob("threshold", "threshold_db", low, 0, default, "dB", "linear", text)


def _ratio(default: float) -> Knob:
    return Knob("ratio", "ratio", 1, 100, default, "", "log", "Ratio in dB of input per dB of output.")


_ATTACK = Knob("attack", "attack_ms", 0.1, 200, 1, "ms", "log", "Attack time.")
_RELEASE = Knob("release", "release_ms", 5, 2000, 100, "ms", "log", "Release time.")
_RATE = Knob("rate", "rate_hz", 0.01, 20, 1, "Hz", "log", "Cycles per second.")
_FEEDBACK = Knob("feedback", "feedback", -0.95, 0.95, 0, "", "linear", "Feedback; below 0 inverted.")

MIN_RESAMPLE_HZ = 1000.0
LADDER_MODES = "0 low-pass, 1 high-pass, 2 band-pass, all 12 dB per octave; 3, 4 and 5 the same with 24."

BUILT_IN = (
    Effect(
        "Reverb",
        "",
        (
            Knob("room-size", "room_size", 0, 1, 0.5, "", "linear", "Size of the room, hence length of the reverb."),
            Knob("damping", "damping", 0, 1, 0.5, "", "linear", "Damping of the treble."),
            Knob("wet-level", "wet_level", 0, 1, 0.33, "", "linear", "Level of the reverb."),
            Knob("dry-level", "dry_level", 0, 1, 0.4, "", "linear", "Level of the input."),
            Knob("width", "width", 0, 1, 1, "", "linear", "Stereo width; 0 is mono."),
            Knob("freeze", "freeze_mode", 0, 1, 0, "", "linear", "Sustain the reverb for ever.", "bool", "set"),
        ),
    ),
    Effect(
        "Delay",
        "",
        (
            Knob("time", "delay_seconds", 0.001, 2, 0.5, "s", "log", "Time between echoes.", step="handover"),
            Knob("feedback", "feedback", 0, 0.95, 0.35, "", "linear", "Level of each echo relative to the one before."),
            _wet("echoes"),
        ),
    ),
    Effect(
        "Chorus",
        "",
        (
            _RATE,
            Knob("depth", "depth", 0, 1, 0.25, "", "linear", "Depth of the pitch modulation."),
            Knob("delay", "centre_delay_ms", 1, 50, 7, "ms", "log", "Centre of the modulated delay.", step="handover"),
            _FEEDBACK,
            _wet("chorus"),
        ),
    ),
    Effect(
        "Phaser",
        "",
        (
            _RATE,
            Knob("depth", "depth", 0, 1, 0.5, "", "linear", "Range of the notches."),
            Knob("centre", "centre_frequency_hz", 50, 10_000, 1300, "Hz", "log", "Centre frequency of the notches."),
            _FEEDBACK,
            _wet("phaser"),
        ),
    ),
    Effect(
        "Distortion",
        "",
        (Knob("drive", "drive_db", 0, 60, 25, "dB", "linear", "Gain before the hyperbolic tangent."),),
    ),
    Effect("Clipping", "", (_threshold(-60, -6, "Level at which peaks are clipped."),)),
    Effect("Bitcrush", "", (Knob("bits", "bit_depth", 1, 16, 8, "", "linear", "Bits per sample."),)),
    Effect(
        "Compressor",
        "",
        (_threshold(-60, -18, "Level above which the gain is reduced."), _ratio(3), _ATTACK, _RELEASE),
    ),
    Effect("Limiter", "", (_threshold(-40, -10, "Level above which the gain is reduced."), _RELEASE)),
    Effect(
        "NoiseGate",
        "",
        (_threshold(-100, -60, "Level below which the gain is reduced."), _ratio(10), _ATTACK, _RELEASE),
    ),
    Effect("Gain", "", (Knob("gain", "gain_db", -60, 24, 0, "dB", "linear", "Level."),)),
    Effect("HighpassFilter", "", (_cutoff(50, text="Corner frequency of the high-pass, 6 dB per octave."),)),
    Effect("LowpassFilter", "", (_cutoff(4000, text="Corner frequency of the low-pass, 6 dB per octave."),)),
    Effect("HighShelfFilter", "", _bell(4000, "above the corner")),
    Effect("LowShelfFilter", "", _bell(200, "below the corner")),
    Effect("PeakFilter", "", _bell(1000, "around the frequency")),
    Effect(
        "LadderFilter",
        "",
        (
            Knob("mode", "mode", 0, 5, 0, "", "linear", LADDER_MODES, "int", "handover"),
            _cutoff(1000, attribute="cutoff_hz"),
            Knob("resonance", "resonance", 0, 1, 0, "", "linear", "Resonance at the corner frequency."),
            Knob("drive", "drive", 1, 20, 1, "", "log", "Drive of the ladder."),
        ),
    ),
    Effect(
        "Resample",
        "",
        (
            Knob(
                "rate",
                "target_sample_rate",
                MIN_RESAMPLE_HZ,
                48_000,
                8000,
                "Hz",
                "log",
                "Sample rate, without interpolation: aliases like an old sampler.",
                step="handover",
            ),
        ),
        latency=50,
    ),
    Effect("Invert", "", ()),
)

FIXED = {"Resample": {"quality": "ZeroOrderHold"}}
"""Attributes of built-ins without a knob. Other qualities of `Resample` have a latency of up to 67 ms."""
