"""What can be asked of a session over OSC, from a real socket."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path

import pytest
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from realtime import Session
from tests import reference
from tests.realtime.test_session import eventually, quiet


class Controller:
    """A controller with a socket of its own, which answers come back to."""

    def __init__(self, session: Session) -> None:
        assert session.osc is not None
        self.to = ("127.0.0.1", session.osc.port)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)

    def send(self, address: str, *values: object) -> None:
        builder = OscMessageBuilder(address)
        for value in values:
            builder.add_arg(value)
        self.socket.sendto(builder.build().dgram, self.to)

    def ask(self, address: str, *values: object) -> OscMessage:
        self.send(address, *values)
        return OscMessage(self.socket.recv(65_536))


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    reference.tone_model(tmp_path / "tone.onnx")
    reference.level_model(tmp_path / "level.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    return tmp_path


def test_models_are_listed_and_loaded_by_name(shelf: Path) -> None:
    with quiet(shelf / "level.onnx", library=shelf, osc=("127.0.0.1", 0)) as session:
        controller = Controller(session)
        listed = controller.ask("/model/list")
        assert listed.address == "/model/list"
        assert {"tone", "level", "broken", "orchestra"} <= set(listed.params)
        controller.send("/model/load", "tone")
        eventually(lambda: session.card.name == "tone", 20)
        controller.send("/b/model/load", "level")
        eventually(lambda: session.rack.players["b"].card is not None, 20)
        controller.send("/model/load", "broken")
        eventually(lambda: any("broken cannot be played" in note for note in session.notes), 20)
        controller.send("/model/load", "../../etc/passwd")
        eventually(lambda: any("has no model '../../etc/passwd'" in note for note in session.notes), 20)
        assert session.card.name == "tone"
        controller.socket.close()


def test_what_is_read_and_subscribed_to_comes_back(shelf: Path) -> None:
    with quiet(shelf / "level.onnx", library=shelf, osc=("127.0.0.1", 0)) as session:
        controller = Controller(session)
        parts = controller.ask("/latency").params
        assert dict(zip(parts[::2], parts[1::2], strict=True)) == pytest.approx(session.latency_ms(), abs=1e-3)
        assert controller.ask("/get", "/walk/radius").params[-1] == 0
        controller.send("/subscribe", "/latent/1", 50.0)
        session.set("/latent/1", 1.25)
        eventually(lambda: b"/latent/1" in (packet := controller.socket.recv(65_536)) and b"\x3f\xa0\0\0" in packet)
        controller.send("/latent/*", 0.5)
        eventually(lambda: [session.get(f"/latent/{k}") for k in (1, 2, 3, 4)] == [0.5] * 4)
        controller.socket.close()


def test_the_stage_describes_itself_over_http(shelf: Path) -> None:
    with quiet(shelf / "level.onnx", library=shelf, osc=("127.0.0.1", 0), query_port=0) as session:
        assert session.osc is not None
        assert session.osc.query is not None
        with urllib.request.urlopen(f"http://127.0.0.1:{session.osc.query.port}/walk/radius") as answer:
            text = answer.read().decode()
        assert '"/walk/radius"' in text
        assert '"VALUE"' in text


def test_midi_learn_without_midi_says_how_to_have_it(shelf: Path) -> None:
    with quiet(shelf / "level.onnx", osc=("127.0.0.1", 0)) as session:
        controller = Controller(session)
        controller.send("/midi/learn", "/latent/1")
        eventually(lambda: any("start with --midi" in note for note in session.notes))
        controller.socket.close()
