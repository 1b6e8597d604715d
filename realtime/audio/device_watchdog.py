"""The device watchdog: notices when the device stops, waits for it by name, and reopens it."""

from __future__ import annotations

import time
from collections.abc import Callable

from realtime.audio.device_client import DeviceClient
from realtime.ipc.child_process import ChildError
from realtime.ipc.segments import Segment

GONE_S = 1.0  # without a callback for this long, the device is gone
RETRY_S = 1.0


class DeviceWatchdog:
    """Watches over the device of an output.

    Parameters
    ----------
    output
        To be reopened.
    segment
        The stream segment.
    notify
        Called with a sentence for the performer.
    returned
        Called when the device plays again, possibly at another sample rate.
    """

    def __init__(
        self, output: DeviceClient, segment: Segment, notify: Callable[[str], None], returned: Callable[[], None]
    ) -> None:
        self._output, self._stream, self._notify, self._returned = output, segment["stream"][0], notify, returned
        self._last = (0, 0.0)  # the number of callbacks, and the time at which it was last new
        self._retry_at = 0.0
        self._reason = ""  # the last reason given why the device cannot be reopened

    def check(self) -> None:
        """Check whether the device still asks for blocks, and try to reopen it every second if not.

        To be called a few dozen times a second.
        """
        now, callbacks = time.monotonic(), int(self._stream["callbacks"])
        if callbacks != self._last[0]:
            self._last = (callbacks, now)
            return
        gone = not self._output.alive or now - self._last[1] > GONE_S
        if not gone or now < self._retry_at:
            return
        if not self._retry_at:
            self._notify(f"{self._output.device} is gone; waiting for it to come back.")
            self._reason = f"{self._output.device} is not there."
        try:
            self._output.reopen()
        except ChildError as error:
            if str(error) != self._reason:
                self._reason = str(error)
                self._notify(self._reason)
            self._retry_at = time.monotonic() + RETRY_S
            return
        self._last = (-1, time.monotonic())
        self._retry_at = 0.0
        self._notify(f"{self._output.device} is back.")
        self._returned()
