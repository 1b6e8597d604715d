"""The readings of the running session, as observables that the window repaints for.

Values are rounded to what can be seen before they are compared, so views repaint no more often than necessary.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import Any

from gui.host_memory import HostMemory
from gui.viewmodels.observable import Observable
from gui.viewmodels.readings import (
    DASH,
    QUIET_DB,
    Identity,
    Latency,
    Level,
    Load,
    OscTraffic,
    Underruns,
    decibels,
    finite,
    read_identity,
    read_latency,
    read_load,
)
from realtime.params.table import table

HOLD_S, FALL_DB_S = 1.5, 20.0
CLIP_S, CLIP_DB = 3.0, -0.05


class Telemetry:
    """Levels, load, underruns, latency, OSC traffic and identity of the session, as observables.

    Parameters
    ----------
    host : HostMemory
        The session's shared memory.
    """

    def __init__(self, host: HostMemory) -> None:
        self._host = host
        self.levels: Observable[tuple[Level, ...]] = Observable(())
        self.limiting: Observable[bool] = Observable(False)
        self.load = Observable(Load())
        self.underruns = Observable(Underruns())
        self.latency = Observable(Latency())
        self.osc = Observable(OscTraffic())
        self.identity = Observable(Identity())
        self.recorded_s: Observable[int | None] = Observable(None)  # None without a recording
        self._record = table()["/record"].index
        self._record_began: int | None = None  # clock when the recording was first seen
        self._levelled = 0.0
        self._peaks = [(-math.inf, -math.inf, -math.inf)] * host.channels  # held dB, held since, clipped at
        self._limited = _RunningCount()
        self._limited_at = -math.inf
        self._counters = {key: _RunningCount() for key in ("deck", "device", "missing")}
        self._messages: deque[tuple[float, int]] = deque()

    def poll_levels(self, now: float) -> None:
        """Read the meters; called many times a second."""
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
        """Read the figures; called a few times a second, so that they stay readable."""
        stream = self._host.stream[0]
        decks = [view["deck"][0] for view in self._host.decks.values()]
        self.load.set(max((read_load(deck) for deck in decks), key=lambda x: x.percent or 0, default=Load()))
        counts = {
            "deck": sum(int(deck["underruns"]) for deck in decks),
            "device": int(stream["device_underruns"]),
            "missing": sum(int(deck["missing"]) for deck in decks),
        }
        for key, count in counts.items():
            self._counters[key].follow(count)
        self.underruns.set(Underruns(**{key: counter.count for key, counter in self._counters.items()}))
        self.osc.set(self._osc(stream, now))
        self.latency.set(read_latency(self._host.info.get("latency")))
        self.identity.set(read_identity(self._host.info, stream, self._host.playing(now)))
        self.recorded_s.set(self._recorded())

    def _recorded(self) -> int | None:
        """Return the duration of the current recording in seconds, or None."""
        if not finite(self._host.values[self._record]):
            self._record_began = None
            return None
        clock = self._host.clock
        if self._record_began is None:
            self._record_began = clock
        return max(int((clock - self._record_began) / self._host.rate), 0)

    def _osc(self, stream: Any, now: float) -> OscTraffic:
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
        return OscTraffic(address, rate, count, int(stream["osc_bad"]), int(stream["osc_unknown"]))

    def reset_underruns(self) -> None:
        """Reset the count of underruns."""
        for counter in self._counters.values():
            counter.count = 0
        self.underruns.set(Underruns())

    def reset_clips(self) -> None:
        """Reset the clip lamps and the held peaks."""
        self._peaks = [(-math.inf, -math.inf, -math.inf)] * self._host.channels
        self.levels.set(tuple(replace(level, hold=None, clipped=False) for level in self.levels.value))


class _RunningCount:
    """Sums a count that restarts from zero with its deck."""

    def __init__(self) -> None:
        self.count = 0
        self._last: int | None = None

    def follow(self, count: int) -> int:
        """Update with the current count, and return the increase."""
        last = self._last if self._last is not None else 0
        added = count - last if count >= last else max(count, 0)
        self._last = count
        self.count += added
        return added
