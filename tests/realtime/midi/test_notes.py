"""Notes on a model with one voice: bends, pedal, MPE; program changes and panic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.midi.controls.mapping import Mapping
from realtime.midi.controls.mapping_file import MappingFile, write
from realtime.midi.controls.mapping_source import Source
from realtime.midi.midi import Midi
from realtime.midi.notes.note_router import NoteRouter
from realtime.midi.notes.settings import NoteSettings
from realtime.midi.ports.port_client import Incoming
from realtime.midi.protocol.messages import Message
from tests.realtime.midi.stage import Stage, row
from tests.realtime.midi.test_mapping import play

GATE = row("/gate")


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., tuple[Midi, Stage]]:
    def made(settings: NoteSettings, *rows: str) -> tuple[Midi, Stage]:
        path = tmp_path / "midi.json"
        write(path, MappingFile(notes=settings))
        stage = Stage(*(row(address, -60, 127) for address in rows), GATE)
        return Midi(stage, mapping=path), stage

    return made


def on(note: int, velocity: int = 100, channel: int = 1) -> bytes:
    return bytes((0x8F + channel, note, velocity))


def off(note: int, channel: int = 1) -> bytes:
    return bytes((0x7F + channel, note, 0))


def bend(value: int, channel: int = 1) -> bytes:
    return bytes((0xDF + channel, (value + 8192) & 127, (value + 8192) >> 7))


def pedal(down: bool, channel: int = 1) -> bytes:
    return bytes((0xAF + channel, 64, 127 * down))


def test_a_note_sets_pitch_and_loudness_and_the_gate() -> None:
    stage = Stage(GATE)
    play(Midi(stage), on(60, 127), off(60))
    assert stage.set_to("/pitch") == [60]
    assert stage.set_to("/loudness") == [0.0]
    assert stage.set_to("/gate") == [1.0, 0.0]


def test_without_a_gate_a_note_ends_by_its_loudness() -> None:
    stage = Stage()
    play(Midi(stage), on(60, 127), off(60))
    assert stage.set_to("/loudness") == [0.0, -60.0]


def test_the_latest_key_has_priority_and_releasing_it_returns_to_the_one_before() -> None:
    stage = Stage(GATE)
    play(Midi(stage), on(60), on(64), on(67), off(64), off(67), off(60))
    assert stage.set_to("/pitch") == [60, 64, 67, 60]
    assert stage.set_to("/gate") == [1, 1, 1, 0]


def test_the_pedal_holds_notes_until_it_is_released() -> None:
    stage = Stage(GATE)
    play(Midi(stage), pedal(True), on(60), off(60), on(64), off(64))
    assert stage.set_to("/gate") == [1, 1]
    play(Midi(stage), pedal(False))
    midi = Midi(stage)
    stage.log.clear()
    play(midi, on(60), pedal(True), off(60), pedal(False))
    assert stage.set_to("/gate") == [1, 0]


def test_bends_are_in_semitones_and_a_sender_may_set_their_range() -> None:
    stage = Stage()
    midi = Midi(stage)
    play(midi, on(60), bend(8191), bend(-8192), bend(0))
    assert stage.set_to("/pitch") == [60, 62, 58, 60]
    play(midi, b"\xb0\x65\x00", b"\xb0\x64\x00", b"\xb0\x06\x0c", bend(8191))
    assert stage.get("/pitch") == 72


def test_legato_keeps_the_loudness(make: Callable[..., tuple[Midi, Stage]]) -> None:
    midi, stage = make(NoteSettings(legato=True))
    play(midi, on(60, 127), on(64, 1), off(60), off(64), on(62, 64))
    assert stage.set_to("/loudness")[0] == 0.0
    assert len(stage.set_to("/loudness")) == 2


def test_channels_play_decks(make: Callable[..., tuple[Midi, Stage]]) -> None:
    midi, stage = make(NoteSettings(decks={"1": "a", "2": "b"}), "/a/pitch", "/b/pitch")
    play(midi, on(60, channel=1), on(72, channel=2), on(40, channel=3), off(60, channel=1))
    assert stage.set_to("/a/pitch") == [60]
    assert stage.set_to("/b/pitch") == [72]
    assert stage.set_to("/pitch") == [40]


def test_in_mpe_each_note_has_its_own_bend_timbre_and_pressure(make: Callable[..., tuple[Midi, Stage]]) -> None:
    midi, stage = make(NoteSettings(mpe=True, timbre="/timbre", pressure="/touch"))
    play(midi, bend(4096, 2), on(60, channel=2))
    assert stage.set_to("/pitch") == pytest.approx([84.0], abs=0.01)  # 48 semitones a full bend, set before the note
    play(midi, on(70, channel=3), bend(-8192, 2))  # bends a note that doesn't sound
    assert stage.get("/pitch") == 70
    play(midi, bytes((0xB2, 74, 127)), bytes((0xD2, 127)), bytes((0xB1, 74, 0)))
    assert (stage.get("/timbre"), stage.get("/touch")) == (1.0, 1.0)
    play(midi, bend(8191, 1))  # the master's own 2 semitones, on all
    assert stage.get("/pitch") == 72
    play(midi, off(70, 3))
    assert stage.get("/pitch") == 60 - 48 + 2


def test_a_sender_opens_and_closes_the_mpe_zone() -> None:
    notes = NoteRouter(NoteSettings())
    stage = Stage()
    midi = Midi(stage)
    assert notes.members == 0
    play(midi, b"\xb0\x65\x00", b"\xb0\x64\x06", b"\xb0\x06\x0f", on(60, channel=5), bend(8191, 5))
    assert stage.get("/pitch") == 108
    play(midi, b"\xb0\x65\x00", b"\xb0\x64\x06", b"\xb0\x06\x00", on(60, channel=5), bend(8191, 5))
    assert stage.get("/pitch") == 62


def test_a_program_change_recalls_its_snapshot() -> None:
    recalled: list[int] = []
    midi = Midi(Stage(), recall=recalled.append)
    play(midi, b"\xc0\x05", b"\xc3\x7f")
    assert recalled == [5, 127]


def test_a_recall_keeps_its_place_between_the_values_before_and_after_it() -> None:
    stage = Stage()
    midi = Midi(stage, recall=lambda _: stage.set("/level", 0.5))
    midi.map(Mapping(Source("cc", 1), "/level", pickup=False))
    before, after = [b"\xb0\x01\x7f"] * 90, [b"\xb0\x01\x00"] * 90
    midi.receive([Incoming(0.0, 0, one) for one in [*before, b"\xc0\x01", *after]])
    assert stage.set_to("/level") == [1.0, 0.5, 0.0]


def test_a_mapped_program_change_recalls_nothing() -> None:
    recalled: list[int] = []
    stage = Stage()
    midi = Midi(stage, recall=recalled.append)
    midi.map(Mapping(Source("program", 5), "/reset"))
    midi.map(Mapping(Source("program"), "/voices"))
    play(midi, b"\xc0\x05", b"\xc0\x05")
    assert stage.times("/reset") == 2
    assert not recalled


def test_all_sound_off_on_every_channel_triggers_panic_once() -> None:
    stage = Stage(GATE)
    midi = Midi(stage)
    play(midi, on(60), *(bytes((0xB0 | k, number, 0)) for k in range(16) for number in (120, 123)))
    assert stage.times("/panic") == 1
    assert stage.get("/gate") == 0


def test_all_notes_off_releases_notes_without_panic() -> None:
    stage = Stage(GATE)
    play(Midi(stage), on(60), pedal(True), b"\xb0\x7b\x00")
    assert stage.get("/gate") == 0
    assert stage.times("/panic") == 0


NOTE = st.integers(0, 127)
EVENTS = st.lists(
    st.one_of(
        st.builds(Message, st.sampled_from(["note_on", "note_off"]), st.integers(1, 16), NOTE, st.integers(1, 127)),
        st.builds(Message, st.just("control_change"), st.integers(1, 16), st.sampled_from([64, 74, 121, 123]), NOTE),
        st.builds(Message, st.just("pitchwheel"), st.integers(1, 16), st.just(0), st.integers(-8192, 8191)),
        st.builds(Message, st.just("aftertouch"), st.integers(1, 16), st.just(0), NOTE),
    ),
    max_size=60,
)


@given(EVENTS, st.booleans())
def test_when_every_key_and_pedal_is_up_nothing_sounds(events: list[Message], mpe: bool) -> None:
    notes = NoteRouter(NoteSettings(mpe=mpe))
    gate = 0.0
    ends = [Message("note_off", channel, note) for channel in range(1, 17) for note in range(128)]
    ups = [Message("control_change", channel, 64, 0) for channel in range(1, 17)]
    for message in (*events, *ends, *ups):
        for action in notes.feed(message):
            if action.role == "gate":
                gate = action.value
            if action.role != "pitch":
                assert 0.0 <= action.value <= 1.0
    assert gate == 0.0


def test_disabled_notes_play_nothing(make: Callable[..., tuple[Midi, Stage]]) -> None:
    midi, stage = make(replace(NoteSettings(), enabled=False))
    play(midi, on(60), bend(100))
    assert not stage.log
