"""Snapshots on the stage: they are recalled on decks that play, within a hop, and never by loading a model."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime import Session
from realtime.ipc.memory_layout import CAPTURE, RESTORE
from realtime.midi.midi import Midi
from realtime.params.table import ParameterError
from realtime.session.supervision.task_thread import INTERVAL_S
from realtime.snapshots.snapshot import SnapshotError
from realtime.takes.journal import ENTRY
from tests.eventually import eventually
from tests.realtime.midi.test_mapping import play
from tests.realtime.sessions import played_latents as played
from tests.realtime.sessions import quiet, stem
from tests.realtime.virtual_stage import BLOCK, VirtualStage, still, virtual

RATE = 48_000
HOP = 128  # of the level model


@contextlib.contextmanager
def both(models: dict[str, Path], b: str = "level", **settings: Any) -> Iterator[VirtualStage]:
    """Play a session with a model on each deck, both without walk and smoothing."""
    with still(models["level"], library=models["level"].parent, **settings) as stage:
        stage.session.load(b, letter="b").result(60)
        stage.session.set("/b/walk/radius", 0)
        stage.session.set("/b/smoothing", 0)
        yield stage


def done(session: Session, letter: str, kind: int) -> int:
    """Return the sample position of a deck's last log entry of a kind; 0 if there is none."""
    process = session.parts.rack.players[letter].process
    assert process is not None
    session.parts.journal.drain()
    raw = (session.parts.journal.folder / "events.bin").read_bytes()
    entries = np.frombuffer(raw[: len(raw) // ENTRY.itemsize * ENTRY.itemsize], ENTRY)
    found = entries[(entries["source"] == process.number) & (entries["kind"] == kind)]
    return int(found["sample"][-1]) if len(found) else 0


def values(session: Session, *addresses: str) -> list[float]:
    return [session.get(address) for address in addresses]


def is_kept(session: Session, name: str) -> bool:
    return all(deck.state is not None for deck in session.recall.snapshots.find(name).decks.values())


def test_a_recall_restores_both_decks_and_the_host(models: dict[str, Path]) -> None:
    addresses = ["/gain", "/crossfade", "/tempo", "/a/latent/1", "/a/latent/2/scale", "/b/latent/1", "/b/walk/kind"]
    stood = [-6.0, 0.25, 90.0, 2.0, 0.5, -1.5, 2.0]
    with both(models) as stage:
        session = stage.session
        for address, value in zip(addresses, stood, strict=True):
            session.set(address, value)
        session.recall.save("verse")
        for address, value in zip(addresses, [0, 1, 200, -3, 1, 3, 1], strict=True):
            session.set(address, value)
        stage.until(lambda: played(session, "b")[0] == 3.0)
        session.recall.recall("verse")
        assert values(session, *addresses) == stood
        stage.until(lambda: (played(session, "a")[0], played(session, "b")[0]) == (2.0, -1.5))
        stage.until(lambda: session.segment["stream"][0]["gain"] == pytest.approx(10 ** (-6 / 20)))


def test_a_recall_leaves_excluded_parameters_alone(models: dict[str, Path]) -> None:
    with both(models) as stage:
        session = stage.session
        session.recall.save("verse")
        for pattern in ("/gain", "/latent/2", "/b//"):
            session.recall.snapshots.exclude(pattern)
        session.recall.snapshots.include("/b/latent/1")
        for address in ("/latent/1", "/latent/2", "/b/latent/1", "/b/latent/2"):
            session.set(address, 3.0)
        for address, value in (("/gain", -20), ("/mute", 1), ("/model/fade", 7), ("/focus", 1)):
            session.set(address, value)
        session.recall.recall("verse")
        stage.until(lambda: (played(session, "a")[:2], played(session, "b")[:2]) == ([0.0, 3.0], [0.0, 3.0]))
        assert values(session, "/gain", "/mute", "/model/fade", "/focus") == [-20, 1, 7, 1]


def test_after_a_recall_it_sounds_on_sample_for_sample_as_after_the_save(models: dict[str, Path]) -> None:
    with virtual(models["bundled"], seed=3) as stage:
        session = stage.session
        hop = int(session.deck.state["hop"])
        session.set("/walk/speed", 8)
        stage.play(1.0)
        session.recall.save("here")
        stage.until(lambda: is_kept(session, "here"))
        stage.play(0.6)
        for address in ("/latent/1", "/latent/3", "/walk/speed"):
            session.set(address, 2.5)
        stage.play(0.6)
        session.recall.recall("here")
        stage.play(0.6)
        assert session.status().underruns == 0
        saved, recalled = done(session, "a", CAPTURE), done(session, "a", RESTORE)
        before, after = (stem(session, "a", begin + hop, begin + 24_000) for begin in (saved, recalled))
    assert np.abs(before).max() > 0.01
    np.testing.assert_array_equal(before, after)


def test_caches_come_back_even_before_they_are_on_the_disk(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        session = stage.session
        session.recall.save("here")
        session.recall.recall("here")
        stage.until(lambda: done(session, "a", RESTORE) > 0)
        assert done(session, "a", CAPTURE) > 0


def test_decks_that_remember_the_same_both_get_it_back(models: dict[str, Path]) -> None:
    with both(models) as stage:
        session = stage.session
        for letter in "ab":
            session.set(f"/{letter}/reset")
        session.recall.save("here")
        stage.until(lambda: is_kept(session, "here"))
        session.recall.recall("here")
        stage.until(lambda: done(session, "a", RESTORE) and done(session, "b", RESTORE))


def test_without_caches_only_the_values_come_back(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        session = stage.session
        session.set("/latent/1", 1.0)
        session.recall.save("here")
        stage.until(lambda: is_kept(session, "here"))
        session.set("/latent/1", 3.0)
        session.set("/snapshot/caches", 0)
        session.recall.recall("here")
        stage.until(lambda: played(session, "a")[0] == 1.0)
        assert done(session, "a", RESTORE) == 0
        session.set("/snapshot/caches", 1)
        session.recall.recall("here")
        stage.until(lambda: done(session, "a", RESTORE) > 0)


def test_over_a_time_values_and_decks_glide(models: dict[str, Path]) -> None:
    with both(models) as stage:
        session = stage.session
        for address in ("/latent/1", "/b/latent/1"):
            session.set(address, 4.0)
        session.recall.save("far")
        for address in ("/latent/1", "/b/latent/1", "/gain"):
            session.set(address, -4.0)
        session.set("/walk/seed", 7)
        stage.until(lambda: played(session, "a")[0] == played(session, "b")[0] == -4.0)
        session.recall.recall("far", 800)
        shown, did, began = [], [], stage.clock
        while session.recall.moving:
            shown.append(values(session, "/latent/1", "/gain"))
            did.append((played(session, "a")[0], played(session, "b")[0]))
            stage.play(0.01)
        assert 0.8 <= (stage.clock - began) / RATE < 0.8 + 2 * INTERVAL_S
        assert values(session, "/latent/1", "/b/latent/1", "/gain", "/walk/seed") == [4.0, 4.0, 0.0, 0.0]
        for path in (*np.array(shown).T, *np.array(did).T):
            assert (np.diff(path) >= 0).all(), "it went back on its way"
            assert len(np.unique(path)) > 30
        stage.play(0.1)
        assert played(session, "a")[0] == played(session, "b")[0] == 4.0


def test_a_knob_that_is_touched_on_the_way_is_the_hands(models: dict[str, Path]) -> None:
    with both(models) as stage:
        session = stage.session
        session.recall.save("zero")
        for address in ("/latent/1", "/latent/2", "/gain", "/b/latent/1"):
            session.set(address, 4.0)
        stage.until(lambda: played(session, "b")[0] == 4.0)
        session.recall.recall("zero", 600)
        stage.until(lambda: session.get("/latent/1") < 3.5)
        session.set("/latent/1", -2.0)
        session.set("/gain", -30.0)
        session.set("/b/latent/1", 1.0)
        stage.until(lambda: not session.recall.moving)
        assert values(session, "/a/latent/1", "/a/latent/2", "/gain", "/b/latent/1") == [-2.0, 0.0, -30.0, 1.0]
        stage.until(lambda: (played(session, "a")[:2], played(session, "b")[0]) == ([-2.0, 0.0], 1.0))


def test_a_recall_on_the_way_to_another_takes_the_decks_along(models: dict[str, Path]) -> None:
    """A parameter that equals its target when a ramp begins must still be returned to it."""
    with both(models) as stage:
        session = stage.session
        session.recall.save("zero")
        session.set("/latent/1", 4.0)
        session.recall.save("four")
        session.recall.recall("zero")
        stage.until(lambda: played(session, "a")[0] == 0.0)
        session.recall.recall("four", 500)
        session.recall.recall("zero")
        for _ in range(60):
            assert played(session, "a")[0] < 1.0
            stage.play(0.01)
        assert session.get("/latent/1") == played(session, "a")[0] == 0.0

        session.recall.recall("four", 500)
        stage.until(lambda: session.get("/latent/1") > 1.0)
        session.recall.snapshots.exclude("/latent/1")
        session.recall.recall("zero", 100)  # which doesn't say where /latent/1 goes: it stays where it is
        stage.until(lambda: not session.recall.moving)
        stage.until(lambda: played(session, "a")[0] == pytest.approx(session.get("/latent/1"), abs=1e-6))
        assert 1.0 < session.get("/latent/1") < 4.0


def test_a_way_is_gone_to_its_end_by_a_deck_that_came_on_it(models: dict[str, Path]) -> None:
    with both(models) as stage:
        session = stage.session
        session.set("/latent/1", 4.0)
        session.recall.save("four")
        session.set("/latent/1", -4.0)
        session.recall.recall("four", 3000)
        stage.until(lambda: session.get("/latent/1") > -3.5)
        first = session.deck.pid
        stage.deck().kill()
        stage.until(lambda: session.status().deck_alive and session.deck.pid != first, 10)
        stage.until(lambda: not session.recall.moving, 10)
        stage.until(lambda: played(session, "a")[0] == session.get("/latent/1") == 4.0)


def test_a_swap_during_a_recall_drops_parameters_the_new_model_lacks(models: dict[str, Path]) -> None:
    with both(models) as stage:
        session = stage.session
        for address in ("/latent/4", "/latent/1"):
            session.set(address, 4.0)
        session.recall.save("four")
        for address in ("/latent/4", "/latent/1"):
            session.set(address, 0.0)
        session.recall.recall("four", 4000)
        session.load("tone", letter="a").result(60)  # it has two latents
        stage.until(lambda: not session.recall.moving, 10)
        assert session.get("/a/latent/1") == 4.0
        session.set("/gain", -12, at=stage.time.time() + 0.1)
        stage.until(lambda: session.get("/gain") == -12)  # who moves all that is still there


def test_a_recall_on_another_model_sets_its_parameters_and_reports_the_rest(models: dict[str, Path]) -> None:
    with both(models) as stage:
        session = stage.session
        for k in range(1, 5):
            session.set(f"/latent/{k}", float(k))
        session.recall.save("verse")
        session.load("tone").result(60)
        session.set("/latent", 0.0, 0.0)
        session.set("/loudness", -40.0)
        pid = session.deck.pid
        session.recall.recall("verse")
        stage.until(lambda: played(session, "a")[:2] == [1.0, 2.0])
        assert session.get("/loudness") == -40.0
        assert session.deck.pid == pid
        said = next(note for note in session.notes if "of other models" in note)
        assert "8 values have no place" in said
        assert "/a/latent/3" in said


def test_a_missing_snapshot_is_reported(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        session = stage.session
        with pytest.raises(SnapshotError, match="There is no snapshot 'verse'; there are: none"):
            session.recall.recall("verse")
        session.set("/snapshot/3")
        assert any("There is no snapshot 3" in note for note in session.notes)
        session.recall.recall_program(9)  # a controller's programs need not be snapshots


def test_a_recall_sounds_within_a_hop_and_the_look_ahead_and_loads_nothing(models: dict[str, Path]) -> None:
    with both(models) as stage:
        session = stage.session
        pids = [player.process.pid for player in session.parts.rack.players.values() if player.process]
        for name, value in (("low", -3.0), ("high", 3.0)):
            session.set("/latent/1", value)
            session.recall.save(name)
        stage.until(lambda: is_kept(session, "low") and is_kept(session, "high"))
        stage.play(1.0)
        limit = HOP + int(session.deck.state["lookahead"]) + BLOCK
        for k in range(50):
            begin = stage.clock
            session.recall.recall(("low", "high")[k % 2])
            stage.play(0.05 + 0.0007 * k)  # wherever the next one meets the hop
            x = stem(session, "a", begin - 1, stage.clock)
            changed = np.flatnonzero(x != x[0])
            assert changed.size
            assert changed[0] <= limit
        assert [player.process.pid for player in session.parts.rack.players.values() if player.process] == pids


def corner(session: Session, name: str, at: dict[str, float]) -> dict[str, float]:
    for address, value in at.items():
        session.set(address, value)
    session.recall.save(name)
    return at


def test_at_the_corners_of_a_morph_exactly_the_corners_are_played(models: dict[str, Path]) -> None:
    rng = np.random.default_rng(1)
    with both(models) as stage:
        session = stage.session
        corners = [
            corner(
                session,
                name,
                {
                    "/gain": float(rng.uniform(-20, 0)),
                    "/tempo": float(rng.uniform(60, 180)),
                    "/a/latent/1": float(np.float32(rng.uniform(-3, 3))),
                    "/b/latent/2": float(np.float32(rng.uniform(-3, 3))),
                    "/b/walk/kind": float(k % 3),
                },
            )
            for k, name in enumerate("wxyz")
        ]

        def is_at(at: dict[str, float]) -> bool:
            shown = values(session, *at) == list(at.values())
            return shown and (played(session, "a")[0], played(session, "b")[1]) == (
                at["/a/latent/1"],
                at["/b/latent/2"],
            )

        session.recall.snapshots.set_corners("w", "x")
        for x, k in ((0, 0), (1, 1), (0, 0)):
            session.set("/morph/x", x)
            stage.until(lambda: is_at(corners[k]))  # noqa: B023
        session.set("/morph/x", 0.5)
        assert session.get("/gain") == pytest.approx((corners[0]["/gain"] + corners[1]["/gain"]) / 2)

        session.recall.snapshots.set_corners(*"wxyz")
        for x, y in ((0, 0), (1, 0), (0, 1), (1, 1), (0, 0), (1, 1)):
            session.set("/morph/x", x)
            session.set("/morph/y", y)
            stage.until(lambda: is_at(corners[x + 2 * y]))  # noqa: B023


def test_a_knob_that_is_turned_stays_until_the_morph_moves_it_and_a_recall_is_no_hand(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        session = stage.session
        corner(session, "low", {"/latent/1": -2.0, "/latent/2": 1.0})
        corner(session, "high", {"/latent/1": 2.0, "/latent/2": 1.0})
        corner(session, "else", {"/latent/1": 0.5, "/latent/2": -1.0})
        session.recall.snapshots.set_corners("low", "high")
        session.set("/morph/x", 0)
        session.set("/latent/2", 3.0)
        stage.until(lambda: is_kept(session, "high"))
        session.set("/morph/x", 1)
        assert values(session, "/latent/1", "/latent/2") == [2.0, 3.0]
        session.recall.recall("else")
        session.set("/morph/x", 1)
        assert values(session, "/latent/1", "/latent/2") == [2.0, 1.0]


def test_a_morph_ends_a_timed_recall(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        session = stage.session
        corner(session, "low", {"/latent/1": -2.0})
        corner(session, "high", {"/latent/1": 2.0})
        session.recall.snapshots.set_corners("low", "high")
        session.recall.recall("low")
        stage.until(lambda: played(session, "a")[0] == -2.0)
        session.recall.recall("high", 1000)
        stage.until(lambda: session.get("/latent/1") > -1.5)
        session.set("/morph/x", 0)
        stage.until(lambda: not session.recall.moving)
        stage.until(lambda: played(session, "a")[0] == session.get("/latent/1") == -2.0)
        clock = session.clock
        stage.until(lambda: session.clock > clock + 48_000)
        assert played(session, "a")[0] == -2.0


def test_a_morph_without_corners_is_refused_at_its_time_too(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        session = stage.session
        with pytest.raises(ParameterError, match="The morph has no corners"):
            session.set("/morph/x", 0.5)
        session.set("/morph/x", 0.5, at=stage.time.time() + 0.1)
        stage.until(lambda: any("The morph has no corners" in note for note in session.notes))
        session.set("/gain", -12, at=stage.time.time() + 0.1)
        stage.until(lambda: session.get("/gain") == -12)  # who does that is still there


@pytest.mark.parametrize("how", ["died", "gone and come back", "with other memory since"])
def test_a_new_deck_restores_the_state_of_an_earlier_one(models: dict[str, Path], how: str) -> None:
    with still(models["level"], library=models["level"].parent) as stage:
        session = stage.session
        session.recall.save("here")
        stage.until(lambda: is_kept(session, "here"))
        first = session.deck.pid
        if how == "died":
            stage.deck().kill()
            stage.until(lambda: session.status().deck_alive and session.deck.pid != first, 10)
        else:
            session.load("tone").result(60)
            session.load("level").result(60)
        if how == "with other memory since":
            session.recall.save("there")
            stage.until(lambda: is_kept(session, "there"))
        session.recall.recall("here")
        stage.until(lambda: done(session, "a", RESTORE) > 0)


def test_memory_that_was_kept_while_a_deck_was_coming_is_learned_when_it_is_needed(models: dict[str, Path]) -> None:
    with still(models["level"], library=models["level"].parent) as stage:
        session = stage.session
        session.set("/model/fade", 0)
        for k, early in enumerate((True, False, True)):
            coming = session.load("level")
            if not early:
                coming.result(60)
            session.recall.save(f"s{k}")
            coming.result(60)
        stage.until(lambda: is_kept(session, "s2") or any("has no state of" in note for note in session.notes))
        session.parts.states.settle()
        for snapshot in [one for one in session.recall.snapshots if is_kept(session, one.name)]:
            before = done(session, "a", RESTORE)
            session.recall.recall(snapshot.name)
            stage.until(lambda: done(session, "a", RESTORE) > before)  # noqa: B023


def test_a_value_set_while_a_deck_restarts_is_not_lost(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        session = stage.session
        first = session.deck.pid
        stage.deck().kill()
        value = 0.0
        while not (
            session.parts.rack.players["a"].process and session.status().deck_alive and session.deck.pid != first
        ):
            value = (value + 0.25) % 4
            session.set("/latent/1", value)
            stage.play(0.005)
        stage.until(lambda: played(session, "a")[0] == session.get("/latent/1") == value)


def test_a_loaded_model_starts_with_the_current_values(models: dict[str, Path]) -> None:
    with still(models["level"], library=models["level"].parent) as stage:
        session = stage.session
        session.set("/latent/1", 2.0)
        session.load("stereo").result(60)
        process = session.deck
        stood = {
            row.address: process.initial_values[row.index]
            for row in session.player.table.by_index
            if row.index in process.initial_values
        }
        assert (stood["/walk/radius"], stood["/smoothing"], stood["/latent/1"]) == (0.0, 0.0, 2.0)
        session.parts.journal.drain()
        began = json.loads((session.parts.journal.folder / "decks.jsonl").read_text().splitlines()[-1])
        assert dict(began["values"])[session.player.table["/walk/radius"].index] == 0.0


def test_a_program_change_recalls_its_number(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        session = stage.session
        session.set("/latent/1", 2.0)
        session.recall.save("verse", 5)
        session.set("/latent/1", 0.0)
        midi = Midi(session, recall=session.recall.recall_program)
        play(midi, b"\xc0\x05")
        stage.until(lambda: played(session, "a")[0] == 2.0)
        play(midi, b"\xc0\x06")  # there is none
        assert midi.counts.refused == 0


def test_buttons_recall_by_number(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        session = stage.session
        for number in range(1, 17):
            session.set("/latent/1", number / 4)
            session.recall.save("", number)
        for number in (16, 1, 7):
            session.set(f"/snapshot/{number}", 1)
            stage.until(lambda: played(session, "a")[0] == number / 4)  # noqa: B023
        session.set("/snapshot/3", 0)  # a button that is let go
        assert session.get("/latent/1") == 7 / 4


def test_a_snapshot_can_be_renamed_or_deleted_while_its_state_is_written(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        session = stage.session
        for k in range(20):
            session.recall.save("old")
            if k % 2:
                session.recall.snapshots.delete("old")
            else:
                session.recall.snapshots.rename("old", f"new {k}")
        session.parts.states.settle()
        names = session.recall.snapshots.names()
        assert sorted(names) == sorted(f"new {k}" for k in range(0, 20, 2))
        assert all(is_kept(session, name) for name in names)


@pytest.mark.plays
def test_threads_may_save_and_recall_at_the_same_time(models: dict[str, Path]) -> None:
    failed: list[BaseException] = []
    with quiet(models["level"], library=models["level"].parent) as session:
        session.load("level", letter="b").result()
        session.recall.save("x")

        def act(name: str, latent: float) -> None:
            try:
                for k in range(60):
                    session.set("/latent/1", latent)
                    session.recall.save(name)
                    session.recall.recall(("x", name)[k % 2], (0, 30)[k // 2 % 2])
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=act, args=(name, latent)) for name, latent in (("p", 1.0), ("q", 2.0))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not failed
        assert set(session.recall.snapshots.names()) == {"x", "p", "q"}
        eventually(lambda: not session.recall.moving)
        session.recall.recall("x", 0)
        assert session.get("/latent/1") == 0.0
        eventually(lambda: played(session, "a")[0] == 0.0)
        assert session.deck.state["lost_events"] == 0
