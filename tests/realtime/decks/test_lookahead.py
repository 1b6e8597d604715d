"""Look-ahead: its size, underruns when it is too small, and its extension."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from realtime.decks.lookahead import LOADING_MS, LOADING_S, MARGIN_MS, STEP_MS
from tests.realtime.virtual_stage import BLOCK, VirtualStage, still

RATE, HOP = 48_000, 128  # of the level model


def ahead(stage: VirtualStage) -> int:
    """Return the look-ahead of deck A in samples."""
    return int(stage.session.deck.state["lookahead"])


def settle(stage: VirtualStage) -> None:
    """Wait until the extension after a start is over."""
    stage.play(LOADING_S + 0.1)


def blocks(milliseconds: float, block: int = BLOCK) -> int:
    """Round a time up to whole blocks, in samples."""
    return math.ceil(milliseconds * RATE / 1000 / block) * block


@pytest.mark.parametrize("block", [64, 100, 128, 480])
def test_the_look_ahead_is_whole_blocks_of_at_least_three_milliseconds(models: dict[str, Path], block: int) -> None:
    with still(models["level"], blocksize=block) as stage:
        settle(stage)
        assert ahead(stage) == blocks(MARGIN_MS, block)


def test_the_look_ahead_covers_two_decodes_of_a_slow_model(models: dict[str, Path]) -> None:
    with still(models["level"], cost_ms=2.2) as stage:
        settle(stage)
        stage.play(1.0)
        assert stage.session.status().underruns == 0
        assert ahead(stage) == blocks(2 * 2.2)


def test_the_look_ahead_is_extended_for_half_a_second_after_a_start(models: dict[str, Path]) -> None:
    with still(models["level"], library=models["level"].parent) as stage:
        assert ahead(stage) == blocks(LOADING_MS + MARGIN_MS)
        stage.play(LOADING_S - 0.05)
        assert ahead(stage) == blocks(LOADING_MS + MARGIN_MS)
        stage.play(0.1)
        assert ahead(stage) == blocks(MARGIN_MS)
        stage.session.load("level", letter="b").result(60)
        assert ahead(stage) == blocks(LOADING_MS + MARGIN_MS), "the load of another deck is more work too"


def test_a_stall_within_the_look_ahead_is_inaudible_and_a_longer_one_is_one_underrun(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        settle(stage)
        stage.deck().stall(ahead(stage) - BLOCK)
        stage.play(0.1)
        assert stage.session.status().underruns == 0
        stage.deck().stall(ahead(stage) + BLOCK)
        stage.play(0.1)
        assert stage.session.status().underruns == 1
        assert stage.session.deck.state["missing"] == BLOCK


def test_each_underrun_extends_the_look_ahead_unless_it_is_locked(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        settle(stage)
        learned = 0
        for lock in (0, 1, 0, 0, 1, 0):
            stage.session.set("/ahead/lock", lock)
            stage.deck().stall(0.05 * RATE)
            stage.play(0.2)
            learned += not lock
            assert ahead(stage) == blocks(MARGIN_MS) + blocks(learned * STEP_MS)
        assert stage.session.status().underruns == 6


def test_the_look_ahead_is_at_least_its_parameter_and_equal_to_it_when_locked(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        settle(stage)
        safe = ahead(stage)
        for asked, locked, expected in (
            (1, 0, safe),
            (4000, 0, 4000),
            (BLOCK + 7, 1, BLOCK + 7),
            (1, 1, BLOCK),
            (0, 0, safe),
        ):
            stage.session.set("/ahead", asked)
            stage.session.set("/ahead/lock", locked)
            assert ahead(stage) == expected
            stage.play(0.1)
        assert stage.session.status().underruns == 0


def test_the_look_ahead_follows_a_device_that_asks_for_larger_blocks(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        settle(stage)
        stage.block = 512
        stage.play(0.1)  # the first block may come too early
        underruns = stage.session.status().underruns
        assert ahead(stage) == (1 + underruns) * 512
        stage.play(1.0)
        assert stage.session.status().underruns == underruns <= 1


def test_the_latency_is_the_sum_of_its_parts(models: dict[str, Path]) -> None:
    with still(models["level"]) as stage:
        settle(stage)
        stage.play(1.0)  # the status shows averages
        shown = stage.session.latency_ms()
        assert shown["wait for the next frame"] == pytest.approx(1000 * (HOP / 2 + BLOCK) / RATE)
        assert shown["decoded ahead"] == pytest.approx(1000 * (ahead(stage) - HOP) / RATE, abs=1000 * HOP / RATE)
        assert shown["model"] == shown["device"] == 0.0
