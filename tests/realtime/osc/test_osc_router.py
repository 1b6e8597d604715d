"""OSC to the stage and back, over UDP: addresses, patterns, commands, and feedback for controllers."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from realtime.osc import osc_feedback
from realtime.osc.codec import write_message
from realtime.osc.osc_feedback import MAX_BUNDLE, MAX_SUBSCRIPTIONS, OscFeedback
from realtime.osc.osc_router import OscRouter
from realtime.osc.udp import Counts, UdpServer
from tests.eventually import eventually
from tests.realtime.osc.osc_stage import ROWS, Controller, ValueStage, bundle, message, table


class Played:
    """A stage that is played over UDP, with meters, and a controller."""

    def __init__(self, lapse_s: float = 60.0) -> None:
        self.stage = ValueStage()
        self.readings: dict[str, list[float]] = {"/meter/peak": [0.5, 0.25], "/load": [0.1]}
        self.feedback = OscFeedback(self.stage, lambda: self.readings, lapse_s=lapse_s)
        self.commanded: list[tuple[Any, ...]] = []
        commands = {"/model/load": lambda *given: self.commanded.append(given)}
        route = OscRouter(self.stage, lambda: self.readings, self.feedback, commands).handle
        self.server = UdpServer("127.0.0.1", 0, route)
        self.server.start()
        self.feedback.start()
        self.controller = Controller(self.server.port)

    @property
    def counts(self) -> Counts:
        return self.server.counts

    def settle(self) -> None:
        """Wait until all that was sent has been received."""
        self.controller.send("/ping")
        self.controller.wait_for("/pong")

    def close(self) -> None:
        self.controller.close()
        self.server.close()
        self.feedback.close()


@pytest.fixture
def played() -> Iterator[Played]:
    made = Played()
    yield made
    made.close()


def test_a_pattern_sets_what_it_matches_in_order(played: Played) -> None:
    played.controller.send("/latent/{2,1,3}", 0.5)
    played.controller.send("//speed", 2.0)
    expected = ["/latent/1", "/latent/2", "/latent/3", "/a/walk/speed", "/b/walk/speed"]
    assert [address for address, _, _ in played.stage.wait(5)] == expected


def test_patterns_follow_a_model_that_is_loaded(played: Played) -> None:
    played.controller.send("/latent/1*", 1.0)
    played.settle()
    before = len(played.stage.received)
    played.stage.addresses = table([row for row in ROWS if row[0] != "/latent/11"])
    played.controller.send("/latent/1*", 2.0)
    played.settle()
    received = [address for address, _, _ in played.stage.received]
    assert set(received[:before]) - set(received[before:]) == {"/latent/11"}


def test_a_pattern_succeeds_if_one_match_accepts_the_value(played: Played) -> None:
    played.controller.send("/latent*", 0.5, 0.25)  # the list takes two numbers
    played.controller.send("/latent/*", 0.5, 0.25)  # none of these does
    played.settle()
    assert [address for address, _, _ in played.stage.received] == ["/latent"]
    assert played.counts.bad == 1


def test_a_pattern_without_matches_is_an_unknown_address(played: Played) -> None:
    for address in ("/nothing", "/nothing/*", "//nothing", "/gain/"):
        played.controller.send(address, 1.0)
    played.settle()
    assert played.counts.unknown == 4
    assert played.counts.bad == 0


def test_an_array_is_its_values(played: Played) -> None:
    played.controller.send("/latent", [0.5, 0.25, 1.0])
    assert played.stage.wait(1) == [("/latent", (0.5, 0.25, 1.0), 0.0)]


def test_bundles_keep_their_time_through_patterns(played: Played) -> None:
    later = time.time() + 100
    played.controller.send_bytes(bundle(later, message("/latent/[12]", 0.5), message("/gain", 1.0)))
    received = played.stage.wait(3)
    assert [address for address, _, _ in received] == ["/latent/1", "/latent/2", "/gain"]
    assert [when for _, _, when in received] == pytest.approx([later] * 3, abs=1e-3)


def test_late_messages_can_be_dropped() -> None:
    stage = ValueStage()
    server = UdpServer("127.0.0.1", 0, OscRouter(stage).handle, drop_late_s=0.05)
    server.receive(bundle(time.time() - 1, message("/gain", 1.0), bundle(time.time() + 5, message("/gain", 2.0))))
    server.receive(bundle(time.time() - 0.001, message("/gain", 3.0)))
    server.receive(bundle(0, message("/gain", 4.0)))
    server.close()
    assert [values for _, values, _ in stage.received] == [(2.0,), (3.0,), (4.0,)]
    assert server.counts.late == 1


def test_a_cached_message_head_means_the_same_as_a_parsed_one(played: Played) -> None:
    for value in (1.5, 2.5, -1.0):
        played.controller.send("/gain", value)
        played.controller.send_bytes(message("/gain", int(value), types="i"))
        played.controller.send_bytes(message("/gain", value, types="d"))
    played.settle()
    assert [values[0] for _, values, _ in played.stage.received] == [1.5, 1, 1.5, 2.5, 2, 2.5, -1.0, -1, -1.0]


def test_commands_of_the_host_are_run_with_who_asked(played: Played) -> None:
    played.controller.send("/model/load", "orchestra")
    played.settle()
    (arguments, when, peer) = played.commanded[0]
    assert (list(arguments), when) == (["orchestra"], 0.0)
    peer.send(write_message("/model/loaded", ["orchestra"]))
    assert played.controller.wait_for("/model/loaded") == ("orchestra",)


def test_a_failing_handler_is_counted_and_the_next_message_served(played: Played) -> None:
    played.stage.get = None  # type: ignore[assignment]
    played.controller.send("/get", "/gain")
    played.settle()
    assert played.counts.failed == 1


def test_ping_is_answered_with_what_it_carried(played: Played) -> None:
    played.controller.send("/ping", 3, "x", 0.5)
    assert played.controller.wait_for("/pong") == (3, "x", 0.5)


def test_values_can_be_asked_for(played: Played) -> None:
    played.controller.send("/gain", -6.0)
    played.controller.send("/ahead", 100)
    played.controller.send("/get", "/gain")
    assert played.controller.receive() == [("/gain", (-6.0,))]
    played.controller.send("/get", "/ahead*//")
    assert played.controller.receive() == [("/ahead", (100,)), ("/ahead/lock", (0,))]
    played.controller.send("/get", "/meter/peak")
    assert played.controller.receive() == [("/meter/peak", (0.5, 0.25))]
    played.controller.send("/get", "/nothing")
    played.controller.send("/get", "/panic")
    played.controller.send("/get", 1.0)
    played.settle()
    assert (played.counts.unknown, played.counts.bad) == (2, 1)


def test_answers_go_to_another_port_of_the_same_host_where_one_is_named(played: Played) -> None:
    other = Controller(played.server.port)
    played.controller.send("/get", "/gain", other.port)
    assert other.receive() == [("/gain", (0.0,))]
    played.controller.send("/get", "/gain", 0)
    played.controller.send("/get", "/gain", 70_000.0)
    played.controller.send("/get", "/gain", math.nan)
    played.settle()
    assert played.counts.bad == 3
    other.close()


def test_a_subscriber_gets_all_values_first_and_then_changes(played: Played) -> None:
    played.controller.send("/subscribe", "/a", 50)
    assert played.controller.wait_for("/subscribed") == ("/a", 50.0, 60.0)
    assert played.controller.receive() == [("/a/walk/speed", (0.25,)), ("/a/walk/radius", (0.25,))]
    played.controller.send("/a/walk/speed", 3.0)
    played.controller.send("/b/walk/speed", 3.0)
    assert played.controller.receive() == [("/a/walk/speed", (3.0,))]
    assert played.controller.hears_nothing(0.2)


def test_simultaneous_changes_come_in_one_bundle_at_the_requested_rate(played: Played) -> None:
    played.controller.send("/subscribe", "/latent/*", 5)
    played.controller.wait_for("/subscribed")
    assert len(played.controller.receive()) == 12
    began = time.monotonic()
    for k in range(200):
        played.controller.send("/latent/1", k / 100)
        played.controller.send("/latent/2", k / 200)
    packets = 0
    last: dict[str, object] = {}
    while last != {"/latent/1": pytest.approx(1.99), "/latent/2": pytest.approx(0.995)}:
        last |= {address: arguments[0] for address, arguments in played.controller.receive()}
        packets += 1
    assert packets <= 2 + 5 * (time.monotonic() - began)


def test_meters_and_load_come_with_the_rest(played: Played) -> None:
    played.controller.send("/subscribe", "/meter", 100)
    played.controller.wait_for("/subscribed")
    assert played.controller.receive() == [("/meter/peak", (0.5, 0.25))]
    played.readings = {"/meter/peak": [1.0, -math.inf], "/load": [0.2]}
    assert played.controller.receive() == [("/meter/peak", (1.0, -math.inf))]
    assert played.feedback.watch.error is None


def test_a_subscription_without_arguments_covers_everything_with_ints_for_switches(played: Played) -> None:
    played.controller.send("/subscribe")
    values: dict[str, tuple[object, ...]] = {}
    while "/load" not in values:
        values |= dict(played.controller.receive())
    assert values["/subscribed"] == ("/", 20.0, 60.0)
    assert values["/mute"] == (0,)
    assert type(values["/ahead"][0]) is int
    assert "/panic" not in values
    assert "/latent" not in values


def test_feedback_of_a_large_stage_comes_in_bundles_of_one_ethernet_frame(played: Played) -> None:
    played.stage.addresses = table([(f"/a/latent/{k}", "float", -6.0, 6.0, 0.0, "") for k in range(300)])
    played.stage.values = dict.fromkeys(played.stage.addresses, 0.0)
    played.controller.send("/subscribe", "/a")
    played.controller.wait_for("/subscribed")
    count = 0
    while count < 300:
        packet = played.controller.socket.recv(65_536)
        assert len(packet) <= MAX_BUNDLE
        count += packet.count(b"/a/latent/")


def test_a_subscription_can_be_ended(played: Played) -> None:
    other = Controller(played.server.port)
    for arguments in (("/gain", 50), ("/load", 50), ("/gain", 50, other.port)):
        played.controller.send("/subscribe", *arguments)
    assert other.wait_for("/gain") == (0.0,)
    played.controller.wait_for("/load")
    played.controller.send("/unsubscribe", "/gain")
    played.settle()
    assert sorted(each.selection for each in played.feedback.subscriptions) == ["/gain", "/load"]
    played.controller.send("/unsubscribe")
    played.settle()
    played.controller.send("/gain", 1.0)
    assert other.wait_for("/gain", until=lambda value: value == 1.0)
    assert played.controller.hears_nothing(0.1)
    played.controller.send("/unsubscribe", other.port)
    played.settle()
    assert played.feedback.subscriptions == []
    other.close()


def test_a_subscription_lapses_unless_it_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(lapse_s=60.0)
    passed = 0.0
    monkeypatch.setattr(osc_feedback, "time", SimpleNamespace(monotonic=lambda: passed + time.monotonic()))
    played.controller.send("/subscribe", "/gain", 50)
    for k in range(1, 9):  # nearly seven minutes
        played.controller.wait_for("/subscribed")
        passed += 50.0
        played.controller.send("/subscribe", "/gain", 50)
        played.controller.send("/gain", float(k))
    assert played.controller.wait_for("/gain", until=lambda value: value == 8.0)
    assert len(played.feedback.subscriptions) == 1
    passed += 61.0
    eventually(lambda: played.feedback.subscriptions == [])
    played.close()


def test_subscriptions_are_bounded_and_hostile_ones_refused(played: Played) -> None:
    for k in range(MAX_SUBSCRIPTIONS + 5):
        played.controller.send("/subscribe", f"/latent/{k}", 1)
    for wrong in (["nothing"], ["/[a"], ["/" + "*" * 300], ["/gain", math.nan], ["/gain", 10, 99_999]):
        played.controller.send("/subscribe", *wrong)
    played.settle()
    assert len(played.feedback.subscriptions) == MAX_SUBSCRIPTIONS
    assert played.counts.bad == 10
    assert played.counts.failed == 0


def test_feedback_to_a_missing_controller_does_not_affect_others(played: Played) -> None:
    gone = Controller(played.server.port)
    gone.send("/subscribe", "/", 100)
    gone.close()
    played.controller.send("/subscribe", "/gain", 100)
    played.controller.wait_for("/gain")
    played.controller.send("/gain", 5.0)
    assert played.controller.wait_for("/gain") == (5.0,)


def test_an_unknown_address_in_a_request_is_named(played: Played) -> None:
    played.controller.send("/get", "/b/latent/1/nowhere")
    played.settle()
    assert played.counts.last_unknown == "/b/latent/1/nowhere"
