from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt6.QtWidgets import QApplication

from gui.host_memory import HostMemory
from gui.viewmodels.parameter_model import SETTLE_S, ParameterModel, fraction_of, value_at, value_text
from gui.viewmodels.readings import DASH, Latency, Load, read_latency
from gui.viewmodels.telemetry import CLIP_S, HOLD_S, Telemetry
from realtime.ipc.memory_layout import DECK
from realtime.params import table as params
from realtime.params.table import Parameter
from tests.gui.fake_host import FakeHost, tone

Watch = Callable[[], Telemetry]

LATENT = Parameter("/latent/1", "float", -6, 6, 0, "", "linear", 30, "deck", "A latent.")
SPEED = Parameter("/speed", "float", 0.01, 100, 1, "Hz", "log", 0, "deck", "A speed.")
COUNT = Parameter("/count", "int", 0, 10, 2, "", "linear", 0, "deck", "A count.")


class Wire:
    """Stores the messages instead of sending them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, tuple[float, ...]]] = []

    def send(self, address: str, *values: float) -> None:
        self.sent.append((address, values))


def parameter(row: Parameter = LATENT) -> tuple[ParameterModel, Wire, list[int]]:
    wire, changes = Wire(), []
    model = ParameterModel(row, wire)  # type: ignore[arg-type]
    model.changed.connect(lambda: changes.append(1))
    return model, wire, changes


@given(st.sampled_from([LATENT, SPEED]), st.floats(0, 1))
def test_position_and_value_are_inverse(row: Parameter, fraction: float) -> None:
    assert fraction_of(row, value_at(row, fraction)) == pytest.approx(fraction, abs=1e-9)


@given(st.sampled_from([LATENT, SPEED, COUNT]), st.floats(allow_nan=False))
def test_a_fader_stays_in_its_range(row: Parameter, value: float) -> None:
    assert 0 <= fraction_of(row, value) <= 1


def test_a_change_is_sent_once() -> None:
    model, wire, changes = parameter()
    model.steer(1.5, 0.0)
    model.steer(1.5, 0.1)
    assert wire.sent == [("/latent/1", (1.5,))]
    assert len(changes) == 1
    model.steer(99, 0.2)
    assert model.value == 6


def test_a_change_by_another_controller_is_followed() -> None:
    model, wire, changes = parameter()
    model.follow(2.0, None, 0.0)
    model.follow(2.0, None, 0.1)
    assert model.value == 2.0
    assert len(changes) == 1
    assert not wire.sent, "following is no steering"


def test_a_held_fader_ignores_other_controllers() -> None:
    model, _, _ = parameter()
    model.hold()
    model.steer(1.0, 0.0)
    model.follow(-3.0, None, 10.0)
    assert model.value == 1.0
    model.release(10.0)
    model.follow(-3.0, None, 10.0 + 2 * SETTLE_S)
    assert model.value == -3.0


def test_a_value_on_its_way_to_the_host_does_not_flicker_back() -> None:
    model, _, _ = parameter()
    model.steer(1.0, 0.0)
    model.follow(0.0, None, 0.01)
    assert model.value == 1.0
    model.follow(float(np.float32(1.0)), None, 0.02)
    model.follow(0.5, None, 0.03)
    assert model.value == 0.5, "once the host had it, others may change it at once"


def test_a_lost_message_is_not_shown_as_applied() -> None:
    model, _, _ = parameter()
    model.steer(1.0, 0.0)
    model.follow(0.0, None, SETTLE_S + 0.01)
    assert model.value == 0.0


def test_whole_numbers_step_by_one() -> None:
    model, _, _ = parameter(COUNT)
    model.step(0.1, 0.0)
    assert model.value == 3
    model.step(-1.0, 0.0)
    assert model.value == 2


@pytest.mark.parametrize(
    ("row", "value", "text"),
    [
        (LATENT, 0.5, "+0.50"),
        (LATENT, -0.5, "−0.50"),
        (LATENT, 0.0, "0.00"),
        (COUNT, 3.0, "3"),
        (params.table()["/gain"], -80.0, "−∞"),
        (params.table()["/gain"], -3.0, "−3.0"),
        (params.table()["/smoothing"], 30.0, "30"),
    ],
)
def test_values_are_formatted_short(row: Parameter, value: float, text: str) -> None:
    assert value_text(row, value) == text


@pytest.fixture
def watch(application: QApplication, fake_host: FakeHost) -> Iterator[Watch]:
    """Return a function that creates the telemetry of the stand-in."""
    hosts: list[HostMemory] = []

    def begin() -> Telemetry:
        hosts.append(HostMemory(fake_host.name))
        hosts[-1].refresh(0.0)
        return Telemetry(hosts[-1])

    yield begin
    for host in hosts:
        host.close()


def test_levels_hold_their_peak_and_then_fall(fake_host: FakeHost, watch: Watch) -> None:
    telemetry, meters = watch(), fake_host.segment["meters"]
    meters["peak"], meters["power"] = 0.5, 0.125
    telemetry.poll_levels(0.0)
    meters["peak"], meters["power"] = 0.05, 0.00125
    telemetry.poll_levels(HOLD_S - 0.1)
    level = telemetry.levels.value[0]
    assert (level.peak, level.rms, level.hold) == (-26.0, -29.0, -6.0)
    telemetry.poll_levels(HOLD_S + 0.4)
    hold = telemetry.levels.value[0].hold
    assert hold is not None
    assert -26 < hold < -6
    for k in range(50):
        telemetry.poll_levels(HOLD_S + 1 + 0.1 * k)
    assert telemetry.levels.value[0].hold == -26.0


def test_clipping_stays_lit_for_a_while(fake_host: FakeHost, watch: Watch) -> None:
    telemetry, meters = watch(), fake_host.segment["meters"]
    meters["peak"] = 1.0
    telemetry.poll_levels(0.0)
    meters["peak"] = 0.1
    telemetry.poll_levels(CLIP_S - 0.1)
    assert telemetry.levels.value[0].clipped
    telemetry.poll_levels(CLIP_S + 0.1)
    assert not telemetry.levels.value[0].clipped


def test_the_limiter_lamp_lights(fake_host: FakeHost, watch: Watch) -> None:
    telemetry = watch()
    telemetry.poll_levels(0.0)
    assert not telemetry.limiting.value
    fake_host.stream["limited"] = 5
    telemetry.poll_levels(0.1)
    assert telemetry.limiting.value
    telemetry.poll_levels(2.0)
    assert not telemetry.limiting.value


@pytest.mark.parametrize("garbage", [math.nan, math.inf, -math.inf, -1.0])
def test_a_meter_with_nan_shows_a_dash(fake_host: FakeHost, watch: Watch, garbage: float) -> None:
    telemetry = watch()
    fake_host.segment["meters"]["peak"] = garbage
    fake_host.segment["meters"]["power"] = garbage
    telemetry.poll_levels(0.0)
    level = telemetry.levels.value[0]
    assert level.peak is None
    assert level.rms is None


@pytest.mark.parametrize(
    ("decode", "worst", "deadline", "expected"),
    [
        (1.0, 2.0, 4.0, Load(25, 50, 4.0)),
        (1.0, 2.0, 0.0, Load()),
        (1.0, 2.0, math.nan, Load()),
        (math.nan, 2.0, 4.0, Load()),
        (1.0, math.nan, 4.0, Load(25, None, 4.0)),
        (1e300, 1.0, 1e-300, Load(9999, 9999, 0.0)),
    ],
)
def test_load_is_a_share_of_the_deadline(
    fake_host: FakeHost, watch: Watch, decode: float, worst: float, deadline: float, expected: Load
) -> None:
    deck = fake_host.deck["deck"]
    deck["decode_ms"], deck["worst_ms"], deck["deadline_ms"] = decode, worst, deadline
    telemetry = watch()
    telemetry.poll_figures(0.0)
    assert telemetry.load.value == expected


def test_underruns_add_up_across_a_restart_of_the_deck(fake_host: FakeHost, watch: Watch) -> None:
    telemetry, deck = watch(), fake_host.deck["deck"]
    for count in (3, 5, 1):  # 5 in all, then a fresh deck that had one
        deck["underruns"] = count
        telemetry.poll_figures(float(count))
    fake_host.stream["device_underruns"] = 2
    telemetry.poll_figures(9.0)
    assert (telemetry.underruns.value.deck, telemetry.underruns.value.device) == (6, 2)
    telemetry.reset_underruns()
    telemetry.poll_figures(10.0)
    assert telemetry.underruns.value.total == 0
    deck["underruns"] = 2
    telemetry.poll_figures(11.0)
    assert telemetry.underruns.value.total == 1


def test_messages_are_counted_a_second(fake_host: FakeHost, watch: Watch) -> None:
    telemetry = watch()
    for k in range(21):
        fake_host.stream["osc_messages"] = 50 * k
        telemetry.poll_figures(0.25 * k)
    assert telemetry.osc.value.rate == 200
    assert telemetry.osc.value.messages == 1000


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (
            {"parts": [["deck", 5.333], ["device", 2.0]], "total_ms": 7.333},
            Latency(7.3, (("deck", 5.33), ("device", 2.0))),
        ),
        (None, Latency()),
        ([], Latency()),
        ({"parts": 3, "total_ms": "x"}, Latency()),
        ({"parts": [1, ["a"], ["b", None], ["c", 1]]}, Latency(None, (("c", 1.0),))),
    ],
)
def test_latency_ignores_invalid_parts(info: object, expected: Latency) -> None:
    assert read_latency(info) == expected


def test_an_empty_description_gives_dashes(fake_host: FakeHost, watch: Watch) -> None:
    fake_host.segment.write_info({})
    telemetry = watch()
    telemetry.poll_figures(0.0)
    assert telemetry.identity.value.model == DASH
    assert telemetry.identity.value.device == DASH
    assert telemetry.load.value == Load()


def test_every_field_of_a_deck_that_is_read_exists() -> None:
    assert {"decode_ms", "worst_ms", "deadline_ms", "underruns", "missing"} <= set(DECK.names or ())


def test_the_duration_of_a_recording_follows_the_clock(fake_host: FakeHost, watch: Watch) -> None:
    telemetry = watch()
    telemetry.poll_figures(0.0)
    assert telemetry.recorded_s.value is None
    fake_host.set("/record", 1)
    for now, seconds in ((1.0, 0), (2.0, 2), (3.0, 4)):
        telemetry.poll_figures(now)
        assert telemetry.recorded_s.value == seconds
        fake_host.play(tone(100.0, 2.0))
    fake_host.set("/record", 0)
    telemetry.poll_figures(4.0)
    assert telemetry.recorded_s.value is None
    fake_host.set("/record", 1)
    telemetry.poll_figures(5.0)
    assert telemetry.recorded_s.value == 0
