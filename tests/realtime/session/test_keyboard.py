"""A keyboard on JACK plays the bundled model: notes, velocity, glide, bend, pedal and release, in the output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from models.dsp.pitch import refine
from realtime import Session
from realtime.library.library import Library
from tests.eventually import became, eventually
from tests.jack import JackServer
from tests.realtime.midi.test_ports import Device

pytestmark = pytest.mark.plays

RATE, SEEN = 48_000, 12_000


@pytest.fixture
def jack(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with JackServer(block=256) as server:
        for key, value in server.environment.items():
            monkeypatch.setenv(key, value)
        yield


def latest_output(session: Session) -> np.ndarray:
    """The last quarter of a second of the output."""
    history, now = session.segment["history"], session.clock
    return np.array(history[np.arange(now - SEEN, now) % len(history), 0])


def level_db(session: Session) -> float:
    return float(10 * np.log10(np.mean(np.square(latest_output(session), dtype=float)) + 1e-12))


def settled_db(session: Session) -> float:
    """The level once it has stopped rising and falling."""
    levels = [level_db(session)]

    def still() -> bool:
        levels.append(level_db(session))
        return len(levels) > 10 and max(levels[-10:]) - min(levels[-10:]) < 1.0

    eventually(still)
    return levels[-1]


def sounds_at(session: Session, note: float) -> bool:
    audio = latest_output(session)
    return level_db(session) > -50 and abs(float(np.median(refine(audio, RATE, note, 256)[8:-8])) - note) < 0.1


@contextmanager
def playing(name: str) -> Iterator[tuple[Device, Session]]:
    """A bundled model that a keyboard is connected to, silent so far."""
    with Device("Keyboard") as keys, Session(Library().find(name), midi=["Keyboard"]) as session:
        eventually(lambda: bool(session.midi and session.midi.ports.inputs))
        session.set("/walk/radius", 0)
        session.set("/loudness", -90)
        eventually(lambda: level_db(session) < -80)
        yield keys, session


def test_one_voice_follows_a_keyboard(jack: None) -> None:
    with playing("orchestra") as (keys, session):
        keys.say("send 904560")
        eventually(lambda: sounds_at(session, 69))
        loud = settled_db(session)
        keys.say("send e07f7f")  # the bend wheel all the way up: two semitones
        eventually(lambda: sounds_at(session, 71))
        keys.say("send e00040")
        session.set("/pitch/smoothing", 300)
        keys.say("send 905160")  # an octave higher, slurred: a glide
        eventually(lambda: 69.5 < float(np.median(refine(latest_output(session)[-4096:], RATE, 75, 256))) < 80.5)
        eventually(lambda: sounds_at(session, 81))
        keys.say("send b0407f 805100 804500")  # the pedal holds
        assert not became(lambda: level_db(session) < -60, 0.6)
        keys.say("send b04000")
        eventually(lambda: level_db(session) < -80)
        session.set("/pitch/smoothing", 0)
        keys.say("send 904530")
        eventually(lambda: sounds_at(session, 69) and level_db(session) < loud - 6)
        keys.say("send 804500")
        eventually(lambda: level_db(session) < -80)


def test_eight_voices_play_a_chord(jack: None) -> None:
    def partials(notes: tuple[int, ...]) -> list[float]:
        spectrum = np.abs(np.fft.rfft(latest_output(session) * np.hanning(SEEN)))
        places = [round(440 * 2 ** ((note - 69) / 12) * SEEN / RATE) for note in notes]
        return [float(spectrum[at - 1 : at + 2].max()) for at in places]

    with playing("orchestra-eight") as (keys, session):
        keys.say("send 903c60 904060 904360")
        eventually(lambda: min(partials((60, 64, 67))) > 10 * partials((62,))[0] > 0)
        keys.say("send 804000")
        eventually(lambda: partials((64,))[0] < 0.1 * min(partials((60, 67))))
        keys.say("send 803c00 804300")
        eventually(lambda: level_db(session) < -80)
