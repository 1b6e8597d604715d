"""The figures of a session that plays: load, latency, underruns, levels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from realtime.audio.device_client import DeviceClient
from realtime.decks.player import Player
from realtime.ipc.segments import Segment
from realtime.session.controls.parameters import Parameters
from realtime.session.session_phase import SessionPhase
from realtime.session.stage_clock import StageClock

MIN_DB = -80.0


@dataclass(frozen=True)
class Status:
    """The status of a session at one moment.

    Attributes
    ----------
    device
        The name of the output device.
    latency_ms
        The parts of the time from a control to the speaker, in ms.
    load
        The share of its deadline that a hop takes, 1 being all of it; the sum of both decks.
    worst_load
        The largest share so far.
    underruns
        Frames that weren't ready when they were due.
    device_underruns
        Underruns that the device reports.
    level_db
        The level of the loudest channel, in dB relative to full scale, from -80 on.
    osc_messages, osc_bad, osc_unknown
        OSC messages received, invalid ones, and those with unknown addresses.
    nonfinite
        Frames with NaN or infinity.
    clock
        Samples given to the device so far.
    seconds
        Time since the first sound.
    deck_alive
        Whether the deck in focus plays.
    """

    device: str
    latency_ms: dict[str, float]
    load: float
    worst_load: float
    underruns: int
    device_underruns: int
    level_db: float
    osc_messages: int
    osc_bad: int
    osc_unknown: int
    nonfinite: int
    clock: int
    seconds: float
    deck_alive: bool

    @property
    def total_ms(self) -> float:
        """Mean time from a control to the speaker, in ms."""
        return sum(self.latency_ms.values())


class StatusReader:
    """Reads the figures of a session.

    Parameters
    ----------
    segment
        The stream's shared memory.
    players
        The decks, by letter.
    parameters
        The deck in focus.
    output
        The device and its latency.
    clock, phase
        The sample rate, and when the first sound was.
    """

    def __init__(
        self,
        segment: Segment,
        players: Mapping[str, Player],
        parameters: Parameters,
        output: DeviceClient,
        clock: StageClock,
        phase: SessionPhase,
    ) -> None:
        self._segment, self._players, self._parameters = segment, players, parameters
        self._output, self._clock, self._phase = output, clock, phase

    def read(self) -> Status:
        """Return the current status."""
        stream, meters = self._segment["stream"][0], self._segment["meters"]
        players = self._players.values()
        power = float(meters["power"].max())
        states = [player.process.state for player in players if player.process is not None]
        deadlines = [max(float(state["deadline_ms"]), 1e-9) for state in states]
        clock, process = int(stream["clock"]), self._parameters.player.process
        return Status(
            device=str(self._output.device),
            latency_ms=self.latency_ms(),
            load=sum(float(s["decode_ms"]) / deadline for s, deadline in zip(states, deadlines, strict=True)),
            worst_load=max((float(s["worst_ms"]) / d for s, d in zip(states, deadlines, strict=True)), default=0.0),
            underruns=sum(player.underruns for player in players),
            device_underruns=int(stream["device_underruns"]),
            level_db=max(10 * math.log10(power) if power > 0 else -math.inf, MIN_DB),
            osc_messages=int(stream["osc_messages"]),
            osc_bad=int(stream["osc_bad"]),
            osc_unknown=int(stream["osc_unknown"]),
            nonfinite=sum(int(state["nonfinite"]) for state in states) + int(stream["nonfinite"]),
            clock=clock,
            seconds=(clock - self._phase.began) / self._clock.sample_rate,
            deck_alive=process is not None and process.alive,
        )

    def latency_ms(self) -> dict[str, float]:
        """Return the parts of the mean time from a control to the speaker, in ms, for the deck in focus."""
        per_ms = self._clock.sample_rate / 1000.0
        process = self._parameters.player.process
        block = int(self._segment["stream"][0]["block"])
        hop, fill, delay = (float(process.state[k]) if process else 0.0 for k in ("hop", "fill", "delay"))
        return {
            "wait for the next frame": (0.5 * hop + block) / per_ms,  # decoding starts just after a block was taken
            "decoded ahead": fill / per_ms,
            "model": delay / per_ms,
            "device": 1000.0 * self._output.latency_s + self._output.unreported_periods * block / per_ms,
        }

    def input_latency_ms(self) -> float | None:
        """Return the time from the live input to the speaker in ms, for both paths; None without live input."""
        process = self._parameters.player.process
        delay = int(process.state["input_delay"]) if process is not None else 0
        if not self._output.device.inputs or not delay:
            return None
        return 1000.0 * (delay / self._clock.sample_rate + self._output.input_latency_s + self._output.latency_s)

    def latents(self) -> np.ndarray:
        """Return the latent of the deck in focus [shape=(latents,)], in standard scores; empty if it plays nothing."""
        player = self._parameters.player
        if player.process is None:
            return np.zeros(0)
        return player.process.segment["latents"][: len(player.faders)].astype(float)

    def readings(self) -> dict[str, Sequence[float]]:
        """Return the values that can be read over OSC beside the parameters, by address."""
        status, input_ms, geometry = self.read(), self.input_latency_ms(), self._segment.geometry
        meters = self._segment["meters"][: geometry.channels]
        return {
            "/meter/peak": meters["peak"].tolist(),
            "/meter/rms": (meters["power"] ** 0.5).tolist(),
            "/meter/input": self._segment["input_meters"]["peak"][: geometry.inputs].tolist(),
            "/load": [status.load],
            "/underruns": [float(status.underruns)],
            "/latency": [status.total_ms],
            "/latency/input": [input_ms] if input_ms is not None else [],
            "/latents": self.latents().tolist() if status.deck_alive else [],
        }
