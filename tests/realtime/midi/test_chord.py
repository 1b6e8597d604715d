"""Notes on a model with several voices."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.midi.midi import Midi
from realtime.midi.notes.note_router import NoteRouter
from realtime.midi.notes.settings import NoteSettings
from realtime.midi.protocol.messages import Message
from tests.realtime.midi.stage import Stage, row
from tests.realtime.midi.test_mapping import play
from tests.realtime.midi.test_notes import EVENTS, bend, off, on, pedal

VOICES = 3


def polyphonic_stage(*more: str) -> Stage:
    """A stage whose model has three voices."""
    suffixes = [f"/{voice}" for voice in range(2, VOICES + 1)]
    return Stage(
        *(row(f"/pitch{end}", 0, 127) for end in suffixes),
        *(row(f"/loudness{end}", -60, 0) for end in suffixes),
        *(row(address) for address in more),
    )


def sounding(stage: Stage) -> dict[str, float]:
    """The pitches of the voices that are not silent."""
    ends = ["", *(f"/{voice}" for voice in range(2, VOICES + 1))]
    return {f"/pitch{end}": stage.get(f"/pitch{end}") for end in ends if stage.get(f"/loudness{end}") > -60}


def test_each_note_of_a_chord_has_its_own_voice_and_velocity() -> None:
    stage = polyphonic_stage()
    play(Midi(stage), on(60, 127), on(64, 64), on(67, 1))
    assert sounding(stage) == {"/pitch": 60, "/pitch/2": 64, "/pitch/3": 67}
    assert stage.get("/loudness") > stage.get("/loudness/2") > stage.get("/loudness/3")


def test_releasing_a_note_leaves_the_others() -> None:
    stage = polyphonic_stage()
    play(Midi(stage), on(60), on(64), off(60))
    assert sounding(stage) == {"/pitch/2": 64}


def test_a_new_note_takes_the_voice_that_has_been_silent_longest() -> None:
    stage = polyphonic_stage()
    play(Midi(stage), on(60), off(60), on(62), off(62), on(64))
    assert sounding(stage) == {"/pitch/3": 64}
    play(Midi(stage), on(60))


def test_without_a_free_voice_a_pedalled_note_is_cut_off_before_the_oldest() -> None:
    stage = polyphonic_stage()
    midi = Midi(stage)
    play(midi, on(60), on(62), on(64), on(65))
    assert sounding(stage) == {"/pitch": 65, "/pitch/2": 62, "/pitch/3": 64}
    play(midi, pedal(True), off(64), on(67))
    assert sounding(stage) == {"/pitch": 65, "/pitch/2": 62, "/pitch/3": 67}


def test_a_repeated_note_keeps_its_voice() -> None:
    stage = polyphonic_stage()
    play(Midi(stage), on(60), on(64), on(60, 127))
    assert sounding(stage) == {"/pitch": 60, "/pitch/2": 64}


def test_the_pedal_holds_every_note() -> None:
    stage = polyphonic_stage()
    midi = Midi(stage)
    play(midi, pedal(True), on(60), on(64), off(60), off(64))
    assert len(sounding(stage)) == 2
    play(midi, pedal(False))
    assert not sounding(stage)


def test_a_bend_moves_every_note_of_its_channel() -> None:
    stage = polyphonic_stage()
    play(Midi(stage), on(60), on(64), bend(8191))
    assert sounding(stage) == {"/pitch": 62, "/pitch/2": 66}


def test_a_new_bend_range_moves_all_bent_notes() -> None:
    stage = polyphonic_stage()
    play(Midi(stage), on(60), on(64), bend(8191), b"\xb0\x65\x00", b"\xb0\x64\x00", b"\xb0\x06\x0c")
    assert sounding(stage) == {"/pitch": 72, "/pitch/2": 76}


def test_gates_end_notes_if_the_model_has_them() -> None:
    stage = polyphonic_stage("/gate", "/gate/2", "/gate/3")
    play(Midi(stage), on(60), on(64), off(64))
    assert (stage.get("/gate"), stage.get("/gate/2")) == (1, 0)
    assert len(sounding(stage)) == 2  # its loudness stays for the release


def test_a_model_with_another_number_of_voices_starts_without_held_notes() -> None:
    stage = polyphonic_stage()
    midi = Midi(stage)
    play(midi, on(60), on(64))
    kept = dict(stage.rows)
    stage.rows = {address: one for address, one in kept.items() if not address.startswith(("/pitch/", "/loudness/"))}
    play(midi, on(70))
    assert stage.get("/pitch") == 70
    play(midi, off(70))
    assert stage.get("/loudness") == -60


@settings(deadline=None)
@given(EVENTS, st.booleans())
def test_when_every_key_and_pedal_is_up_no_voice_sounds(events: list[Message], mpe: bool) -> None:
    notes = NoteRouter(NoteSettings(mpe=mpe), lambda channel: VOICES)
    open_voices: set[tuple[int, int]] = set()
    ends = [Message("note_off", channel, note) for channel in range(1, 17) for note in range(128)]
    ups = [Message("control_change", channel, 64, 0) for channel in range(1, 17)]
    for message in (*events, *ends, *ups):
        for action in notes.feed(message):
            assert 1 <= action.voice <= VOICES
            if action.role == "gate":
                (open_voices.add if action.value else open_voices.discard)((action.channel, action.voice))
    assert not open_voices
