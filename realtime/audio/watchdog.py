"""Watches the device: one that asks for nothing any more is waited for, by name, and opened again when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable

from realtime.audio.output import Output
from realtime.ipc.child import ChildError
from realtime.ipc.segments import Segment

GONE_S = 1.0
RETRY_S = 1.0


class DeviceWatch:
    """Looks after an output, a few dozen times a second, until it is gone and back.

    Parameters
    ----------
    say
        Takes sentences for the player.
    back
        Called when the device plays again, which may be at another rate.
    """

    def __init__(self, output: Output, segment: Segment, say: Callable[[str], None], back: Callable[[], None]) -> None:
        self._output, self._stream, self._say, self._back = output, segment["stream"][0], say, back
        self._beat = (0, 0.0)  # the callbacks counted last, and when they were
        self._retry_at = 0.0
        self._why = ""  # it cannot be opened again, as it was said last

    def look(self) -> None:
        """See whether the device asks for sound; try to open it again, now and then, where it doesn't."""
        now, callbacks = time.monotonic(), int(self._stream["callbacks"])
        if callbacks != self._beat[0]:
            self._beat = (callbacks, now)
            return
        gone = not self._output.alive or now - self._beat[1] > GONE_S
        if not gone or now < self._retry_at:
            return
        if not self._retry_at:
            self._say(f"{self._output.device} is gone; waiting for it to come back.")
            self._why = f"{self._output.device} is not there."
        try:
            self._output.reopen()
        except ChildError as error:
            if str(error) != self._why:
                self._why = str(error)
                self._say(self._why)
            self._retry_at = time.monotonic() + RETRY_S
            return
        self._beat = (-1, time.monotonic())
        self._retry_at = 0.0
        self._say(f"{self._output.device} is back.")
        self._back()
