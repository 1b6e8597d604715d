"""The session's shared memory, opened read only."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

import numpy as np

from export.errors import GlitchError
from realtime.ipc.memory_layout import LETTERS, MAX_PARAMETERS
from realtime.ipc.segments import Segment

REFRESH_S = 1.0


class ReadOnlySegment:
    """A segment of shared memory whose arrays can't be written."""

    def __init__(self, name: str) -> None:
        self._segment = Segment.attach(name)
        self.name = name
        self.arrays: dict[str, np.ndarray] = {}
        for key, array in self._segment.arrays.items():
            self.arrays[key] = array.view()
            self.arrays[key].flags.writeable = False

    def __getitem__(self, key: str) -> np.ndarray:
        return self.arrays[key]

    def read_info(self) -> dict[str, Any]:
        """Read the description of the session (stream segment only)."""
        return self._segment.read_info()

    def close(self) -> None:
        """Detach from the segment."""
        self.arrays.clear()
        self._segment.close()


class HostMemory:
    """The running session: its stream segment, its decks and its description.

    Parameters
    ----------
    name : str
        Name of the stream segment.

    Attributes
    ----------
    stream, meters, history : np.ndarray
        Described in `realtime.ipc.memory_layout`.
    info : dict
        Description of the session, read once a second.
    decks : dict of str to ReadOnlySegment
        The current decks by letter.

    Raises
    ------
    GlitchError
        There is no such session.
    """

    def __init__(self, name: str) -> None:
        self._view = ReadOnlySegment(name)
        self.stream = self._view["stream"]
        self.meters = self._view["meters"]
        self._values = self._view["values"]
        self.history = self._view["history"]
        self.info: dict[str, Any] = {}
        self.decks: dict[str, ReadOnlySegment] = {}
        self._due = 0.0
        self._seen_clock = -1
        self._seen_at = 0.0

    @property
    def values(self) -> np.ndarray:
        """Values of the parameters of the deck in focus, by index."""
        letter = self.info.get("focus")
        begin = MAX_PARAMETERS * (LETTERS.index(letter) if letter in LETTERS else 0)
        return self._values[begin : begin + MAX_PARAMETERS]

    @property
    def clock(self) -> int:
        """Samples played so far."""
        return int(self.stream["clock"][0])

    @property
    def channels(self) -> int:
        """Number of output channels."""
        return int(self.history.shape[1])

    @property
    def rate(self) -> float:
        """Sample rate in Hz."""
        rate = float(self.stream["sample_rate"][0])
        return rate if np.isfinite(rate) and 8000 <= rate <= 384_000 else 48_000.0

    @property
    def stopping(self) -> bool:
        """Whether the host is stopping."""
        return bool(self.stream["stopping"][0])

    @property
    def deck(self) -> ReadOnlySegment | None:
        """The deck in focus, or the first one."""
        return self.decks.get(self.info.get("focus", ""), next(iter(self.decks.values()), None))

    def playing(self, now: float) -> bool:
        """Whether the clock has advanced within the last second."""
        clock = self.clock
        if clock != self._seen_clock:
            self._seen_clock, self._seen_at = clock, now
        return clock > 0 and now - self._seen_at < 1.0

    def refresh(self, now: float) -> bool:
        """Read the description if a second has passed; return whether it was read."""
        if now < self._due:
            return False
        self._due = now + REFRESH_S
        with contextlib.suppress(ValueError):  # read while being written; retried next time
            info = self._view.read_info()
            self.info = info if isinstance(info, dict) else {}
        self._follow_decks()
        return True

    def _follow_decks(self) -> None:
        named = self.info.get("decks")
        named = named if isinstance(named, dict) else {}
        for letter in [letter for letter, view in self.decks.items() if named.get(letter) != view.name]:
            self.decks.pop(letter).close()
        for letter, name in named.items():
            if letter not in self.decks:
                with contextlib.suppress(GlitchError, OSError, ValueError, TypeError):  # not created yet, or gone
                    self.decks[letter] = ReadOnlySegment(name)
        self.decks = dict(sorted(self.decks.items()))

    def ended(self) -> bool:
        """Whether the host's process has ended; always False where this can't be checked safely."""
        pid = self.info.get("pid")
        if sys.platform == "win32" or not isinstance(pid, int):
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Detach from all segments."""
        for view in self.decks.values():
            view.close()
        self.decks.clear()
        del self.stream, self.meters, self._values, self.history
        self._view.close()
