"""Continuing with a device that was away."""

from __future__ import annotations

from collections.abc import Callable

from realtime.audio.device_client import DeviceClient
from realtime.decks.rack import Rack
from realtime.session.recordings import Recordings
from realtime.session.stage_clock import StageClock


class DeviceReturn:
    """Continues a session when its device plays again.

    Parameters
    ----------
    output
        The device.
    describe
        Called at the end, to describe the session anew.
    """

    def __init__(
        self,
        output: DeviceClient,
        clock: StageClock,
        rack: Rack,
        recordings: Recordings,
        *,
        notify: Callable[[str], None],
        describe: Callable[[], None],
    ) -> None:
        self._output, self._clock, self._rack, self._recordings = output, clock, rack, recordings
        self._notify, self._describe = notify, describe
        self._before = output.device

    def resume(self) -> None:
        """Continue; if the sample rate is a different one, end recordings and reload the decks at that rate."""
        before, device = self._before, self._output.device
        self._before = device
        if before.inputs and not device.inputs:
            self._notify(f"The input {before.input} is not there any more; start again when it is.")
        rate = device.sample_rate
        if rate != self._clock.sample_rate:
            self._notify(f"{device} plays at {rate:.0f} Hz now.")
            self._recordings.interrupt(self._output.stopped_at, f"the device came back at {rate:.0f} Hz")
            self._clock.sample_rate = rate
            self._rack.change_rate(rate)
        self._describe()
