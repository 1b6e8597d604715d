"""MIDI in a session: clock sets the tempo, program changes recall snapshots."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from realtime import Session
from realtime.midi.ports.port_client import Incoming
from tests.eventually import eventually

pytestmark = pytest.mark.plays


def incoming(*data: int, at: float) -> Incoming:
    return Incoming(port=0, data=bytes(data), at=at)


def test_clock_sets_the_tempo_and_start_restarts_synced_walks(models: dict[str, Path]) -> None:
    with Session(models["level"], device="null", midi=[]) as session:
        assert session.midi is not None
        session.set("/walk/beats", 2)
        session.set("/walk/radius", 1)
        eventually(lambda: abs(session.latents).max() > 0.05)
        now = time.time()
        ticks = [incoming(0xF8, at=now + k * 60 / 90 / 24) for k in range(97)]
        session.midi.receive(ticks)
        assert session.get("/tempo") == pytest.approx(90, abs=0.5)
        frames = int(session.deck.state["events"])
        session.midi.receive([incoming(0xFA, at=now + 3), incoming(0xF8, at=now + 3.001)])
        eventually(lambda: session.deck.state["events"] > frames)
        eventually(lambda: abs(session.latents).max() < 0.05)


def test_a_program_change_recalls_its_snapshot_and_does_nothing_without_one(models: dict[str, Path]) -> None:
    with Session(models["level"], device="null", midi=[]) as session:
        assert session.midi is not None
        session.set("/latent/2", 1.5)
        session.recall.save("bright", 7)
        session.set("/latent/2", -1)
        session.midi.receive([incoming(0xC0, 6, at=time.time())])
        assert session.get("/latent/2") == -1
        session.midi.receive([incoming(0xC3, 7, at=time.time())])
        assert session.get("/latent/2") == 1.5
