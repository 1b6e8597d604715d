"""The stage: stream, decks, latents and control surfaces. `glitch-live` is its command. Never imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime.session.session import Session
    from realtime.session.status import Status

__all__ = ["Session", "Status"]


def __getattr__(name: str) -> object:
    """Import the session only when it is asked for: the window and the deck don't need it."""
    if name in __all__:
        from realtime.session import session

        return getattr(session, name)
    raise AttributeError(f"module 'realtime' has no attribute '{name}'")
