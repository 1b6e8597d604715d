"""The effects chain after the decoder, in the deck's process: pedalboard's effects and plug-ins.

Every effect has a dry path delayed by the effect's latency and a dry/wet mix, so no setting causes comb filtering and
bypass never shifts the sound. Knobs ramp on a grid of samples counted from the start, so the samples don't depend on
how the stream is cut into hops, and rendering a take offline gives the same samples.

>>> chain = Chain([find("reverb"), find("lowpassfilter")], 48_000, channels=2)
>>> chain.set("/fx/1/room-size", 0.9)
>>> audio = chain.process(audio)

See Also
--------
realtime.effects.built_in : The built-in effects and their knobs.
realtime.effects.lookup : Effects by name, plug-ins included.
realtime.effects.smooth_effect : An effect that follows its knobs without clicks.
realtime.effects.effect_instance : One instance of an effect as an exact stream.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from export.errors import GlitchError
from realtime.effects.built_in import Effect, Knob
from realtime.effects.effect_instance import import_pedalboard
from realtime.effects.lookup import find, names
from realtime.effects.ramp import Ramp
from realtime.effects.smooth_effect import KNOB_MS, SmoothEffect
from realtime.params.table import Parameter, row

__all__ = ["Chain", "Effect", "Knob", "find", "names", "rows"]

BYPASS_MS = 10.0


def rows(effects: Sequence[Effect]) -> list[Parameter]:
    """Make the parameters of a chain: bypass, mix and the effect's knobs for each place.

    Parameters
    ----------
    effects
        In the order of the chain.

    Returns
    -------
    rows : list of Parameter
        Addresses `/fx/1/bypass`, `/fx/1/mix`, `/fx/1/KNOB`, `/fx/2/bypass`, …
    """
    made = []
    for place, effect in enumerate(effects, 1):
        at = f"/fx/{place}"
        text = f"Bypass effect {place}, {effect.name}."
        made.append(row(f"{at}/bypass", "bool", 0, 1, 0, "", "deck", text, smoothing_ms=BYPASS_MS))
        text = f"Dry/wet mix of {effect.name}: 0 is dry, 1 is wet."
        made.append(row(f"{at}/mix", "float", 0, 1, 1, "", "deck", text, smoothing_ms=KNOB_MS))
        for knob in effect.knobs:
            smoothing = 0.0 if knob.step == "set" else KNOB_MS
            made.append(
                row(
                    f"{at}/{knob.name}",
                    knob.kind,
                    knob.minimum,
                    knob.maximum,
                    knob.default,
                    knob.unit,
                    "deck",
                    f"{effect.name}: {knob.text}",
                    curve=knob.curve,
                    smoothing_ms=smoothing,
                )
            )
    return made


class Chain:
    """A chain of effects.

    Parameters
    ----------
    effects
        In the order of the chain.
    sample_rate
        Of the stream, Hz.
    channels
        Number of channels.

    Attributes
    ----------
    latency : int
        Delay of the output after the input, in samples.
    problems : list of str
        A sentence for each effect that failed and is now bypassed.

    Raises
    ------
    GlitchError
        Effects were given, and pedalboard isn't installed.
    """

    def __init__(self, effects: Sequence[Effect], sample_rate: float, channels: int) -> None:
        if effects:
            import_pedalboard()
        self.problems: list[str] = []
        self._rows = {parameter.address: parameter for parameter in rows(effects)}
        self._slots = [_Slot(k, effect, sample_rate, channels, self.problems) for k, effect in enumerate(effects, 1)]
        self.latency = sum(slot.lag for slot in self._slots)

    def set(self, address: str, value: float) -> None:
        """Set a parameter. The sound follows without a step; before the first sample it changes at once.

        Parameters
        ----------
        address
            As in `rows`.
        value
            Clipped to the range; ignored if not finite.

        Raises
        ------
        GlitchError
            The chain has no such parameter.
        """
        if address not in self._rows:
            raise GlitchError(f"There is no parameter {address} in this chain of {len(self._slots)} effects.")
        if math.isfinite(value):
            _, _, place, name = address.split("/")
            self._slots[int(place) - 1].set(name, self._rows[address].clip(value))

    def process(self, audio: np.ndarray) -> np.ndarray:
        """Process the next samples.

        Parameters
        ----------
        audio : np.ndarray [shape=(channels, n)]
            Any n; non-finite values count as silence.

        Returns
        -------
        audio : np.ndarray [shape=(channels, n)]
            float32.
        """
        audio = np.ascontiguousarray(audio, np.float32)
        if audio.shape[1] == 0:
            return audio
        if not np.isfinite(audio).all():
            audio = np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0)
        for slot in self._slots:
            audio = slot.process(audio)
        return audio

    def reset(self) -> None:
        """Clear all effects and set the knobs to their targets at once."""
        for slot in self._slots:
            slot.reset()


class _Delay:
    """A delay by whole samples."""

    def __init__(self, channels: int, samples: int) -> None:
        self._held = np.zeros((channels, samples), np.float32)

    def process(self, audio: np.ndarray) -> np.ndarray:
        if self._held.shape[1] == 0:
            return audio
        both = np.concatenate((self._held, audio), axis=1)
        self._held = both[:, audio.shape[1] :]
        return both[:, : audio.shape[1]]

    def reset(self) -> None:
        self._held = np.zeros_like(self._held)


class _Slot:
    """A place in the chain: the effect, its dry path, mix and bypass, and the fade to dry when the effect fails."""

    def __init__(self, place: int, effect: Effect, sample_rate: float, channels: int, problems: list[str]) -> None:
        self._place, self._effect, self._problems = place, effect, problems
        self._sound: SmoothEffect | None = None
        self.lag = 0
        fade = round(1e-3 * BYPASS_MS * sample_rate)
        self._mix = Ramp(1.0, round(1e-3 * KNOB_MS * sample_rate))
        self._open = Ramp(1.0, fade)
        self._break = Ramp(0.0, fade)  # from the last good sample to the dry path when the effect fails
        self._gap = self._last = np.zeros((channels, 1), np.float32)
        self._fresh = True
        try:
            self._sound = SmoothEffect(effect, sample_rate, channels)
            self.lag = self._sound.lag
        except Exception as error:
            self._fail(error)
        self._dry = _Delay(channels, self.lag)

    def set(self, name: str, value: float) -> None:
        line = {"mix": self._mix, "bypass": self._open}.get(name)
        if line is not None:
            target = 1.0 - value if name == "bypass" else value
            line.jump(target) if self._fresh else line.go(target)
        elif self._sound is not None:
            try:
                self._sound.set(name, value, glide=not self._fresh)
            except Exception as error:
                self._fail(error)

    def process(self, audio: np.ndarray) -> np.ndarray:
        self._fresh = False
        dry = self._dry.process(audio)
        wet = self._wet(audio, dry)
        if not (self._mix.moving or self._open.moving):
            level = self._mix.now * self._open.now
            if level in (0.0, 1.0):
                return wet if level else dry
            return dry + np.float32(level) * (wet - dry)
        levels = self._mix.take(audio.shape[1]) * self._open.take(audio.shape[1])
        return dry + levels * (wet - dry)

    def reset(self) -> None:
        self._dry.reset()
        self._break.jump(0.0)
        self._last = np.zeros_like(self._last)
        for line in (self._mix, self._open):
            line.jump(line.target)
        self._fresh = True
        if self._sound is not None:
            try:
                self._sound.reset()
            except Exception as error:
                self._fail(error)

    def _wet(self, audio: np.ndarray, dry: np.ndarray) -> np.ndarray:
        pieces = []
        done, length = 0, audio.shape[1]
        while done < length and self._sound is not None:
            end = done + min(self._sound.stretch, length - done)
            try:
                piece = self._sound.process(audio[:, done:end])
                if not np.isfinite(piece).all():
                    raise ValueError("it returned samples that are not finite")
            except Exception as error:
                self._fail(error)
                break
            pieces.append(piece)
            self._last = piece[:, -1:]
            done = end
        if self._sound is None:
            pieces.append(self._without(dry[:, done:]))
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)

    def _without(self, dry: np.ndarray) -> np.ndarray:
        """Fade from the effect's last sample to the dry path."""
        if self._break.target and dry.shape[1]:
            self._gap = self._last - dry[:, :1]
            self._break.jump(1.0)
            self._break.go(0.0)
        return dry + self._break.take(dry.shape[1]) * self._gap if self._break.moving else dry

    def _fail(self, error: Exception) -> None:
        self._sound = None
        self._break.jump(1.0)
        self._problems.append(f"Effect {self._place}, {self._effect.name}, is bypassed: {error}")
