"""The loop: what the performer does, recorded at the latent's frame rate and played again.

What is recorded is the *gesture*: all that the performer steers, summed, in standard scores by importance. What the
loop gives back is a *contribution*, to be added to the gesture of now.

Modes
-----
The loop is `stopped`, `recording` or `playing`. Its switches are seen once a frame, and act when they change:

==================  ================================================================================================
record goes on      In any mode: the old loop is forgotten, and recording begins with this frame.
record goes off     Closes the loop: it plays from its beginning, with this frame, wherever the switch for playing
                    stands. A recording that has become `LONGEST_S` long closes by itself.
play goes on        Plays from the beginning, also where it plays already. Nothing while recording, or without a loop.
play goes off       Stops, and goes back to the beginning. Nothing while recording.
overdub is on       Adds the gesture to the loop while it plays. It may be on before: then it begins as the loop plays.
clear               In any mode: stopped, and nothing is left. A recording begins again when record goes on anew.
==================  ================================================================================================

Where switches change in the same frame, record acts before play, and play before overdub.

Faders and loop don't add up twice
----------------------------------
When a recording closes, the faders still stand where the gesture ended, at g1. The contribution is `loop[t] - g1`, so
that both together are what was recorded, and what the performer does from then on is added to it.

An overdub that begins with the gesture at g0 adds `g - g0` to each frame that it passes; when it ends at g1, `g1 - g0`
is taken from the whole loop. So what was heard is what repeats, and frames that weren't passed sound as before. An
overdub that goes round more than once adds to what it has added before.

Both are exact where the contribution is played at an amount of 1, and an overdub where the speed is a whole number;
between whole frames it is as exact as the gesture is straight from one frame of the loop to the next.

Recording and closing, playing and stopping make no other step than the gesture itself, or taking the contribution away,
makes; these are for the latent's smoothing to round.
"""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

LONGEST_S = 120.0
SAME_PLACE = 1e-9  # frames; many steps of a speed add up to a hair more or less than a whole one
FARTHEST = 24.0  # what a frame may contribute after overdubs; a fader left off its place adds up on each way round

Mode = Literal["stopped", "recording", "playing"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, eq=False)
class Overdub:
    """An overdub in progress.

    Attributes
    ----------
    before
        Where the loop was in the last frame, in frames from the beginning (below 0 or beyond the end if it has gone
        round since).
    behind
        The frame of the loop that was passed last, or None. It waits to be written until the next is passed: until then
        it may still be read, and must not sound twice.
    start : np.ndarray [shape=(latents,)]
        The gesture as the overdub began.
    change : np.ndarray [shape=(latents,)]
        How far the gesture was from there in the last frame.
    waiting : np.ndarray [shape=(latents,)]
        What is to be added to frame `behind`.
    """

    before: float
    behind: int | None
    start: np.ndarray
    change: np.ndarray
    waiting: np.ndarray


@dataclass(frozen=True, eq=False)
class LooperState:
    """What a loop is doing, without what is recorded in it.

    Attributes
    ----------
    mode
        `stopped`, `recording` or `playing`.
    at
        Frames from the beginning.
    record, play
        The switches as they were last seen.
    overdub
        The overdub in progress, or None.
    """

    mode: Mode
    at: float
    record: bool
    play: bool
    overdub: Overdub | None


class Looper:
    """A gesture that repeats; see the module's head.

    Parameters
    ----------
    size
        Number of latents.
    frame_rate
        Latent frames a second.
    """

    def __init__(self, size: int, frame_rate: float) -> None:
        self._size = size
        self._frames = _memory(math.ceil(LONGEST_S * frame_rate), size)
        self._anchor = np.zeros(size)  # the gesture that the contribution is told from
        self._length = 0
        self._mode: Mode = "stopped"
        self._at = 0.0
        self._record = self._play = False
        self._overdub: Overdub | None = None

    @property
    def mode(self) -> Mode:
        """What it is doing."""
        return self._mode

    @property
    def length(self) -> int:
        """Frames recorded."""
        return self._length

    def clear(self) -> None:
        """Forget the loop."""
        self._length = 0
        self._stop()

    def next(self, gesture: np.ndarray, *, record: bool, overdub: bool, play: bool, speed: float) -> np.ndarray:
        """Take the gesture of the next frame and give what the loop adds to it.

        Parameters
        ----------
        gesture : np.ndarray [shape=(latents,)]
            In standard scores by importance.
        record, overdub, play
            The switches.
        speed
            Frames of the loop a frame: 1 is as recorded, below 0 backwards, 0 holds.

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
        self._go(float(speed))
        return contribution

    def place(self) -> np.ndarray:
        """Say what the loop adds where it is [shape=(latents,)], without going on."""
        if self._mode != "playing":
            return np.zeros(self._size)
        k = int(self._at)
        t = self._at - k
        here = self._frames[k]
        if t > 0:
            here = (1 - t) * here + t * self._frames[(k + 1) % self._length]
        return here - self._anchor

    def snapshot(self) -> LooperState:
        """Note what the loop is doing."""
        return LooperState(self._mode, self._at, self._record, self._play, self._overdub)

    def restore(self, state: LooperState) -> None:
        """Go on from what the loop was doing, with what is recorded in it now.

        A place beyond the end of what is recorded now is taken round, and an overdub there is over. Where nothing is
        recorded, nothing plays.
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

    def _go(self, speed: float) -> None:
        """Go on by a frame, round the loop."""
        to = self._at + speed
        to = round(to) if abs(to - round(to)) < SAME_PLACE else to
        turns = math.floor(to / self._length)
        at = to - turns * self._length
        if not 0 <= at < self._length:  # a hair before the beginning is rounded onto the end
            at, turns = 0.0, round(to / self._length)
        if self._overdub is not None:
            shift, behind = turns * self._length, self._overdub.behind
            behind = None if behind is None else behind - shift
            self._overdub = replace(self._overdub, before=self._at - shift, behind=behind)
        self._at = at

    def _add(self, overdub: Overdub, gesture: np.ndarray) -> None:
        """Add the gesture to all frames passed since the last one, along a straight line from then to now."""
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
        np.clip(frame, self._anchor - FARTHEST, self._anchor + FARTHEST, out=frame)


def _passed(before: float, at: float) -> range:
    """Give the whole numbers on the way, its beginning left out; where it stands still, the one that it stands on."""
    if at > before:
        return range(math.floor(before) + 1, math.floor(at) + 1)
    if at < before:
        return range(math.ceil(before) - 1, math.ceil(at) - 1, -1)
    return range(math.ceil(at), math.floor(at) + 1)


def _memory(frames: int, size: int) -> np.ndarray:
    """Reserve memory that the system gives by the small page, as it is written.

    NumPy asks for huge pages where an array is large, and clearing one of these takes longer than a latent frame lasts.
    """
    pages = mmap.mmap(-1, max(frames * size, 1) * np.dtype(float).itemsize)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        pages.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(pages, float, frames * size).reshape(frames, size)
