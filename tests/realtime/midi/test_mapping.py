"""The mapping file, the curves, and the effect of each kind of mapping."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.midi.controls.mapping import Mapping, Mode
from realtime.midi.controls.mapping_file import FORMAT, MappingFile, from_json, parse, read, to_json, write
from realtime.midi.controls.mapping_source import Source
from realtime.midi.curves import to_position, to_value
from realtime.midi.errors import MappingError
from realtime.midi.midi import Midi
from realtime.midi.notes.settings import NoteSettings
from realtime.midi.ports.port_client import Incoming
from tests.realtime.midi.stage import Stage, row

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
SOURCES = st.one_of(
    st.builds(Source, st.sampled_from(["cc", "note", "program", "pressure"]), st.integers(0, 127)),
    st.builds(Source, st.just("cc14"), st.integers(0, 31), st.none() | st.integers(1, 16)),
    st.builds(Source, st.just("nrpn"), st.integers(0, 16_383), port=st.text(max_size=9)),
    st.builds(Source, st.sampled_from(["bend", "pressure", "program"])),
)
ENDS = st.floats(-1e6, 1e6)
MAPPINGS = st.builds(
    Mapping,
    SOURCES,
    st.text(max_size=9).map("/".__add__),
    st.none() | st.tuples(ENDS, ENDS),
    st.sampled_from(["absolute", "relative2c", "relative64", "relativesign", "toggle", "momentary"]),
    st.booleans(),
    st.booleans(),
    st.integers(1, 16_384),
)


def play(midi: Midi, *messages: bytes) -> None:
    for message in messages:
        midi.receive([Incoming(1.0, 0, message)])


def mapped(mapping: Mapping, stage: Stage | None = None) -> tuple[Midi, Stage]:
    stage = stage or Stage()
    midi = Midi(stage)
    midi.map(mapping)
    return midi, stage


def cc(value: int, number: int = 21) -> bytes:
    return bytes((0xB0, number, value))


CC21 = Source("cc", 21)


@given(st.lists(MAPPINGS, max_size=6))
def test_a_file_round_trips(tmp_path_factory: pytest.TempPathFactory, some: list[Mapping]) -> None:
    path = tmp_path_factory.mktemp("mapping") / "midi.json"
    notes = NoteSettings(mpe=True, decks={"1": "a"}, timbre="/x")
    write(path, MappingFile(tuple(some), notes))
    assert read(path) == MappingFile(tuple(some), notes)
    assert [one.name for one in path.parent.iterdir()] == ["midi.json"]


@given(JSON)
def test_an_invalid_entry_is_reported_and_kept(entry: object) -> None:
    try:
        from_json(entry)
    except MappingError:
        file = parse({"mappings": [entry]}, "midi.json")
        assert file.unknown == (entry,) or repr(entry) == repr(file.unknown[0])  # NaN is not itself
        assert "entry 1" in file.problems[0]


@given(st.dictionaries(st.sampled_from(["enabled", "pitch", "channel", "decks", "members", "mpe", "new"]), JSON))
def test_invalid_settings_of_notes_are_reported(notes: dict[str, object]) -> None:
    file = parse({"notes": notes}, "midi.json")
    assert isinstance(file.notes, NoteSettings)
    assert bool(file.problems) == ("notes that could not be used" in file.extra)


def test_unknown_keys_and_entries_are_written_back(tmp_path: Path) -> None:
    path = tmp_path / "midi.json"
    entry = {"source": {"type": "cc", "number": 1}, "target": "/level", "colour": "red"}
    odd = {"source": {"type": "eye", "number": 1}, "target": "/level"}
    path.write_text(json.dumps({"format": FORMAT, "version": 1, "mappings": [entry, odd], "theme": {"dark": True}}))
    file = read(path)
    assert len(file.mappings) == 1
    write(path, file)
    content = json.loads(path.read_text())
    assert content["mappings"] == [entry, odd]
    assert content["theme"] == {"dark": True}


@pytest.mark.parametrize("text", ["", "[]", "{", "nan", '{"format": "other"}', "[" * 10_000, "\udcff"])
def test_a_file_that_is_no_mapping_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "midi.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(MappingError, match="midi.json") as error:
        read(path)
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "midi.json"
    path.write_text("{ hand-made, with a trailing comma, }")
    notified: list[str] = []
    midi = Midi(Stage(), mapping=path, notify=notified.append)
    assert len(notified) == 1
    midi.map(Mapping(CC21, "/level"))
    midi.close()
    assert read(path).mappings == (Mapping(CC21, "/level"),)
    assert "hand-made" in (tmp_path / "midi.json.unreadable").read_text()


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "midi.json"
    path.write_text(json.dumps({"format": FORMAT, "version": 2}))
    with pytest.raises(MappingError, match="version 2"):
        read(path)


@given(st.floats(0, 1), st.sampled_from([None, (5.0, 500.0), (500.0, 5.0)]), st.booleans())
def test_positions_and_values_are_inverse(position: float, span: tuple[float, float] | None, log: bool) -> None:
    one = row("/x", 1, 1000, curve="log" if log else "linear")
    assert math.isclose(to_position(one, to_value(one, position, span), span), position, abs_tol=1e-9)


def test_a_control_reaches_both_ends_of_its_range_and_follows_the_curve() -> None:
    midi, stage = mapped(Mapping(CC21, "/cutoff", pickup=False))
    play(midi, cc(0), cc(127), cc(64))
    low, high, middle = stage.set_to("/cutoff")
    assert (low, high) == (20, 20_000)
    assert middle == pytest.approx(20 * 1000 ** (64 / 127))


def test_a_range_may_run_backwards() -> None:
    midi, stage = mapped(Mapping(CC21, "/latent/1", (2.0, -2.0), pickup=False))
    play(midi, cc(0), cc(127))
    assert stage.set_to("/latent/1") == [2.0, -2.0]


def test_channel_and_port_select_a_control() -> None:
    midi, stage = mapped(Mapping(Source("cc", 21, 3), "/level", pickup=False))
    midi.map(Mapping(Source("cc", 22, port="nano"), "/level", pickup=False))
    play(midi, cc(100), cc(100, 22), bytes((0xB2, 21, 127)))
    assert stage.set_to("/level") == [1.0]


@pytest.mark.parametrize(
    ("mode", "up", "down"), [("relative2c", 1, 127), ("relative64", 65, 63), ("relativesign", 1, 65)]
)
def test_an_encoder_starts_from_the_value_of_its_parameter(mode: Mode, up: int, down: int) -> None:
    midi, stage = mapped(Mapping(CC21, "/latent/1", mode=mode, steps=12))
    stage.values["/latent/1"] = 3.0
    play(midi, cc(up), cc(up), cc(down))
    assert stage.set_to("/latent/1") == pytest.approx([4.0, 5.0, 4.0])
    stage.values["/latent/1"] = -6.0  # moved from elsewhere
    play(midi, cc(up))
    assert stage.get("/latent/1") == pytest.approx(-5.0)


def test_an_encoder_moves_a_whole_number_by_many_small_steps() -> None:
    midi, stage = mapped(Mapping(CC21, "/voices", mode="relative2c"))
    play(midi, *[cc(1)] * 127)
    assert stage.get("/voices") == 8
    play(midi, *[cc(127)] * 64)
    assert stage.get("/voices") in (4, 5)


def test_a_button_toggles_on_press_and_not_on_release() -> None:
    midi, stage = mapped(Mapping(CC21, "/mute", mode="toggle"))
    play(midi, cc(127), cc(0), cc(127), cc(0))
    assert stage.set_to("/mute") == [1.0, 0.0]


def test_a_momentary_button_holds_its_value_while_pressed() -> None:
    midi, stage = mapped(Mapping(Source("note", 60), "/level", (0.2, 0.8), mode="momentary"))
    play(midi, b"\x90\x3c\x01", b"\x80\x3c\x00")
    assert stage.set_to("/level") == [0.8, 0.2]
    assert stage.times("/pitch") == 0  # a mapped note plays its mapping only


@pytest.mark.parametrize("mode", ["absolute", "toggle", "momentary"])
def test_a_trigger_fires_on_press_alone_and_again_for_buttons_that_only_press(mode: Mode) -> None:
    midi, stage = mapped(Mapping(CC21, "/reset", mode=mode))
    play(midi, cc(127), cc(0), cc(127), cc(127))
    assert stage.times("/reset") == 3


def test_14_bit_controllers_bends_and_nrpns_play() -> None:
    midi, stage = mapped(Mapping(Source("cc14", 1), "/level", pickup=False))
    play(midi, cc(64, 1), cc(32, 33))
    assert stage.get("/level") == pytest.approx((64 << 7 | 32) / 16_383)
    midi.map(Mapping(Source("bend"), "/latent/1"))
    play(midi, b"\xe0\x00\x40")
    assert stage.get("/latent/1") == 0.0
    midi.map(Mapping(Source("nrpn", 131), "/latent/2", pickup=False))
    play(midi, cc(1, 99), cc(3, 98), cc(127, 6), cc(127, 38))
    assert stage.get("/latent/2") == 6.0


def test_a_mapping_for_another_model_is_inactive_until_its_parameter_appears() -> None:
    midi, stage = mapped(Mapping(CC21, "/brightness", pickup=False))
    play(midi, cc(64))
    assert not stage.log
    assert midi.counts.refused == 0
    stage.rows["/brightness"] = row("/brightness")
    stage.values["/brightness"] = 0.0
    play(midi, cc(127))
    assert stage.get("/brightness") == 1.0


def test_a_list_cannot_be_mapped() -> None:
    with pytest.raises(MappingError, match="several"):
        mapped(Mapping(CC21, "/latent"))


def test_an_entry_omits_defaults() -> None:
    assert to_json(Mapping(CC21, "/level")) == {"source": {"type": "cc", "number": 21}, "target": "/level"}
