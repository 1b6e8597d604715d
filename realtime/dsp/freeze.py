"""Freezing: what was heard last goes on being heard, round and round, until it is let go.

A frozen piece is a loop whose end goes over, at equal power, into what came before its beginning, so that it comes
round without a seam. In the same way the live sound goes over into the loop, the loop into one of another length, and
the loop into the live sound. One change goes on at a time; what is asked for meanwhile begins after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from realtime.dsp.framer import go_round

SHORTEST_MS, LONGEST_MS = 20.0, 2000.0
FADE_MS = 10.0
LIVE = 0  # the length of a source that is no loop


class Freeze:
    """Gives the live sound, or a piece of it that repeats.

    Parameters
    ----------
    channels, sample_rate
        Of the sound.
    """

    def __init__(self, channels: int, sample_rate: float) -> None:
        self._rate = sample_rate
        self._fade = max(round(FADE_MS * sample_rate / 1000.0), 1)
        self._shortest = max(self._samples(SHORTEST_MS), 2 * self._fade)
        self._memory = np.zeros((channels, self._samples(LONGEST_MS) + self._fade), np.float32)
        self._heard = 0
        self._now = np.zeros((channels, 0), np.float32)
        self._kept = np.zeros((channels, 0), np.float32)  # what is frozen
        self._from, self._to = [LIVE, 0], [LIVE, 0]  # length of a source, and the place in it that comes next
        self._faded = self._fade  # samples of the way from the one to the other
        self._loops: dict[int, np.ndarray] = {}

    def hear(self, audio: np.ndarray) -> None:
        """Take the live sound [shape=(channels, samples)] of the next frame, once."""
        go_round(self._memory, self._heard, audio)
        self._heard += audio.shape[1]
        self._now = audio

    def next(self, frozen: bool, length_ms: float) -> np.ndarray:
        """Give what is heard in this frame [shape=(channels, samples)]; may be asked again, after `restore`."""
        if self._faded >= self._fade:
            self._turn(frozen, length_ms)
        heard = self._give(self._to)
        if self._faded < self._fade:
            count = heard.shape[1]
            share = 0.5 * np.pi * np.minimum((self._faded + np.arange(1, count + 1)) / self._fade, 1.0)
            heard = (self._give(self._from) * np.cos(share) + heard * np.sin(share)).astype(np.float32)
            self._faded = min(self._faded + count, self._fade)
            if self._faded == self._fade:
                self._from = [LIVE, 0]  # it may be of what is not kept any more
        return heard

    def snapshot(self) -> tuple[np.ndarray, ...]:
        """Copy what is frozen, and where it is; the live sound is no part of it."""
        return self._kept.copy(), np.array([*self._from, *self._to, self._faded], np.int64)

    def restore(self, state: Sequence[np.ndarray]) -> None:
        """Go on from where `snapshot` was taken.

        Raises
        ------
        ValueError
            It is that of another model, or none.
        """
        kept, places = state
        channels, longest = self._memory.shape
        if kept.ndim != 2 or len(kept) != channels or kept.shape[1] > longest or places.shape != (5,):
            raise ValueError("what was frozen doesn't fit the model")
        lengths, at = places[[0, 2]], places[[1, 3]]
        room = np.isin(lengths, LIVE) | ((lengths >= 2) & (lengths + self._fade <= kept.shape[1]))
        if not (room.all() and (at >= 0).all() and 0 <= places[4] <= self._fade):
            raise ValueError("what was frozen is not as long as it says")
        self._keep(np.array(kept, np.float32))
        self._from, self._to, self._faded = places[:2].tolist(), places[2:4].tolist(), int(places[4])

    def _turn(self, frozen: bool, length_ms: float) -> None:
        """Begin to go over to what is asked for, if that is another than there is."""
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
        """Give what was heard last: as much as may be frozen, or as there was."""
        size = self._memory.shape[1]
        count = min(max(self._heard, self._shortest + self._fade), size)
        return self._memory[:, (self._heard - count + np.arange(count)) % size]

    def _keep(self, kept: np.ndarray) -> None:
        self._kept = kept
        self._loops.clear()

    def _give(self, source: list[int]) -> np.ndarray:
        length, at = source
        if length == LIVE:
            return self._now
        count = self._now.shape[1]
        source[1] = (at + count) % length
        return self._loop(length)[:, (at + np.arange(count)) % length]

    def _loop(self, length: int) -> np.ndarray:
        """Give the last so many samples that are frozen, as a loop."""
        if length not in self._loops:
            fade = min(self._fade, length // 2)
            loop, before = self._kept[:, -length:].copy(), self._kept[:, -length - fade : -length]
            share = 0.5 * np.pi * (np.arange(fade) + 0.5) / fade
            loop[:, -fade:] = loop[:, -fade:] * np.cos(share) + before * np.sin(share)
            self._loops = {k: self._loops[k] for k in (self._from[0], self._to[0]) if k in self._loops} | {length: loop}
        return self._loops[length]

    def _samples(self, ms: float) -> int:
        return round(ms * self._rate / 1000.0)
