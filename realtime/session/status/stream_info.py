"""Names and numbers of a session in shared memory, for the window and others that attach."""

from __future__ import annotations

import os
from collections.abc import Mapping

from realtime.audio.device_client import DeviceClient
from realtime.decks.player import Player
from realtime.ipc.segments import Segment
from realtime.session.controls.parameters import Parameters
from realtime.session.stage_clock import StageClock
from realtime.session.status.status import StatusReader


class StreamInfo:
    """Describes a session in its stream segment.

    Parameters
    ----------
    osc
        Host and port of OSC, if there is any.
    """

    def __init__(
        self,
        segment: Segment,
        players: Mapping[str, Player],
        parameters: Parameters,
        output: DeviceClient,
        clock: StageClock,
        status: StatusReader,
        *,
        osc: tuple[str, int] | None,
    ) -> None:
        self._segment, self._players, self._parameters = segment, players, parameters
        self._output, self._clock, self._status, self._osc = output, clock, status, osc

    def write(self) -> None:
        """Write the current description."""
        parts, player = self._status.latency_ms(), self._parameters.player
        self._segment.write_info(
            {
                "pid": os.getpid(),
                "model": str(player.model),
                "model_name": player.card.name if player.card else "",
                "device": str(self._output.device),
                "osc": list(self._osc) if self._osc else None,
                "focus": self._parameters.focus,
                "decks": {k: p.process.segment.name for k, p in self._players.items() if p.process is not None},
                "latency": {"parts": list(parts.items()), "total_ms": sum(parts.values())},
                "sample_rate": self._clock.sample_rate,
                "block": int(self._segment["stream"][0]["block"]),
            }
        )
