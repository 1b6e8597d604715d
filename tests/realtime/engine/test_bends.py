"""Bent layers on the stage: no effect and no cost at rest, effect in the next hop, and the same samples in a take."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.bending.bend import bend_file
from export.format.io import load
from realtime import Session
from realtime.engine.bends import channel_order, channel_weights
from realtime.engine.engine import Engine
from realtime.engine.state import EngineState
from realtime.ipc.memory_layout import CAPTURE, RAMP, RESTORE
from realtime.layouts.plan import COLUMNS, label_of, pages, strip
from realtime.library.library import Library
from realtime.params.table import Table, table
from realtime.session.preshow_check import measure
from tests.eventually import eventually
from tests.realtime.engine.test_engine import play, still
from tests.realtime.osc.osc_stage import message
from tests.realtime.sessions import output_between, stem, wait
from tests.realtime.takes.test_take import play as play_a_take
from tests.realtime.virtual_stage import still as still_stage
from tests.reference import layered_model

HOP, RATE = 64, 48_000


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("layered")
    plain = layered_model(folder / "plain.onnx", hop=HOP)
    bend_file(plain, folder / "bent.onnx", ["all"])
    return {"plain": plain, "bent": folder / "bent.onnx"}


def turn(engine: Engine, **knobs: float) -> None:
    """Set parameters of layers: `out_scale` is `/bend/out/scale`."""
    for knob, value in knobs.items():
        engine.apply(engine.table["/bend/" + knob.replace("_", "/")].index, value)


def settled(layered: dict[str, Path], **knobs: float) -> np.ndarray:
    """Return a hop of a model with a constant latent, after parameters were set and smoothed."""
    engine = still(Engine(layered["bent"], RATE))
    turn(engine, **knobs)
    return play(engine, 600)[0, -HOP:]


# Parameters


def test_a_layer_has_five_parameters_with_the_models_ranges(layered: dict[str, Path]) -> None:
    card = load(layered["bent"])[1]
    rows = table(card)
    knobs = ("scale", "shift", "amount", "seed", "channel")
    assert [row.address for row in rows.bends] == [f"/bend/{n}/{k}" for n in ("front", "body", "out") for k in knobs]
    control = next(c for c in card.method("decode").controls if c.name == "bend.body.shift")
    assert (rows["/bend/body/shift"].minimum, rows["/bend/body/shift"].maximum) == (control.minimum, control.maximum)
    assert rows["/bend/body/channel"].maximum == 16
    assert not any("bend" in name for name in rows.controls)
    assert all(row.text.endswith(".") for row in rows.bends)


def test_a_layout_has_a_page_of_bends(layered: dict[str, Path]) -> None:
    rows: Table = table(load(layered["bent"])[1])
    (page,) = [page for page in pages(rows) if page.title == "B bend"]
    groups = [group for line in page.lines for group in line]
    assert [group.title for group in groups] == ["front", "body", "out"]
    assert [label_of(row, "front") for row in groups[0].rows] == ["scale", "shift", "amount", "seed", "channel"]
    assert all(sum(group.columns for group in line) <= COLUMNS for line in page.lines)
    found = [row.address for p in pages(rows) for line in p.lines for group in line for row in group.rows]
    wanted = [row for row in rows.by_index if row.kind != "list"]
    assert len(found) + len(strip(rows)) == sum(2 if row.where == "deck" else 1 for row in wanted)


# At rest


def test_at_rest_a_deck_gives_the_samples_of_the_unbent_model(layered: dict[str, Path]) -> None:
    one, other = Engine(layered["bent"], 44_100, seed=4), Engine(layered["plain"], 44_100, seed=4)
    one.decoder.warm()
    np.testing.assert_array_equal(play(one, 100), play(other, 100))


def test_a_bend_that_is_reset_returns_to_rest_exactly(layered: dict[str, Path]) -> None:
    bent, plain = Engine(layered["bent"], RATE, seed=4), Engine(layered["plain"], RATE, seed=4)
    turn(bent, front_scale=-2.0, body_shift=0.5, out_scale=3.0, out_amount=0.4)
    assert np.abs(play(bent, 40) - play(plain, 40)).max() > 0.01
    turn(bent, front_scale=1.0, body_shift=0.0, out_scale=1.0)
    play(bent, 750), play(plain, 750)  # a second
    assert bent.decoder.graph.at_rest
    np.testing.assert_array_equal(play(bent, 100), play(plain, 100))


def test_choosing_channels_alone_leaves_the_model_at_rest(layered: dict[str, Path]) -> None:
    bent, plain = Engine(layered["bent"], RATE, seed=4), Engine(layered["plain"], RATE, seed=4)
    turn(bent, front_amount=0.3, body_seed=9, out_channel=5)
    np.testing.assert_array_equal(play(bent, 60), play(plain, 60))


# Bent


def test_a_bend_acts_in_the_next_hop_and_is_smoothed(layered: dict[str, Path]) -> None:
    bent, plain = still(Engine(layered["bent"], RATE)), still(Engine(layered["plain"], RATE))
    np.testing.assert_array_equal(play(bent, 10), play(plain, 10))
    turn(bent, out_scale=0.0)
    hops = play(bent, 150)[0].reshape(-1, HOP) / play(plain, 150)[0].reshape(-1, HOP)
    frames = 30.0 * RATE / HOP / 1000
    np.testing.assert_allclose(hops, np.exp(-np.arange(1, 151) / frames)[:, None] * np.ones(HOP), atol=1e-4)
    assert np.all(hops[0] < 1.0)
    np.testing.assert_allclose(play(bent, 400)[0, -HOP:], 0.0, atol=1e-9)


def test_switching_between_the_two_graphs_makes_no_step(layered: dict[str, Path]) -> None:
    bent, plain = still(Engine(layered["bent"], RATE)), still(Engine(layered["plain"], RATE))
    own = np.abs(np.diff(play(plain, 1200)[0])).max()
    parts = [play(bent, 100)]
    for value in (1.2, 1.0, 0.8, 1.0):
        turn(bent, front_scale=value, body_scale=value)
        parts.append(play(bent, 275))
    assert np.abs(np.diff(np.concatenate(parts, axis=1)[0])).max() < 1.5 * own


def test_a_bend_reaches_all_channels_one_channel_or_a_share(layered: dict[str, Path]) -> None:
    """A channel of `out` is a sample of the hop."""
    rest = settled(layered)
    np.testing.assert_allclose(settled(layered, out_scale=-1.0), -rest, atol=1e-6)
    alone = rest.copy()
    alone[4] *= 2.0
    np.testing.assert_allclose(settled(layered, out_scale=2.0, out_channel=5, out_amount=0.1), alone, atol=1e-6)
    shifted = {}
    for seed in (0, 7):
        moved = settled(layered, out_shift=0.05, out_amount=0.25, out_seed=seed) - rest
        shifted[seed] = np.flatnonzero(moved > 0.04)
        np.testing.assert_allclose(moved[shifted[seed]], 0.05, atol=1e-6)
        assert len(shifted[seed]) == 16
    assert set(shifted[0]) != set(shifted[7])


@given(channels=st.integers(1, 300), seed=st.integers(0, 2**31 - 1), a=st.floats(0, 1), b=st.floats(0, 1))
def test_a_rising_amount_reaches_one_channel_after_the_other(channels: int, seed: int, a: float, b: float) -> None:
    places = channel_order(channels, seed)
    low, high = (channel_weights(places, amount) for amount in sorted((a, b)))
    assert low.sum() == pytest.approx(min(a, b) * channels, abs=1e-6)
    assert np.all(low <= high)
    assert np.all(channel_weights(places, 1.0) == 1.0)
    assert np.all(channel_weights(places, 0.0) == 0.0)
    assert np.abs(high - low).sum() == pytest.approx(abs(a - b) * channels, abs=1e-6)


def test_bends_are_ramped_and_restored_with_the_state(layered: dict[str, Path]) -> None:
    engine = Engine(layered["bent"], RATE, seed=3)
    turn(engine, front_scale=0.0, out_amount=0.5, out_scale=-1.0)
    play(engine, 30)
    engine.apply(CAPTURE, 1)
    then = play(engine, 40)
    engine.states[2] = EngineState.from_bytes(engine.states[1].to_bytes())
    for number in (1, 2):
        engine.apply(RAMP, 20.0)
        turn(engine, front_scale=2.0)
        engine.apply(RAMP, 0.0)
        play(engine, 50)
        turn(engine, front_scale=0.0)
        engine.apply(RESTORE, number)
        again = play(engine, 40)
        np.testing.assert_array_equal(again[:, engine.hop :], then[:, engine.hop :])


def test_the_pre_show_check_measures_the_bent_model(layered: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    rested: list[bool] = []
    following = Engine.next

    def spied(engine: Engine, given: np.ndarray | None) -> np.ndarray:
        audio = following(engine, given)
        rested.append(engine.decoder.graph.at_rest)
        return audio

    monkeypatch.setattr(Engine, "next", spied)
    measure(layered["bent"], seconds=0.1)
    assert set(rested) == {False}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can read and lower a thread's priority")
def test_the_pre_show_check_returns_to_ordinary_priority(layered: dict[str, Path]) -> None:
    measure(layered["bent"], seconds=0.1)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


# On stage


def test_a_session_plays_a_bend_from_the_next_hop_on(layered: dict[str, Path]) -> None:
    """Before the master, a constant latent gives equal hops; the first that differs is the next one decoded."""
    with still_stage(layered["bent"]) as stage:
        session = stage.session
        stage.play(0.5)
        made = int(session.deck.state["frames"])
        session.set("/bend/out/scale", 0.0)
        stage.play(0.3)
        begin = int(session.deck.state["play_offset"])
        hops = stem(session, "a", begin + (made - 30) * HOP, begin + (made + 40) * HOP).reshape(-1, HOP)
        assert session.status().underruns == 0
    still_now = settled(layered)
    turned = [n for n, hop in enumerate(hops) if not np.array_equal(hop, still_now)]
    assert turned == list(range(30, 70))
    shares = np.exp(-np.arange(1, 11) * HOP / (0.030 * RATE))
    np.testing.assert_allclose(hops[30:40], shares[:, None] * still_now, atol=1e-6)


def test_a_layer_and_patterns_of_layers_are_bent_over_osc(layered: dict[str, Path]) -> None:
    with still_stage(layered["bent"], osc=("127.0.0.1", 0)) as stage:
        session = stage.session
        assert session.osc is not None

        def level() -> float:
            stage.play(0.5)
            return float(np.abs(output_between(session, stage.clock - 1000, stage.clock)).max())

        assert level() > 1e-3
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(message("/bend/*/scale", 0.0), ("127.0.0.1", session.osc.port))
            sender.sendto(message("/bend/out/scale", 0.0), ("127.0.0.1", session.osc.port))
            eventually(lambda: session.get("/a/bend/body/scale") == 0.0 == session.get("/bend/front/scale"))
            eventually(lambda: session.get("/bend/out/scale") == 0.0)
        assert level() < 1e-4
        session.set("/bend/out/scale", 1.0)
        session.set("/bend/out/shift", 1.0)
        assert level() > 1e-3


@pytest.mark.plays
def test_a_take_with_bends_is_rendered_to_the_same_samples(layered: dict[str, Path], tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    shutil.copy(layered["bent"], shelf / "bent.onnx")

    def perform(session: Session) -> None:
        session.recall.save("plain", 1)
        for k in range(6):
            session.set("/bend/front/scale", k - 2.5)
            session.set("/bend/body/seed", k)
            session.set("/bend/body/amount", k / 6)
            session.set("/bend/body/shift", 0.3)
            session.set("/bend/out/channel", 7 * k)
            session.set("/bend/out/scale", -3.0)
            wait(session, 0.05)
        session.recall.save("bent", 2)
        session.recall.recall("plain", 60.0)
        wait(session, 0.6)
        session.recall.recall("bent")
        wait(session, 0.1)

    assert Library(shelf).find("bent") == shelf / "bent.onnx"
    assert play_a_take(shelf, tmp_path, perform, "bent") == 0.0
