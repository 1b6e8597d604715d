"""The looper: gestures recorded at the latent's frame rate and repeated.

The looper records the *gesture*, the sum of all sources that the performer moves, in standard scores by importance. It
returns a *contribution* to be added to the present gesture.

Modes
-----
The loop is `stopped`, `recording` or `playing`. Its switches are read once per frame and act when they change:

==================  ================================================================================================
record on           In any mode: clears the old loop and starts recording with this frame.
record off          Closes the loop and plays it from its start, with this frame, whatever the play switch. A recording
                    of `MAX_S` closes by itself.
play on             Plays from the start, also if it plays already. No effect while recording or without a loop.
play off            Stops and returns to the start. No effect while recording.
overdub on          Adds the gesture to the loop while it plays; if on earlier, from the moment the loop plays.
clear               In any mode: stops and clears the loop. Recording restarts when record is switched on anew.
==================  ================================================================================================

If several switches change in the same frame, record acts before play, and play before overdub.

Faders and loop are not counted twice
-------------------------------------
When a recording closes, the faders are still where the gesture ended, at g1. The contribution is `loop[t] - g1`, so the
sum is the recorded gesture, and later movements are added to it.

An overdub that begins with the gesture at g0 adds `g - g0` to each frame that it passes; when it ends at g1, `g1 - g0`
is subtracted from the whole loop. The loop then repeats exactly the sum that was played, and frames that weren't passed
are unchanged. An overdub of several rounds accumulates.

Both are exact at an amount of 1, and overdubs at whole-number speeds; between whole frames the gesture is interpolated
linearly.

Recording, closing, playing and stopping cause no steps other than those of the gesture itself or of removing the
contribution; the smoothing of the latent rounds these.
"""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

MAX_S = 120.0  # length of a loop
SAME_FRAME = 1e-9  # frames; rounding error that steps of a speed may accumulate
MAX_CONTRIBUTION = 24.0  # of a frame after overdubs; a fader left off its place adds up in each round

Mode = Literal["stopped", "recording", "playing"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, eq=False)
class Overdub:
    """An overdub in progress.

    Attributes
    ----------
    before
        Position in the last frame, in frames from the start (below 0 or beyond the end if the loop has wrapped since).
    behind
        Loop frame passed last, or None. It is written when the next one is passed: until then it may still be read, and
        must not count twice.
    start : np.ndarray [shape=(latents,)]
        Gesture at the start of the overdub.
    change : np.ndarray [shape=(latents,)]
        Change of the gesture since then, in the last frame.
    waiting : np.ndarray [shape=(latents,)]
        Change to add to frame `behind`.
    """

    before: float
    behind: int | None
    start: np.ndarray
    change: np.ndarray
    waiting: np.ndarray


@dataclass(frozen=True, eq=False)
class LooperState:
    """State of a looper, without the recorded frames.

    Attributes
    ----------
    mode
        `stopped`, `recording` or `playing`.
    at
        Position in frames from the start.
    record, play
        Switches as read last.
    overdub
        The overdub in progress, or None.
    """

    mode: Mode
    at: float
    record: bool
    play: bool
    overdub: Overdub | None


class Looper:
    """Records and repeats a gesture; see the module's description.

    Parameters
    ----------
    size
        Number of latents.
    frame_rate
        Latent frames per second.
    """

    def __init__(self, size: int, frame_rate: float) -> None:
        self._size = size
        self._frames = _memory(math.ceil(MAX_S * frame_rate), size)
        self._anchor = np.zeros(size)  # gesture that the contribution is relative to
        self._length = 0
        self._mode: Mode = "stopped"
        self._at = 0.0
        self._record = self._play = False
        self._overdub: Overdub | None = None

    @property
    def mode(self) -> Mode:
        """Mode: `stopped`, `recording` or `playing`."""
        return self._mode

    @property
    def length(self) -> int:
        """Number of recorded frames."""
        return self._length

    def clear(self) -> None:
        """Clear the loop."""
        self._length = 0
        self._stop()

    def next(self, gesture: np.ndarray, *, record: bool, overdub: bool, play: bool, speed: float) -> np.ndarray:
        """Take the gesture of the next frame and return the contribution of the loop.

        Parameters
        ----------
        gesture : np.ndarray [shape=(latents,)]
            In standard scores by importance.
        record, overdub, play
            Switches.
        speed
            Loop frames per frame: 1 is as recorded, negative runs backwards, 0 holds.

        Returns
        -------
        contribution : np.ndarray [shape=(latents,)]
        """
        record_turned, play_turned = record != self._record, play != self._play
        self._record, self._play = record, play
        if record_turned and record:
            self.clear()
            self._mode = "recording"
        if self._mode == "recording":
            self._anchor[:] = gesture
            if record and self._length < len(self._frames):
                self._frames[self._length] = gesture
                self._length += 1
                return np.zeros(self._size)
            self._start()
        if play_turned and self._length:
            self._end_overdub(gesture)
            if play:
                self._start()
            else:
                self._stop()
        if self._mode != "playing":
            return np.zeros(self._size)
        if not overdub:
            self._end_overdub(gesture)
        elif self._overdub is None:
            none = np.zeros(self._size)
            self._overdub = Overdub(self._at, None, gesture.copy(), none, none)
        else:
            self._add(self._overdub, gesture)
        contribution = self.place()
        self._advance(float(speed))
        return contribution

    def place(self) -> np.ndarray:
        """Return the contribution at the current position [shape=(latents,)] without advancing."""
        if self._mode != "playing":
            return np.zeros(self._size)
        k = int(self._at)
        t = self._at - k
        here = self._frames[k]
        if t > 0:
            here = (1 - t) * here + t * self._frames[(k + 1) % self._length]
        return here - self._anchor

    def snapshot(self) -> LooperState:
        """Copy the state."""
        return LooperState(self._mode, self._at, self._record, self._play, self._overdub)

    def restore(self, state: LooperState) -> None:
        """Continue from a state, with the frames recorded now.

        A position beyond the end wraps, which ends an overdub. Without recorded frames nothing plays.
        """
        self._record, self._play = state.record, state.play
        self._stop()
        if state.mode == "recording":
            self._mode = "recording"
        elif state.mode == "playing" and self._length:
            self._mode = "playing"
            self._at = state.at % self._length
            self._overdub = state.overdub if self._at == state.at else None

    def _start(self) -> None:
        self._mode, self._at, self._overdub = "playing" if self._length else "stopped", 0.0, None

    def _stop(self) -> None:
        self._mode, self._at, self._overdub = "stopped", 0.0, None

    def _advance(self, speed: float) -> None:
        """Advance by a frame and wrap."""
        to = self._at + speed
        to = round(to) if abs(to - round(to)) < SAME_FRAME else to
        turns = math.floor(to / self._length)
        at = to - turns * self._length
        if not 0 <= at < self._length:  # rounding just before the start gives the end
            at, turns = 0.0, round(to / self._length)
        if self._overdub is not None:
            shift, behind = turns * self._length, self._overdub.behind
            behind = None if behind is None else behind - shift
            self._overdub = replace(self._overdub, before=self._at - shift, behind=behind)
        self._at = at

    def _add(self, overdub: Overdub, gesture: np.ndarray) -> None:
        """Add the gesture, interpolated linearly, to all loop frames passed since the last frame."""
        change = gesture - overdub.start
        behind, waiting = overdub.behind, overdub.waiting
        for k in _passed(overdub.before, self._at)[-self._length :]:
            if behind is not None and behind != k:
                self._write(behind, waiting)
            way = self._at - overdub.before
            t = (k - overdub.before) / way if way else 1.0
            behind, waiting = k, overdub.change + t * (change - overdub.change)
        self._overdub = Overdub(overdub.before, behind, overdub.start, change, waiting)

    def _end_overdub(self, gesture: np.ndarray) -> None:
        overdub, self._overdub = self._overdub, None
        if overdub is None:
            return
        if overdub.behind is not None:
            self._write(overdub.behind, overdub.waiting)
        self._anchor += gesture - overdub.start

    def _write(self, k: int, change: np.ndarray) -> None:
        frame = self._frames[k % self._length]
        frame += change
        np.clip(frame, self._anchor - MAX_CONTRIBUTION, self._anchor + MAX_CONTRIBUTION, out=frame)


def _passed(before: float, at: float) -> range:
    """Return the whole numbers passed, without the first position; at rest, the one at this position."""
    if at > before:
        return range(math.floor(before) + 1, math.floor(at) + 1)
    if at < before:
        return range(math.ceil(before) - 1, math.ceil(at) - 1, -1)
    return range(math.ceil(at), math.floor(at) + 1)


def _memory(frames: int, size: int) -> np.ndarray:
    """Reserve memory [shape=(frames, size)] that the system provides in small pages as it is written."""
    pages = mmap.mmap(-1, max(frames * size, 1) * np.dtype(float).itemsize)
    # NumPy requests huge pages for large arrays, and clearing one takes longer than a latent frame lasts
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        pages.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(pages, float, frames * size).reshape(frames, size)
