"""Whether a session is not started, playing or closed."""

from __future__ import annotations

import threading

from export.errors import GlitchError


class SessionError(GlitchError):
    """The session isn't playing."""


class SessionPhase:
    """The state of a session.

    Attributes
    ----------
    began : int
        The sample position of the first sound; 0 before it.
    closing : threading.Event
        Set when the session is being closed.
    """

    def __init__(self) -> None:
        self.began = 0
        self.closing = threading.Event()

    @property
    def playing(self) -> bool:
        """Whether the session has started and isn't being closed."""
        return self.began > 0 and not self.closing.is_set()

    def require_playing(self) -> None:
        """Raise `SessionError` unless the session plays."""
        if not self.playing:
            state = "closed" if self.closing.is_set() else "not started"
            raise SessionError(f"This session is {state}; use it inside 'with realtime.Session(…) as session:'.")
