"""How far decks decode ahead of the speaker: so far that a late wake-up, or a heavy decode, isn't heard.

A ring that holds n blocks lasts until n callbacks have come, so what is decoded ahead are whole blocks.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from realtime.decks.client import DeckProcess
from realtime.decks.player import Player

MARGIN_MS = 3.0  # what is decoded ahead lasts at least so long: what a wake-up may be late
UNKNOWN_BLOCK = 1024  # taken for the block until the device has asked for one
WIDEN_MS = 1.0  # what an underrun adds, rounded up to whole blocks
WIDEST_MS = 250.0
BRACED_MS = 20.0  # decoded further ahead while a deck starts: more work than a small machine does unnoticed
BRACED_S = 0.5  # so long after it, too: the deck that went is still being cleared away


class Lookahead:
    """Tells the decks of all players how far to decode ahead.

    Parameters
    ----------
    stream : np.void
        The stream's part of its segment: what block the device asks for.
    players
        By letter.
    inputs
        Channels of the live input.
    changed
        Called when it is another.

    Attributes
    ----------
    sample_rate : float
        Of the stream.
    """

    def __init__(
        self,
        stream: np.void,
        players: Mapping[str, Player],
        sample_rate: float,
        inputs: int,
        changed: Callable[[], None],
    ) -> None:
        self.sample_rate = sample_rate
        self._stream, self._players, self._inputs, self._changed = stream, players, inputs, changed
        self._lock = threading.Lock()
        self._starts = 0  # of decks, that go on now
        self._braced_until = 0.0

    def set_all(self) -> None:
        """Let all decks decode as far ahead as things stand now."""
        self._stream["block"] = int(self._stream["largest_block"])
        self._set_those_that_play()
        self._changed()

    def set(self, player: Player, process: DeckProcess) -> None:
        """Let a deck decode ahead for a late wake-up, or for two decodes, or as far as was asked for if that is more.

        What underruns have taught comes on top. Locked, it is what was asked for and nothing else.
        """
        asked, locked = (int(player.values[player.table[name].index]) for name in ("/ahead", "/ahead/lock"))
        block = int(self._stream["largest_block"]) or UNKNOWN_BLOCK
        if asked and locked:
            process.state["lookahead"] = max(asked, block)
            return
        margin = max(MARGIN_MS, 2.0 * float(process.state["decode_ms"]))
        if (self._starts or self._braced_until) and not self._inputs:  # live input would be late by as much, and jump
            margin += BRACED_MS
        widest = max(self._frames(WIDEST_MS), 2 * int(process.state["hop"]))
        blocks, wider = (math.ceil(self._frames(ms) / block) for ms in (margin, player.widened_ms))
        ahead = max(asked, blocks * block)
        process.state["lookahead"] = max(ahead, min(ahead + wider * block, widest))

    def widen(self, player: Player, process: DeckProcess) -> None:
        """Decode further ahead after an underrun; the decks that follow on this letter begin there."""
        underruns = int(process.state["underruns"])
        late = underruns > player.seen_underruns and process.alive  # one that died tells nothing of the machine
        if late and not player.values[player.table["/ahead/lock"].index]:
            player.widened_ms = min(player.widened_ms + WIDEN_MS, WIDEST_MS)
            self.set(player, process)
            self._changed()
        player.seen_underruns = underruns

    def tend(self) -> None:
        """Follow the device where it asks for another block, and end what `braced` began."""
        if int(self._stream["largest_block"]) not in (0, int(self._stream["block"])):
            self.set_all()
        if self._braced_until and not self._starts and time.monotonic() > self._braced_until:
            self._braced_until = 0.0
            self.set_all()

    @contextlib.contextmanager
    def braced(self) -> Iterator[None]:
        """Let the decks that play decode further ahead until it is done, and a little longer."""
        self._brace(1)
        try:
            yield
        finally:
            self._brace(-1)

    def _brace(self, more: int) -> None:
        with self._lock:
            self._starts += more
            self._braced_until = time.monotonic() + BRACED_S
        self._set_those_that_play()

    def _set_those_that_play(self) -> None:
        for player in self._players.values():
            if player.process is not None:
                self.set(player, player.process)

    def _frames(self, milliseconds: float) -> int:
        return math.ceil(milliseconds * self.sample_rate / 1000.0)
