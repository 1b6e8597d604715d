"""Sessions to test, and what they have played."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import numpy as np

from realtime import Session
from realtime.session.config import SessionOptions
from tests.eventually import eventually


def quiet(model: Path, **settings: Unpack[SessionOptions]) -> Session:
    """Start a session on the null device without walk and smoothing, so that only the test makes sound."""
    settings.setdefault("device", "null")
    session = Session(model, **settings).start()
    session.set("/walk/radius", 0)
    session.set("/smoothing", 0)
    return session


def wait(session: Session, seconds: float) -> None:
    """Wait until this much more has been played."""
    until = session.clock + seconds * session.sample_rate
    eventually(lambda: session.clock >= until)


def output_between(session: Session, begin: int, end: int) -> np.ndarray:
    """Give what was played between two samples of the clock, left channel [shape=(end - begin,)]."""
    return _kept(session, "history", begin, end)[:, 0]


def input_between(session: Session, begin: int, end: int) -> np.ndarray:
    """Give the live input between two samples of the clock, first channel [shape=(end - begin,)]."""
    return _kept(session, "input", begin, end)[:, 0]


def stem(session: Session, letter: str, begin: int, end: int) -> np.ndarray:
    """Give what a deck made, before the master, left channel [shape=(end - begin,)]."""
    return _kept(session, "stems", begin, end)[:, "ab".index(letter), 0]


def _kept(session: Session, name: str, begin: int, end: int) -> np.ndarray:
    kept = session.segment[name]
    return np.asarray(kept[np.arange(begin, end) % len(kept)])


def played_latents(session: Session, letter: str = "a", count: int = 4) -> list[float]:
    """Give the latents that a deck plays: not the values shown, but those decoded."""
    process = session.parts.rack.players[letter].process
    assert process is not None
    latents: list[float] = process.segment["latents"][:count].tolist()
    return latents
