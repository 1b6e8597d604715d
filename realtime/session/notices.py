"""Notices: sentences for the player."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

MAX_NOTES = 1000


class Notices(Sequence[str]):
    """The most recent sentences for the player, oldest first. Any thread may add some.

    Attributes
    ----------
    total : int
        How many there were, of which the last `MAX_NOTES` are kept.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self.total = 0

    def notify(self, sentence: str) -> None:
        """Add a sentence."""
        self._lines.append(sentence)
        del self._lines[:-MAX_NOTES]
        self.total += 1

    def since(self, total: int) -> list[str]:
        """Return the sentences that were added after the first `total`, as far as they are kept."""
        new = self.total - total
        return self._lines[-new:] if new > 0 else []

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        return self._lines[index]

    def __repr__(self) -> str:
        return f"Notices({self._lines!r})"
