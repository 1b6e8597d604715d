"""An effect that follows its knobs without clicks: ramps, and handing over from one instance to another."""

from __future__ import annotations

import math

import numpy as np

from realtime.effects.built_in import Effect
from realtime.effects.effect_instance import BLOCK, EffectInstance
from realtime.effects.ramp import Ramp

SLICE = 16  # samples between updates of a moving knob
KNOB_MS = 30.0
HANDOVER_MS = 30.0
CHOKE_MS = 10.0
QUIET = 1e-5  # a tail below this level can be dropped ...
QUIET_S = 2.1  # ... after longer than the longest echo


class SmoothEffect:
    """An effect that follows its knobs without clicks.

    A ramping knob is updated every `SLICE` samples. For a knob that would click at any step (the time of a delay), a
    second instance takes over the input with the new value while the first rings out.

    Parameters
    ----------
    effect
        The effect.
    sample_rate
        Of the stream, Hz.
    channels
        Number of channels.

    Attributes
    ----------
    lag : int
        Delay of the output after the input, in samples.
    """

    def __init__(self, effect: Effect, sample_rate: float, channels: int) -> None:
        self._knobs = {knob.name: knob for knob in effect.knobs}
        self._instance = EffectInstance(effect, sample_rate, channels)
        self._next = EffectInstance(effect, sample_rate, channels) if self._hands_over else None
        if self._next is not None:
            self._next.reset()  # the first reset touches all its memory and takes ten times as long as later ones
        self._ringing: EffectInstance | None = None
        self.lag = self._instance.lag
        self._quiet_samples = round(QUIET_S * sample_rate)
        ticks = sample_rate / SLICE / 1e3
        self._lines = {k.name: Ramp(self._scaled(k.name, k.default), round(KNOB_MS * ticks)) for k in effect.knobs}
        self._rise = Ramp(1.0, round(HANDOVER_MS * ticks) * SLICE)
        self._choke = Ramp(1.0, round(CHOKE_MS * ticks) * SLICE)
        self._wanted: dict[str, float] = {}
        self._start()
        if not effect.source:  # a plug-in starts with its own values
            self._give_all(self._instance)
            self._instance.reset()

    @property
    def stretch(self) -> int:
        """Samples that can be processed before the knobs must be updated."""
        busy = self._wanted or self._rise.moving or any(line.moving for line in self._lines.values())
        return SLICE - self._position % SLICE if busy else BLOCK

    def set(self, name: str, value: float, *, glide: bool) -> None:
        """Set a knob, with a ramp or a handover if `glide`, else at once."""
        knob, line = self._knobs[name], self._lines[name]
        value = self._scaled(name, value)
        if self._wanted.get(name, line.target) == value:
            return
        if not glide or knob.step == "set":
            line.jump(value)
            for instance in self._instances:
                instance.set(knob, self._value(name))
            if knob.step == "handover":
                self._instance.reset()
        elif knob.step == "handover":
            self._wanted[name] = value
        else:
            line.go(value)

    def process(self, audio: np.ndarray) -> np.ndarray:
        """Process the next samples, at most `stretch` [shape=(channels, n), dtype=float32]."""
        if self._position % SLICE == 0:
            self._tick()
        count = audio.shape[1]
        self._position += count
        if self._ringing is None:
            return self._instance.process(audio)
        rise = self._rise.take(count)
        made = self._instance.process(audio * rise)
        old = self._ringing.process(audio * (1 - rise)) * self._choke.take(count)
        loud = np.flatnonzero(np.abs(old).max(axis=0) > QUIET)
        if loud.size or self._rise.moving:
            self._loud = self._position - count + (int(loud[-1]) if loud.size else count)
        out: np.ndarray = made + old
        return out

    def reset(self) -> None:
        """Clear the effect and set the knobs to their targets at once."""
        for name, line in self._lines.items():
            if name in self._wanted or line.moving:
                line.jump(self._wanted.get(name, line.target))
                self._instance.set(self._knobs[name], self._value(name))
        if self._ringing is not None:
            self._release()
        self._wanted.clear()
        self._start()
        self._instance.reset()

    @property
    def _hands_over(self) -> bool:
        return any(knob.step == "handover" for knob in self._knobs.values())

    @property
    def _instances(self) -> list[EffectInstance]:
        return [instance for instance in (self._instance, self._ringing) if instance is not None]

    def _start(self) -> None:
        self._position = 0
        self._loud = 0
        self._rise.jump(1.0)
        self._choke.jump(1.0)

    def _tick(self) -> None:
        for name, line in self._lines.items():
            if line.moving:
                line.advance()
                for instance in self._instances:
                    instance.set(self._knobs[name], self._value(name))
        if self._ringing is not None and not self._rise.moving:
            quiet = self._position - self._loud > self._quiet_samples or not self._choke.now
            if quiet:
                self._release()
            elif self._wanted and self._choke.target:
                self._choke.go(0.0)
        if self._wanted and self._ringing is None:
            self._hand_over()

    def _hand_over(self) -> None:
        assert self._next is not None
        for name, value in self._wanted.items():
            self._lines[name].jump(value)
        self._wanted.clear()
        self._give_all(self._next)
        self._next.reset()
        self._ringing, self._instance, self._next = self._instance, self._next, None
        self._rise.jump(0.0)
        self._rise.go(1.0)
        self._choke.jump(1.0)
        self._loud = self._position

    def _release(self) -> None:
        self._next, self._ringing = self._ringing, None

    def _give_all(self, instance: EffectInstance) -> None:
        for name, knob in self._knobs.items():
            instance.set(knob, self._value(name))

    def _scaled(self, name: str, value: float) -> float:
        return math.log(value) if self._knobs[name].curve == "log" else value

    def _value(self, name: str) -> float:
        now, knob = self._lines[name].now, self._knobs[name]
        value = math.exp(now) if knob.curve == "log" else now
        return min(max(value, knob.minimum), knob.maximum)
