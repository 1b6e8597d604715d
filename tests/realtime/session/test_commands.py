"""Commands to a session over OSC, from a real socket."""

from __future__ import annotations

import itertools
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from realtime import Session
from tests import reference
from tests.eventually import eventually
from tests.realtime.sessions import quiet

pytestmark = pytest.mark.plays


class Controller:
    """A controller with a socket of its own, which answers come back to."""

    def __init__(self, session: Session) -> None:
        assert session.osc is not None
        self.to = ("127.0.0.1", session.osc.port)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)

    def send(self, address: str, *values: Any) -> None:
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
        eventually(lambda: session.card.name == "tone")
        controller.send("/b/model/load", "level")
        eventually(lambda: session.parts.rack.players["b"].card is not None)
        controller.send("/model/load", "broken")
        eventually(lambda: any("broken cannot be played" in note for note in session.notes))
        controller.send("/model/load", "../../etc/passwd")
        eventually(lambda: any("has no model '../../etc/passwd'" in note for note in session.notes))
        assert session.card.name == "tone"
        controller.socket.close()


def test_values_that_are_read_or_subscribed_to_are_sent_back(shelf: Path) -> None:
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


def test_the_error_for_midi_learn_without_midi_names_the_remedy(shelf: Path) -> None:
    with quiet(shelf / "level.onnx", osc=("127.0.0.1", 0)) as session:
        controller = Controller(session)
        controller.send("/midi/learn", "/latent/1")
        eventually(lambda: any("start with --midi" in note for note in session.notes))
        controller.socket.close()


# Every command of the table: what it does, and what it refuses


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, Controller]]:
    folder = tmp_path_factory.mktemp("shelf")
    reference.tone_model(folder / "tone.onnx")
    model = reference.level_model(folder / "level.onnx")
    with quiet(model, library=folder, takes=folder / "takes", osc=("127.0.0.1", 0)) as session:
        controller = Controller(session)
        yield session, controller
        controller.socket.close()


def through(controller: Controller) -> None:
    """Wait until all that was sent has been acted on: what comes in over one port is taken in order."""
    controller.socket.settimeout(20)
    number = next(NUMBERS)
    while controller.ask("/ping", number).params != [number]:
        pass


NUMBERS = itertools.count()


def bad(session: Session) -> int:
    assert session.osc is not None
    return session.osc.counts.bad


def test_snapshots_are_saved_recalled_renamed_listed_and_deleted(stage: tuple[Session, Controller]) -> None:
    session, controller = stage
    before = bad(session)
    session.set("/latent/1", 2.0)
    for arguments in (["verse"], ["chorus", 5], [5], [9.0], []):
        controller.send("/snapshot/save", *arguments)
    listed = controller.ask("/snapshot/list")
    assert listed.address == "/snapshot/list"
    assert listed.params == [1, "verse", 2, "snapshot 2", 5, "chorus", 9, "snapshot 9"]
    session.set("/latent/1", 0.0)
    for arguments in (["verse"], [5], ["5"], [9.0, 0]):
        session.set("/latent/1", 0.0)
        controller.send("/snapshot/recall", *arguments)
        through(controller)
        assert session.get("/latent/1") == 2.0, arguments
    session.set("/latent/1", 0.0)
    controller.send("/snapshot/recall", "verse", 200)
    through(controller)
    assert session.recall.moving
    eventually(lambda: session.get("/latent/1") == 2.0)
    controller.send("/morph/corners", "verse", 5)
    controller.send("/snapshot/rename", "verse", "intro")
    controller.send("/snapshot/exclude", "/b//")
    controller.send("/snapshot/include", "/mute")
    controller.send("/snapshot/delete", 9)
    controller.send("/snapshot/delete", "snapshot 2")
    assert controller.ask("/snapshot/list").params == [1, "intro", 5, "chorus"]
    assert [one.name for one in session.recall.snapshots.corners] == ["intro", "chorus"]
    assert [(rule.pattern, rule.included) for rule in session.recall.snapshots.rules] == [
        ("/b//", False),
        ("/mute", True),
    ]
    controller.send("/snapshot/1", 1)
    through(controller)
    assert bad(session) == before


WRONG: list[tuple[str, list[object]]] = [
    ("/snapshot/save", ["a", "b"]),
    ("/snapshot/save", [1, 2]),
    ("/snapshot/save", [128]),
    ("/snapshot/save", [float("nan")]),
    ("/snapshot/save", [-1]),
    ("/snapshot/save", [""]),
    ("/snapshot/save", ["x" * 65]),
    ("/snapshot/save", ["new", 5, 6]),
    ("/snapshot/save", ["new", 5]),
    ("/snapshot/save", [b"blob"]),
    ("/snapshot/recall", []),
    ("/snapshot/recall", ["nowhere"]),
    ("/snapshot/recall", [77]),
    ("/snapshot/recall", ["chorus", "soon"]),
    ("/snapshot/recall", ["chorus", -1]),
    ("/snapshot/recall", ["chorus", float("nan")]),
    ("/snapshot/recall", ["chorus", 1, 2]),
    ("/snapshot/recall", [None]),
    ("/snapshot/rename", ["chorus"]),
    ("/snapshot/rename", ["chorus", 5]),
    ("/snapshot/rename", ["chorus", ""]),
    ("/snapshot/rename", ["nowhere", "else"]),
    ("/snapshot/delete", []),
    ("/snapshot/delete", ["nowhere"]),
    ("/snapshot/exclude", []),
    ("/snapshot/exclude", ["/a", "/b"]),
    ("/snapshot/exclude", ["/[a"]),
    ("/snapshot/include", [1]),
    ("/morph/corners", []),
    ("/morph/corners", ["chorus"]),
    ("/morph/corners", ["chorus", "nowhere"]),
    ("/morph/corners", ["chorus"] * 5),
    ("/record/as", []),
    ("/record/as", [1]),
    ("/record/as", ["../up"]),
    ("/model/load", []),
    ("/model/load", [1]),
    ("/a/model/load", ["nowhere"]),
    ("/b/model/load", ["a", "b"]),
    ("/fx/add", []),
    ("/fx/add", [1]),
    ("/a/fx/remove", ["first"]),
    ("/fx/remove", [float("nan")]),
    ("/fx/move", [1]),
    ("/b/fx/move", ["a", "b"]),
    ("/midi/learn", ["/latent/1"]),
    ("/midi/learn", []),
    ("/midi/unlearn", []),
    ("/midi/unlearn", ["/latent/1"]),
]


@pytest.mark.parametrize(("address", "arguments"), WRONG, ids=lambda one: str(one)[:30])
def test_invalid_messages_are_counted_and_reported_and_change_nothing(
    stage: tuple[Session, Controller], address: str, arguments: list[object]
) -> None:
    session, controller = stage
    assert session.osc is not None
    controller.send("/snapshot/save", "chorus", 5)
    through(controller)
    before, failed, kept = bad(session), session.osc.counts.failed, state_of(session)
    controller.send(address, *arguments)
    through(controller)
    counts = session.osc.counts
    assert (counts.bad, counts.failed) == (before + 1, failed)
    assert counts.last_bad.startswith(address), counts.last_bad
    assert state_of(session) == kept


def state_of(session: Session) -> object:
    snapshots = session.recall.snapshots
    values = session.segment["values"].copy().tolist()
    corners = [one.name for one in snapshots.corners]
    return values, snapshots.names(), snapshots.rules, corners, session.player.model


def test_a_pattern_means_parameters_and_no_command(stage: tuple[Session, Controller]) -> None:
    session, controller = stage
    assert session.osc is not None
    names, unknown = session.recall.snapshots.names(), session.osc.counts.unknown
    controller.send("/snapshot/{save,delete}", "chorus")
    controller.send("/snapshot/sav?", "other")
    through(controller)
    assert session.recall.snapshots.names() == names
    assert session.osc.counts.unknown == unknown + 2
    controller.send("/snapshot/tim?", 30.0)
    through(controller)
    assert session.get("/snapshot/time") == 30.0
    session.set("/snapshot/time", 0)


def test_lists_are_sent_to_the_client_that_requests_them(stage: tuple[Session, Controller]) -> None:
    _, controller = stage
    for address in ("/model/list", "/fx/list", "/fx/names", "/snapshot/list", "/latency"):
        assert controller.ask(address).address == address


def test_a_recording_gets_the_name_that_was_asked_for(stage: tuple[Session, Controller]) -> None:
    session, controller = stage
    controller.send("/record/as", "solo")
    eventually(lambda: session.get("/record") == 1)
    assert session.recorder is not None
    assert session.recorder.path.stem == "solo"
    controller.send("/record", 0)
    eventually(lambda: session.get("/record") == 0)


ARGUMENT = (
    st.integers(-(2**31), 2**31 - 1)
    | st.floats(width=32)
    | st.booleans()
    | st.none()
    | st.binary(min_size=1, max_size=8)
    | st.sampled_from(["chorus", "5", "", "//", "/a", "tone", "[", "../x"])
    | st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=70)
)
ADDRESSES = sorted({address for address, _ in WRONG} - {"/model/load", "/a/model/load", "/b/model/load"})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(address=st.sampled_from(ADDRESSES), arguments=st.lists(ARGUMENT, max_size=4))
def test_any_arguments_are_accepted_or_refused(
    stage: tuple[Session, Controller], address: str, arguments: list[object]
) -> None:
    session, controller = stage
    assert session.osc is not None
    controller.send(address, *arguments)
    through(controller)
    assert session.osc.counts.failed == 0, session.osc.counts.last_bad
    assert session.osc.counts.unknown <= 2 + 10


def test_messages_do_not_wait_until_a_save_is_on_the_disk(stage: tuple[Session, Controller]) -> None:
    """Hundreds of messages, and saves and recalls between them, are acted on while the disk takes nothing."""
    session, controller = stage
    assert session.osc is not None
    before, wrong, disk_is_free = session.osc.counts.messages, bad(session), threading.Event()
    session.parts.errands.submit(disk_is_free.wait, 60)
    try:
        for k in range(50):
            for turn in range(10):
                controller.send("/latent/2", turn / 10 + k / 50)
            controller.send("/snapshot/save", "flow", 100)
            controller.send("/latent/2", -1.0)
            controller.send("/snapshot/recall", "flow")
            through(controller)
            assert session.get("/latent/2") == pytest.approx(0.9 + k / 50)
        assert all(deck.state is None for deck in session.recall.snapshots.find("flow").decks.values())
    finally:
        disk_is_free.set()
    assert bad(session) == wrong
    assert session.osc.counts.messages - before == 50 * 14
    session.parts.states.settle()
    assert all(deck.state is not None for deck in session.recall.snapshots.find("flow").decks.values())
