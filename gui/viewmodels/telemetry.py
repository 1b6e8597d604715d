"""What the window shows, apart from how it is drawn: parameters and telemetry, each with a signal for its changes.

Views read these and repaint when `changed` says so, and no more often. Numbers are rounded to what can be seen before
they are compared. What is not a number becomes `None`, and is shown as a dash.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from PyQt6.QtCore import QObject, pyqtSignal

from gui.host import Host, View
from gui.remote import Remote
from realtime.params.table import Parameter, table

T = TypeVar("T")

DASH = "–"
QUIET_DB = -80.0
HOLD_S, FALL_DB_S = 1.5, 20.0
CLIP_S, CLIP_DB = 3.0, -0.05
MOST_PERCENT = 9999
SETTLE_S = 0.3  # how long our own value stands until the host must have it


class Observable(QObject, Generic[T]):
    """A value that says when it changes."""

    changed = pyqtSignal()

    def __init__(self, value: T) -> None:
        super().__init__()
        self._value = value

    @property
    def value(self) -> T:
        """What it is now."""
        return self._value

    def set(self, value: T) -> None:
        """Take a value, and tell if it is another."""
        if value != self._value:
            self._value = value
            self.changed.emit()


class ParameterModel(QObject):
    """A row of the parameter table as a fader shows it: what the player has set, and what sounds.

    Attributes
    ----------
    row : Parameter
    value : float
        What is set, in the row's unit: our own while it is held, the host's otherwise.
    played : float or None
        What sounds now, where that differs from what is set (latents), else None.
    """

    changed = pyqtSignal()

    def __init__(self, row: Parameter, remote: Remote) -> None:
        super().__init__()
        self.row = row
        self.value = row.default
        self.played: float | None = None
        self._remote = remote
        self._held = False
        self._settles = -math.inf

    @property
    def fraction(self) -> float:
        """Where `value` lies on the fader's way, 0 to 1."""
        return fraction_of(self.row, self.value)

    @property
    def text(self) -> str:
        """`value`, as short as it can be read."""
        return value_text(self.row, self.value)

    def hold(self) -> None:
        """Keep other controllers from moving the value while it is in the player's hand."""
        self._held = True

    def release(self, now: float) -> None:
        """Let other controllers move the value again."""
        self._held = False
        self._settles = now + SETTLE_S

    def steer(self, value: float, now: float) -> None:
        """Set the value, here at once and at the host over OSC."""
        value = self.row.clip(value)
        self._settles = now + SETTLE_S
        if value != self.value:
            self.value = value
            self._remote.send(self.row.address, value)
            self.changed.emit()

    def steer_fraction(self, fraction: float, now: float) -> None:
        """Set the value by its place on the fader's way."""
        self.steer(value_at(self.row, fraction), now)

    def step(self, steps: float, now: float) -> None:
        """Go up or down by hundredths of the way (whole numbers by one at least)."""
        if self.row.kind in ("int", "bool") and self.row.maximum - self.row.minimum < 100:
            self.steer(self.value + math.copysign(max(1, round(abs(steps))), steps), now)
        else:
            self.steer_fraction(self.fraction + steps / 100, now)

    def reset(self, now: float) -> None:
        """Go back to the default; say so to the host even if we are there already."""
        self._settles = now + SETTLE_S
        self.value = self.row.default
        self._remote.send(self.row.address, self.value)
        self.changed.emit()

    def follow(self, value: float | None, played: float | None, now: float) -> None:
        """Take over what the host has."""
        before = self.value, self.played
        if value is not None and not self._held:
            if math.isclose(value, self.value, rel_tol=1e-6, abs_tol=1e-6):
                self._settles = -math.inf
            elif now >= self._settles:
                self.value = value
        self.played = None if played is None else round(played, 3)
        if (self.value, self.played) != before:
            self.changed.emit()


def fraction_of(row: Parameter, value: float) -> float:
    """Place of a value on the fader's way, 0 to 1."""
    if row.maximum <= row.minimum:
        return 0.0
    value = min(max(value, row.minimum), row.maximum)
    if row.curve == "log" and row.minimum > 0:
        return math.log(value / row.minimum) / math.log(row.maximum / row.minimum)
    return (value - row.minimum) / (row.maximum - row.minimum)


def value_at(row: Parameter, fraction: float) -> float:
    """Value at a place on the fader's way; the inverse of `fraction_of`."""
    fraction = min(max(fraction, 0.0), 1.0)
    if row.curve == "log" and row.minimum > 0:
        return float(row.minimum * (row.maximum / row.minimum) ** fraction)
    return row.minimum + (row.maximum - row.minimum) * fraction


def value_text(row: Parameter, value: float) -> str:
    """Write a value with as many digits as its range makes sense of."""
    if row.unit == "dB" and value <= row.minimum and row.minimum <= QUIET_DB:
        return "−∞"
    span = row.maximum - row.minimum
    digits = 0 if row.kind in ("int", "bool") or span >= 1000 else 1 if span >= 50 else 2
    text = f"{value:.{digits}f}".replace("-", "−")
    signed = row.minimum < 0 and row.maximum > 0 and float(f"{value:.{digits}f}") > 0
    return f"+{text}" if signed else text


@dataclass(frozen=True)
class Level:
    """A channel's level in dBFS; `hold` is the highest peak of late."""

    peak: float | None = None
    rms: float | None = None
    hold: float | None = None
    clipped: bool = False


@dataclass(frozen=True)
class Load:
    """What decoding takes of the time there is, in percent, and the time there is in ms."""

    percent: int | None = None
    worst: int | None = None
    deadline_ms: float | None = None


@dataclass(frozen=True)
class Underruns:
    """How often sound was not there when it was due, since the count was last reset."""

    deck: int = 0
    device: int = 0
    missing: int = 0

    @property
    def total(self) -> int:
        """Both kinds."""
        return self.deck + self.device


@dataclass(frozen=True)
class Latency:
    """From a control to the speaker, in ms, and what it is made of."""

    total_ms: float | None = None
    parts: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Osc:
    """What comes in from controllers."""

    address: str = DASH
    rate: int | None = None
    messages: int = 0
    bad: int = 0
    unknown: int = 0


@dataclass(frozen=True)
class Identity:
    """What plays, and where."""

    model: str = DASH
    device: str = DASH
    rate: int | None = None
    block: int | None = None
    state: str = "starting"


class Telemetry:
    """What the host tells of itself, as values with signals."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.levels: Observable[tuple[Level, ...]] = Observable(())
        self.limiting: Observable[bool] = Observable(False)
        self.load = Observable(Load())
        self.underruns = Observable(Underruns())
        self.latency = Observable(Latency())
        self.osc = Observable(Osc())
        self.identity = Observable(Identity())
        self.recorded_s: Observable[int | None] = Observable(None)  # None while nothing is recorded
        self._record = table()["/record"].index
        self._record_began: int | None = None  # the clock, as far as it was seen from here
        self._levelled = 0.0
        self._peaks = [(-math.inf, -math.inf, -math.inf)] * host.channels  # held dB, held since, clipped at
        self._limited = _Counter()
        self._limited_at = -math.inf
        self._counters = {key: _Counter() for key in ("deck", "device", "missing")}
        self._messages: deque[tuple[float, int]] = deque()

    def poll_levels(self, now: float) -> None:
        """Read the meters; many times a second."""
        stream = self._host.stream[0]
        fall = FALL_DB_S * min(max(now - self._levelled, 0.0), 1.0)
        self._levelled = now
        self.levels.set(tuple(self._level(channel, fall, now) for channel in range(self._host.channels)))
        if self._limited.follow(int(stream["limited"])):
            self._limited_at = now
        self.limiting.set(now - self._limited_at < 0.6)

    def _level(self, channel: int, fall: float, now: float) -> Level:
        meter = self._host.meters[channel]
        peak, rms = decibels(float(meter["peak"])), decibels(float(meter["power"]), power=True)
        held, since, clipped_at = self._peaks[channel]
        if peak is not None and peak >= held:
            held, since = peak, now
        elif now - since > HOLD_S:
            held = max(held - fall, QUIET_DB)
        if peak is not None and peak >= CLIP_DB:
            clipped_at = now
        self._peaks[channel] = held, since, clipped_at
        hold = None if peak is None or not math.isfinite(held) else round(held, 1)
        return Level(
            None if peak is None else round(peak, 1),
            None if rms is None else round(rms, 1),
            hold,
            now - clipped_at < CLIP_S,
        )

    def poll_figures(self, now: float) -> None:
        """Read what is shown as numbers; a few times a second, or nobody could read them."""
        stream = self._host.stream[0]
        decks = [view["deck"][0] for view in self._host.decks.values()]
        self.load.set(max((load(deck) for deck in decks), key=lambda x: x.percent or 0, default=Load()))
        now_counted = {
            "deck": sum(int(deck["underruns"]) for deck in decks),
            "device": int(stream["device_underruns"]),
            "missing": sum(int(deck["missing"]) for deck in decks),
        }
        for key, count in now_counted.items():
            self._counters[key].follow(count)
        self.underruns.set(Underruns(**{key: counter.count for key, counter in self._counters.items()}))
        self.osc.set(self._osc(stream, now))
        self.latency.set(latency(self._host.info.get("latency")))
        self.identity.set(identity(self._host.info, stream, self._host.playing(now)))
        self.recorded_s.set(self._recorded())

    def _recorded(self) -> int | None:
        """Count the seconds of the recording that runs."""
        if not number(self._host.values[self._record]):
            self._record_began = None
            return None
        clock = self._host.clock
        if self._record_began is None:
            self._record_began = clock
        return max(int((clock - self._record_began) / self._host.rate), 0)

    def _osc(self, stream: Any, now: float) -> Osc:
        count = int(stream["osc_messages"])
        self._messages.append((now, count))
        while now - self._messages[0][0] > 1.0 and len(self._messages) > 2:
            self._messages.popleft()
        then, before = self._messages[0]
        rate = round((count - before) / (now - then)) if now > then else None
        target = self._host.info.get("osc")
        address = DASH
        if isinstance(target, list) and len(target) == 2:
            address = f"{target[0]}:{target[1]}"
        return Osc(address, rate, count, int(stream["osc_bad"]), int(stream["osc_unknown"]))

    def reset_underruns(self) -> None:
        """Count underruns from zero again."""
        for counter in self._counters.values():
            counter.count = 0
        self.underruns.set(Underruns())

    def reset_clips(self) -> None:
        """Put the clip lamps out and let the held peaks fall."""
        self._peaks = [(-math.inf, -math.inf, -math.inf)] * self._host.channels
        self.levels.set(tuple(replace(level, hold=None, clipped=False) for level in self.levels.value))


class _Counter:
    """Adds up a count that starts again from zero whenever its deck does."""

    def __init__(self) -> None:
        self.count = 0
        self._last: int | None = None

    def follow(self, count: int) -> int:
        """Take what the count is now, and give how many were added."""
        last = self._last if self._last is not None else 0
        added = count - last if count >= last else max(count, 0)
        self._last = count
        self.count += added
        return added


def number(value: Any) -> float | None:
    """Give a finite number, or None."""
    try:
        value = float(value)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def decibels(value: float, *, power: bool = False) -> float | None:
    """Give dBFS, -80 at the least, of a peak or a mean square."""
    if not math.isfinite(value) or value < 0:
        return None
    return max((10 if power else 20) * math.log10(max(value, 1e-12)), QUIET_DB)


def load(deck: Any) -> Load:
    """Read a deck's load."""
    deadline, decode, worst = (number(deck[key]) for key in ("deadline_ms", "decode_ms", "worst_ms"))
    if deadline is None or deadline <= 0 or decode is None:
        return Load()
    worst = None if worst is None else round(min(100 * worst / deadline, MOST_PERCENT))
    return Load(round(min(100 * decode / deadline, MOST_PERCENT)), worst, round(deadline, 2))


def latency(info: Any) -> Latency:
    """Read the latency from the session's description."""
    if not isinstance(info, dict):
        return Latency()
    total = number(info.get("total_ms"))
    listed = info.get("parts")
    pairs = [part for part in listed if isinstance(part, list) and len(part) == 2] if isinstance(listed, list) else []
    parts = [(str(name), round(max(ms, 0.0), 2)) for name, value in pairs if (ms := number(value)) is not None]
    return Latency(None if total is None else round(total, 1), tuple(parts))


def identity(info: dict[str, Any], stream: Any, playing: bool) -> Identity:
    """Read who plays from the session's description."""
    rate, block = number(info.get("sample_rate", stream["sample_rate"])), number(info.get("block", stream["block"]))
    model = info.get("model_name") or Path(str(info.get("model") or DASH)).stem
    state = "playing" if playing else "stalled" if int(stream["clock"]) > 0 else "starting"
    return Identity(
        str(model),
        str(info.get("device") or DASH),
        round(rate) if rate else None,
        round(block) if block else None,
        state,
    )


def played_latents(deck: View | None, count: int) -> list[float | None]:
    """Read the latents that a deck plays now, in the table's order."""
    if deck is None:
        return [None] * count
    return [number(value) for value in np.asarray(deck["latents"][:count])]
