"""Look-ahead sizing: enough to hide a late wake-up or a slow decode.

A ring that holds n blocks lasts for n callbacks, so the look-ahead is a whole number of blocks.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from realtime.decks.deck_client import DeckClient
from realtime.decks.player import Player

MARGIN_MS = 3.0  # the smallest look-ahead: a wake-up may be late by this much
UNKNOWN_BLOCK = 1024  # audio frames, assumed until the device has asked for its first block
STEP_MS = 1.0  # added by an underrun, rounded up to whole blocks
MAX_MS = 250.0
LOADING_MS = 20.0  # added while a deck starts, which is more work than a small machine does unnoticed
LOADING_S = 0.5  # and for this long after it, while the old deck's process ends


class Lookahead:
    """Sets how far the decks of all players decode ahead.

    Parameters
    ----------
    stream : np.void
        The stream's entry in its segment, with the block size of the device.
    players
        By letter.
    sample_rate
        Of the stream, in Hz.
    inputs
        Channels of the live input.
    changed
        Called when a look-ahead has changed.

    Attributes
    ----------
    sample_rate : float
        Of the stream, in Hz; to be set when the device changes it.
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
        self._loading = 0  # decks that are being started
        self._extended_until = 0.0

    def set_all(self) -> None:
        """Set the look-ahead of every deck for the device's present block size."""
        self._stream["block"] = int(self._stream["largest_block"])
        self._set_playing()
        self._changed()

    def set(self, player: Player, process: DeckClient) -> None:
        """Set the look-ahead of a deck.

        It covers a late wake-up, or two decodes, or `/ahead` if that is more; underruns have added to it. With
        `/ahead/lock` it is `/ahead` exactly.
        """
        asked, locked = (int(player.values[player.table[name].index]) for name in ("/ahead", "/ahead/lock"))
        block = int(self._stream["largest_block"]) or UNKNOWN_BLOCK
        if asked and locked:
            process.state["lookahead"] = max(asked, block)
            return
        margin = max(MARGIN_MS, 2.0 * float(process.state["decode_ms"]))
        if (self._loading or self._extended_until) and not self._inputs:  # it would delay live input, which would jump
            margin += LOADING_MS
        longest = max(self._frames(MAX_MS), 2 * int(process.state["hop"]))
        blocks, extra = (math.ceil(self._frames(ms) / block) for ms in (margin, player.extra_ms))
        lookahead = max(asked, blocks * block)
        process.state["lookahead"] = max(lookahead, min(lookahead + extra * block, longest))

    def extend_after_underrun(self, player: Player, process: DeckClient) -> None:
        """Extend the look-ahead if there was an underrun; later decks at this letter begin with it."""
        underruns = int(process.state["underruns"])
        late = underruns > player.seen_underruns and process.alive  # a dead deck says nothing about the machine
        if late and not player.values[player.table["/ahead/lock"].index]:
            player.extra_ms = min(player.extra_ms + STEP_MS, MAX_MS)
            self.set(player, process)
            self._changed()
        player.seen_underruns = underruns

    def update(self) -> None:
        """Follow the device to another block size, and end the extension that `extended` began."""
        if int(self._stream["largest_block"]) not in (0, int(self._stream["block"])):
            self.set_all()
        if self._extended_until and not self._loading and time.monotonic() > self._extended_until:
            self._extended_until = 0.0
            self.set_all()

    @contextlib.contextmanager
    def extended(self) -> Iterator[None]:
        """Extend the look-ahead of playing decks while another deck starts, and `LOADING_S` longer."""
        self._count_loading(1)
        try:
            yield
        finally:
            self._count_loading(-1)

    def _count_loading(self, change: int) -> None:
        with self._lock:
            self._loading += change
            self._extended_until = time.monotonic() + LOADING_S
        self._set_playing()

    def _set_playing(self) -> None:
        for player in self._players.values():
            if player.process is not None:
                self.set(player, player.process)

    def _frames(self, milliseconds: float) -> int:
        return math.ceil(milliseconds * self.sample_rate / 1000.0)
