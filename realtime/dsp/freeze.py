"""Freezing: loops the most recent input until released.

The end of the loop crossfades, at equal power, into the samples before its beginning, so it repeats without a seam. The
live input crossfades into the loop in the same way, a loop into one of another length, and a loop back into the live
input. One crossfade runs at a time; a change requested meanwhile begins after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from realtime.dsp.framer import write_circular

MIN_MS, MAX_MS = 20.0, 2000.0  # length of the loop
FADE_MS = 10.0
LIVE = 0  # the length of a source that is no loop


class Freeze:
    """Returns the live input, or a loop of it.

    Parameters
    ----------
    channels, sample_rate
        Of the input.
    """

    def __init__(self, channels: int, sample_rate: float) -> None:
        self._rate = sample_rate
        self._fade = max(round(FADE_MS * sample_rate / 1000.0), 1)
        self._shortest = max(self._samples(MIN_MS), 2 * self._fade)
        self._memory = np.zeros((channels, self._samples(MAX_MS) + self._fade), np.float32)
        self._received = 0
        self._now = np.zeros((channels, 0), np.float32)
        self._kept = np.zeros((channels, 0), np.float32)  # the frozen samples
        self._from, self._to = [LIVE, 0], [LIVE, 0]  # sources: length of the loop, and the next position in it
        self._faded = self._fade  # samples of the crossfade from one to the other that are done
        self._loops: dict[int, np.ndarray] = {}

    def push(self, audio: np.ndarray) -> None:
        """Take the live input of the next frame [shape=(channels, samples)]; call once per frame, before `next`."""
        write_circular(self._memory, self._received, audio)
        self._received += audio.shape[1]
        self._now = audio

    def next(self, frozen: bool, length_ms: float) -> np.ndarray:
        """Return this frame's input, live or looped.

        May be called again for the same frame after `restore`.

        Parameters
        ----------
        frozen
            Whether to loop.
        length_ms
            Length of the loop, 20 to 2000 ms.

        Returns
        -------
        audio : np.ndarray [shape=(channels, samples)]
        """
        if self._faded >= self._fade:
            self._choose_source(frozen, length_ms)
        audio = self._read(self._to)
        if self._faded < self._fade:
            count = audio.shape[1]
            share = 0.5 * np.pi * np.minimum((self._faded + np.arange(1, count + 1)) / self._fade, 1.0)
            audio = (self._read(self._from) * np.cos(share) + audio * np.sin(share)).astype(np.float32)
            self._faded = min(self._faded + count, self._fade)
            if self._faded == self._fade:
                self._from = [LIVE, 0]  # its loop may be gone
        return audio

    def snapshot(self) -> tuple[np.ndarray, ...]:
        """Copy the frozen samples and the positions in the loops; the live input isn't part of it."""
        return self._kept.copy(), np.array([*self._from, *self._to, self._faded], np.int64)

    def restore(self, state: Sequence[np.ndarray]) -> None:
        """Continue from a snapshot.

        Raises
        ------
        ValueError
            The snapshot is damaged or belongs to another model.
        """
        kept, places = state
        channels, longest = self._memory.shape
        if kept.ndim != 2 or len(kept) != channels or kept.shape[1] > longest or places.shape != (5,):
            raise ValueError("the frozen loop doesn't fit the model")
        lengths, at = places[[0, 2]], places[[1, 3]]
        room = np.isin(lengths, LIVE) | ((lengths >= 2) & (lengths + self._fade <= kept.shape[1]))
        if not (room.all() and (at >= 0).all() and 0 <= places[4] <= self._fade):
            raise ValueError("the frozen loop is shorter than its stated length")
        self._keep(np.array(kept, np.float32))
        self._from, self._to, self._faded = places[:2].tolist(), places[2:4].tolist(), int(places[4])

    def _choose_source(self, frozen: bool, length_ms: float) -> None:
        """Begin a crossfade if another source is wanted."""
        live = self._to[0] == LIVE
        if not frozen:
            if live:
                if self._kept.shape[1]:
                    self._keep(self._kept[:, :0])
                return
            wanted = LIVE
        else:
            if live:
                self._keep(self._last())
            wanted = min(max(self._samples(length_ms), self._shortest), self._kept.shape[1] - self._fade)
        if wanted != self._to[0]:
            self._from, self._to, self._faded = self._to, [wanted, 0], 0

    def _last(self) -> np.ndarray:
        """Return the most recent input, up to the longest loop."""
        size = self._memory.shape[1]
        count = min(max(self._received, self._shortest + self._fade), size)
        return self._memory[:, (self._received - count + np.arange(count)) % size]

    def _keep(self, kept: np.ndarray) -> None:
        self._kept = kept
        self._loops.clear()

    def _read(self, source: list[int]) -> np.ndarray:
        length, at = source
        if length == LIVE:
            return self._now
        count = self._now.shape[1]
        source[1] = (at + count) % length
        return self._loop(length)[:, (at + np.arange(count)) % length]

    def _loop(self, length: int) -> np.ndarray:
        """Return the last `length` frozen samples as a seamless loop."""
        if length not in self._loops:
            fade = min(self._fade, length // 2)
            loop, before = self._kept[:, -length:].copy(), self._kept[:, -length - fade : -length]
            share = 0.5 * np.pi * (np.arange(fade) + 0.5) / fade
            loop[:, -fade:] = loop[:, -fade:] * np.cos(share) + before * np.sin(share)
            self._loops = {k: self._loops[k] for k in (self._from[0], self._to[0]) if k in self._loops} | {length: loop}
        return self._loops[length]

    def _samples(self, ms: float) -> int:
        return round(ms * self._rate / 1000.0)
