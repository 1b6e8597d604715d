"""What a session tells of itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from realtime.osc.udp import Counts

if TYPE_CHECKING:
    from realtime.session.session import Session

SILENT_DB = -80.0


@dataclass(frozen=True)
class Status:
    """How the session is, now."""

    device: str
    latency_ms: dict[str, float]
    load: float  # share of the time to its deadline that a hop takes
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
        """Control to speaker, on average."""
        return sum(self.latency_ms.values())


def read(session: Session) -> Status:
    """Say how a session that plays is."""
    stream, meters = session.segment["stream"][0], session.segment["meters"]
    players = session.rack.players.values()
    power = float(meters["power"].max())
    states = [player.process.state for player in players if player.process is not None]
    deadlines = [max(float(state["deadline_ms"]), 1e-9) for state in states]
    counts = session.osc.counts if session.osc is not None else Counts()
    clock = int(stream["clock"])
    return Status(
        device=str(session.device),
        latency_ms=latency_ms(session),
        load=sum(float(s["decode_ms"]) / deadline for s, deadline in zip(states, deadlines, strict=True)),
        worst_load=max((float(s["worst_ms"]) / d for s, d in zip(states, deadlines, strict=True)), default=0.0),
        underruns=sum(player.underruns for player in players),
        device_underruns=int(stream["device_underruns"]),
        level_db=max(10 * math.log10(power) if power > 0 else -math.inf, SILENT_DB),
        osc_messages=counts.messages,
        osc_bad=counts.bad,
        osc_unknown=counts.unknown,
        nonfinite=sum(int(state["nonfinite"]) for state in states) + int(stream["nonfinite"]),
        clock=clock,
        seconds=(clock - session.began) / session.sample_rate,
        deck_alive=session.player.process is not None and session.player.process.alive,
    )


def latency_ms(session: Session) -> dict[str, float]:
    """Break down the time from a control to the speaker, for the deck in focus: its parts, in ms, on average."""
    per_ms = session.sample_rate / 1000.0
    process = session.player.process
    block = int(session.segment["stream"][0]["block"])
    hop, fill, delay = (float(process.state[k]) if process else 0.0 for k in ("hop", "fill", "delay"))
    return {
        "wait for the next frame": (0.5 * hop + block) / per_ms,  # frames are begun just after a block was taken
        "decoded ahead": fill / per_ms,
        "model": delay / per_ms,
        "device": 1000.0 * session.output.latency_s + session.output.unreported_periods * block / per_ms,
    }


def input_latency_ms(session: Session) -> float | None:
    """Give the time from live input to speaker in ms, dry or through the model; None where nothing is heard."""
    process = session.player.process
    delay = int(process.state["input_delay"]) if process is not None else 0
    if not session.device.inputs or not delay:
        return None
    return 1000.0 * (delay / session.sample_rate + session.output.input_latency_s + session.output.latency_s)
