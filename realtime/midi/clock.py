"""MIDI clock to tempo and song position.

MIDI clock sends 24 ticks per quarter note (MIDI 1.0 specification, "System Real Time Messages"). The tempo is the slope
of the least-squares line through the latest ticks.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from realtime.midi.protocol.messages import Message

TICKS_PER_QUARTER = 24
TICKS_PER_SIXTEENTH = 6
WINDOW = 2 * TICKS_PER_QUARTER  # ticks that the line goes through
MIN_TICKS = TICKS_PER_QUARTER // 2  # ticks that give a first tempo, and that show a change of tempo
MIN_CHANGE = 0.06  # relative change of the latest ticks that is a new tempo and not jitter
MIN_BPM, MAX_BPM = 20.0, 400.0
RESTART_CHANGE = 0.25  # relative change of the median gap after which measuring starts again
LOST_GAP = 1.5  # ticks were lost if a gap is longer than this many median gaps
MAX_GAP_S = 2.0
MIN_REPORT = 5e-4  # smallest relative change that is reported
SILENT_S = 2.0  # seconds after which another port's clock is followed


@dataclass
class Clock:
    """Follows one MIDI clock.

    Attributes
    ----------
    bpm
        Quarter notes per minute, 20 to 400; 0 while unknown.
    running
        Whether the song is playing: from start or continue to stop.
    ticks
        Song position in ticks, 24 per quarter note.
    """

    bpm: float = 0.0
    running: bool = False
    ticks: int = 0

    def __post_init__(self) -> None:
        self._times: deque[tuple[int, float]] = deque(maxlen=WINDOW)  # number of the tick, and its time
        self._gaps: deque[float] = deque(maxlen=MIN_TICKS)
        self._reported = 0.0

    @property
    def quarters(self) -> float:
        """Song position in quarter notes."""
        return self.ticks / TICKS_PER_QUARTER

    def tick(self, at: float) -> float | None:
        """Take a tick.

        Parameters
        ----------
        at
            Its time in seconds.

        Returns
        -------
        float or None
            The tempo in quarter notes per minute, if it has changed by more than 0.05 %.
        """
        steps = 1
        if self._times:
            gap = at - self._times[-1][1]
            if 0.0 <= gap <= MAX_GAP_S:
                steps = self._ticks_in(gap)
            else:
                self._times.clear()
                self._gaps.clear()
        if self.running:
            self.ticks += steps
        number = self._times[-1][0] + steps if self._times else 0
        self._times.append((number, at))
        if len(self._times) < MIN_TICKS or number % TICKS_PER_SIXTEENTH:
            return None
        return self._estimate()

    def start(self) -> None:
        """Play from the beginning of the song."""
        self.ticks, self.running = 0, True

    def resume(self) -> None:
        """Play from the current song position (MIDI's continue)."""
        self.running = True

    def stop(self) -> None:
        """Stop at the current song position."""
        self.running = False

    def seek(self, sixteenths: int) -> None:
        """Set the song position, in sixteenth notes."""
        self.ticks = sixteenths * TICKS_PER_SIXTEENTH

    def _ticks_in(self, gap: float) -> int:
        """Return the number of ticks that a gap in seconds stands for: more than one if ticks were lost."""
        self._gaps.append(gap)
        if len(self._gaps) < MIN_TICKS:
            return 1
        median = statistics.median(self._gaps)
        if self.bpm and abs(median * TICKS_PER_QUARTER * self.bpm / 60.0 - 1) > RESTART_CHANGE:
            self._times.clear()
            self.bpm = 0.0
            return 1
        return round(gap / median) if median > 0 and gap > LOST_GAP * median else 1

    def _estimate(self) -> float | None:
        times = list(self._times)
        period, latest = _slope(times), _slope(times[-MIN_TICKS:])
        if period > 0 and abs(latest / period - 1) > MIN_CHANGE:
            self._times = deque(times[-MIN_TICKS:], WINDOW)
            period = latest
        if period <= 0:
            return None
        bpm = 60.0 / (TICKS_PER_QUARTER * period)
        if not MIN_BPM <= bpm <= MAX_BPM:
            return None
        self.bpm = bpm
        if self._reported and abs(bpm / self._reported - 1) <= MIN_REPORT:
            return None
        self._reported = bpm
        return bpm


class ClockFollower:
    """Follows the first of several clocks, until it is silent for two seconds and another one sends.

    Parameters
    ----------
    tempo
        Takes each new tempo in quarter notes per minute.
    transport
        Takes start, stop and song position: whether the song is playing, and the position in quarter notes.

    Attributes
    ----------
    clock
        The clock that is followed.
    """

    def __init__(
        self, tempo: Callable[[float], None] | None = None, transport: Callable[[bool, float], None] | None = None
    ) -> None:
        self.clock = Clock()
        self._tempo, self._transport = tempo, transport
        self._port, self._last_at = -1, 0.0

    def feed(self, message: Message, port: int, at: float) -> None:
        """Take a message without a channel.

        Parameters
        ----------
        message
            clock, start, continue, stop or songpos.
        port
            Number of the input.
        at
            Unix time in seconds.
        """
        if port != self._port:
            if at - self._last_at < SILENT_S:
                return
            self._port, self.clock = port, Clock()
        self._last_at = at
        match message.type:
            case "clock":
                bpm = self.clock.tick(at)
                if bpm is not None and self._tempo is not None:
                    self._tempo(bpm)
                return
            case "songpos":
                self.clock.seek(message.value)
            case "start":
                self.clock.start()
            case "continue":
                self.clock.resume()
            case "stop":
                self.clock.stop()
        if self._transport is not None:
            self._transport(self.clock.running, self.clock.quarters)


def _slope(points: list[tuple[int, float]]) -> float:
    """Return the slope of the least-squares line, in seconds per tick."""
    count = len(points)
    mean_x = sum(number for number, _ in points) / count
    mean_y = sum(at for _, at in points) / count
    spread = sum((number - mean_x) ** 2 for number, _ in points)
    return sum((number - mean_x) * (at - mean_y) for number, at in points) / spread if spread else 0.0
