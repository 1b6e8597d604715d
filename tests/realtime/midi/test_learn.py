"""Learning finds the control that moves, and the kind of values that it sends."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.midi.controls.control_detector import encoder_mode
from realtime.midi.controls.mapping import Mapping
from realtime.midi.controls.mapping_file import read
from realtime.midi.controls.mapping_source import Source
from realtime.midi.midi import Midi
from realtime.params.table import ParameterError
from tests.realtime.midi.stage import Stage
from tests.realtime.midi.test_mapping import CC21, cc, play


def learned(address: str, *messages: bytes) -> Mapping | None:
    midi = Midi(Stage())
    midi.learn(address)
    play(midi, *messages)
    return midi.learned


def test_the_control_that_moves_is_learned_and_plays() -> None:
    stage = Stage()
    notified: list[str] = []
    midi = Midi(stage, notify=notified.append)
    midi.learn("/level")
    assert midi.learning == "/level"
    play(midi, *(cc(k) for k in range(40)))
    assert midi.mappings == (Mapping(Source("cc", 21, 1, "glitch-live"), "/level"),)
    assert stage.get("/level") == pytest.approx(39 / 127)
    assert notified == ["CC 21 ch 1 plays /level."]


def test_learning_stays_on_and_keeps_the_last_control_that_moved() -> None:
    midi = Midi(Stage())
    midi.learn("/level")
    play(midi, *(cc(k, 20) for k in range(20)), *(cc(k, 22) for k in range(20)))
    midi.learn("/latent/1")
    play(midi, *(cc(k, 23) for k in range(20)))
    midi.learn(None)
    play(midi, *(cc(k, 24) for k in range(20)))
    assert [(one.source.number, one.target) for one in midi.mappings] == [(22, "/level"), (23, "/latent/1")]


def test_a_learned_control_plays_only_its_own_parameter() -> None:
    midi = Midi(Stage())
    for address in ("/level", "/latent/1"):
        midi.learn(address)
        play(midi, *(cc(k) for k in range(20)))
    assert [one.target for one in midi.mappings] == ["/latent/1"]
    assert midi.unlearn("/latent/1") == 1
    assert midi.unlearn("/latent/1") == 0
    assert not midi.mappings


@pytest.mark.parametrize("number", [0, 32, 64, 74, 98, 99, 100, 101, 120, 123, 127])
def test_controllers_that_keyboards_send_on_their_own_are_skipped_but_can_be_mapped(number: int) -> None:
    stage = Stage()
    midi = Midi(stage)
    midi.learn("/level")
    play(midi, *(cc(k, number) for k in range(1, 40)))
    assert midi.learned is None
    midi.learn(None)
    midi.map(Mapping(Source("cc", number), "/level", pickup=False))
    play(midi, cc(127, number))
    assert stage.get("/level") == 1.0


def test_14_bit_controllers_and_nrpns_are_recognised() -> None:
    pairs = [cc(value, number) for k in range(10) for number, value in ((7, k), (39, 10 * k))]
    found = learned("/level", *pairs)
    assert found is not None
    assert (found.source.type, found.source.number) == ("cc14", 7)
    numbered = [cc(v, n) for k in range(10) for n, v in ((99, 1), (98, 2), (6, k), (38, 10 * k))]
    found = learned("/level", *numbered)
    assert found is not None
    assert (found.source.type, found.source.number) == ("nrpn", 130)


@pytest.mark.parametrize(
    ("raws", "mode"),
    [
        ([1, 1, 1, 2, 1, 1, 1, 1], "relative2c"),
        ([127, 127, 126, 127, 127, 1, 1, 1], "relative2c"),
        ([65, 65, 66, 65, 65, 63, 63, 65], "relative64"),
        ([1, 1, 1, 65, 65, 1, 1, 1], "relativesign"),
        ([1, 2, 3, 4, 5, 6, 7, 8], "absolute"),
        ([60, 61, 63, 65, 66, 67, 68, 69], "absolute"),
    ],
)
def test_encoders_are_distinguished_from_faders(raws: list[int], mode: str) -> None:
    found = learned("/level", *(cc(raw) for raw in raws))
    assert found is not None
    assert found.mode == mode


@given(st.lists(st.integers(0, 127), min_size=2, max_size=20))
def test_a_control_that_never_repeats_a_value_is_no_encoder(raws: list[int]) -> None:
    moving = [raw for k, raw in enumerate(raws) if k == 0 or raw != raws[k - 1]]
    assert encoder_mode(moving) is None


def test_pads_bends_and_programs_are_learned() -> None:
    assert learned("/mute", b"\x90\x3c\x40") == Mapping(Source("note", 60, 1, "glitch-live"), "/mute", mode="toggle")
    assert learned("/reset", b"\x90\x3c\x40") == Mapping(Source("note", 60, 1, "glitch-live"), "/reset")
    bend = learned("/level", b"\xe0\x00\x60")
    assert bend is not None
    assert bend.source == Source("bend", None, 1, "glitch-live")
    program = learned("/reset", b"\xc0\x05")
    assert program is not None
    assert program.source == Source("program", 5, 1, "glitch-live")


@pytest.mark.parametrize("address", ["/nowhere", "/latent"])
def test_unknown_addresses_and_lists_cannot_be_learned(address: str) -> None:
    with pytest.raises(ParameterError):
        Midi(Stage()).learn(address)


def test_a_learned_mapping_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "midi.json"
    midi = Midi(Stage(), mapping=path)
    midi.learn("/level")
    play(midi, *(cc(k) for k in range(20)))
    midi.close()
    assert read(path).mappings == midi.mappings
    assert Midi(Stage(), mapping=path).mappings == midi.mappings
    assert midi.mappings[0].source.label == Source("cc", 21, 1).label == "CC 21 ch 1"
    assert CC21.label == "CC 21"
