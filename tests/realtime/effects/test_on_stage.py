"""Effects on a session that plays: added and taken out without a gap, turned as any knob, rendered with a take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from export.errors import GlitchError
from realtime import Session
from realtime.effects.chain import Effect, find
from realtime.library.library import Library
from realtime.takes.renderer import render
from tests.eventually import eventually
from tests.realtime.virtual_stage import virtual

pytestmark = pytest.mark.usefixtures("_denormals")


def level(session: Session) -> float:
    history, clock = session.segment["history"], session.clock
    return float(np.abs(history[np.arange(clock - 2400, clock) % len(history)]).max())


def test_an_effect_is_in_the_table_and_in_the_sound(models: dict[str, Path]) -> None:
    with virtual(models["tone"], fx=["gain"]) as stage:

        def rest_level() -> float:
            stage.play(0.3)
            return float(np.abs(stage.play(0.05)).max())

        assert "/a/fx/1/gain" in stage.session.addresses
        stage.session.set("/fx/1/gain", 0)
        before = rest_level()
        assert before > 0.33
        stage.session.set("/a/fx/1/gain", -20)
        assert rest_level() == pytest.approx(before / 10, rel=0.01)
        stage.session.set("/fx/1/bypass", 1)
        assert rest_level() == pytest.approx(before, rel=0.01)


@pytest.mark.plays
def test_a_chain_changes_while_it_plays_without_a_gap_and_keeps_its_knobs(models: dict[str, Path]) -> None:
    with Session(models["tone"], device="null") as session:
        eventually(lambda: level(session) > 0.33)
        own = largest_step(session)

        def changed(change: Callable[[tuple[Effect, ...]], tuple[Effect, ...]]) -> None:
            begin = session.clock
            session.set_effects(change).result(60)
            assert session.clock - begin < 250_000, "longer than the history reaches"
            output = np.abs(session.segment["history"][np.arange(begin, session.clock) % 262_144, 0])
            quietest = output[: len(output) // 480 * 480].reshape(-1, 480).max(axis=1).min()
            assert quietest > 0.02, "there was a gap"
            assert largest_step(session, begin) < 3 * own, "there was a step"

        changed(lambda now: (*now, find("gain", None)))
        session.set("/fx/1/gain", -6)
        changed(lambda now: (*now, find("reverb", None)))
        assert session.get("/fx/1/gain") == -6
        assert session.get("/fx/2/mix") == 1
        session.set("/fx/2/room-size", 0.9)
        changed(lambda now: now[1:])
        assert session.get("/fx/1/room-size") == pytest.approx(0.9)
        assert [effect.name for effect in session.player.effects] == ["Reverb"]
        assert "/fx/2/mix" not in session.addresses


@pytest.mark.plays
def test_an_unknown_effect_is_refused_in_one_sentence(models: dict[str, Path]) -> None:
    with pytest.raises(GlitchError, match="Reverb"):
        Session(models["level"], device="null", fx=["no such effect"])
    with Session(models["level"], device="null") as session:
        pid = session.deck.pid

        def wrong(_: tuple[Effect, ...]) -> tuple[Effect, ...]:
            raise GlitchError("There is no such effect.")

        with pytest.raises(GlitchError, match="no such effect"):
            session.set_effects(wrong).result(60)
        assert session.deck.pid == pid


@pytest.mark.plays
def test_a_take_with_effects_is_rendered_to_the_same_samples(models: dict[str, Path], tmp_path: Path) -> None:
    wav, take, again = tmp_path / "set.wav", tmp_path / "set.take", tmp_path / "again.wav"
    with Session(models["tone"], device="null", fx=["reverb"], record=wav, take=take, seconds=4) as session:
        session.set("/fx/1/room-size", 0.9)
        session.set_effects(lambda now: (*now, find("chorus", None))).result(60)
        session.set("/fx/2/mix", 0.5)
        eventually(lambda: not session.playing)
    render(take, again, Library())
    played, rendered = sf.read(wav)[0], sf.read(again)[0]
    np.testing.assert_allclose(rendered[: len(played)], played, atol=1e-6)
    assert np.abs(played).max() > 0.05


def largest_step(session: Session, begin: int | None = None) -> float:
    clock = session.clock
    index = np.arange(clock - 4800 if begin is None else begin, clock)
    return float(np.abs(np.diff(session.segment["history"][index % 262_144, 0])).max())
