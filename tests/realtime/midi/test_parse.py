"""Bytes to messages, and messages to events of controls."""

from __future__ import annotations

from typing import Any

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.midi.protocol.control_events import ControlEvent, ControlReader, RegisteredParameter, Value14
from realtime.midi.protocol.messages import Message
from realtime.midi.protocol.parser import Parser

SEVEN = st.integers(0, 127)
CHANNEL = st.integers(0, 15)
MESSAGES = st.one_of(
    st.builds(mido.Message, st.just("note_on"), channel=CHANNEL, note=SEVEN, velocity=st.integers(1, 127)),
    st.builds(mido.Message, st.just("note_off"), channel=CHANNEL, note=SEVEN, velocity=SEVEN),
    st.builds(mido.Message, st.just("control_change"), channel=CHANNEL, control=SEVEN, value=SEVEN),
    st.builds(mido.Message, st.just("polytouch"), channel=CHANNEL, note=SEVEN, value=SEVEN),
    st.builds(mido.Message, st.just("aftertouch"), channel=CHANNEL, value=SEVEN),
    st.builds(mido.Message, st.just("program_change"), channel=CHANNEL, program=SEVEN),
    st.builds(mido.Message, st.just("pitchwheel"), channel=CHANNEL, pitch=st.integers(-8192, 8191)),
    st.builds(mido.Message, st.just("songpos"), pos=st.integers(0, 16_383)),
    st.builds(mido.Message, st.sampled_from(["clock", "start", "stop", "continue"])),
    st.builds(mido.Message, st.just("sysex"), data=st.lists(SEVEN, max_size=20).map(tuple)),
)


def as_mido(one: mido.Message) -> Message | None:
    """The message as mido reads it."""
    if one.type == "sysex":
        return None
    if one.type in ("clock", "start", "stop", "continue"):
        return Message(one.type)
    if one.type == "songpos":
        return Message("songpos", value=one.pos)
    channel = one.channel + 1
    if one.type in ("note_on", "note_off"):
        return Message(one.type, channel, one.note, one.velocity)
    if one.type == "control_change":
        return Message("control_change", channel, one.control, one.value)
    if one.type == "polytouch":
        return Message("polytouch", channel, one.note, one.value)
    if one.type == "aftertouch":
        return Message("aftertouch", channel, value=one.value)
    if one.type == "program_change":
        return Message("program_change", channel, one.program)
    return Message("pitchwheel", channel, value=one.pitch)


@given(st.lists(MESSAGES, max_size=30), st.data())
def test_any_cut_of_the_bytes_gives_the_messages_that_were_sent(sent: list[mido.Message], data: st.DataObject) -> None:
    stream = b"".join(bytes(one.bin()) for one in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    parser = Parser()
    got: list[Any] = []
    for first, last in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += parser.feed(stream[first:last])
    assert got == [one for one in map(as_mido, sent) if one is not None]


@given(st.integers(0, 15), st.lists(st.tuples(SEVEN, SEVEN), min_size=1, max_size=20), st.data())
def test_running_status_works_even_with_clock_between_its_bytes(
    channel: int, pairs: list[tuple[int, int]], data: st.DataObject
) -> None:
    stream = [0xB0 | channel]
    for pair in pairs:
        for byte in pair:
            stream += [0xF8] * data.draw(st.integers(0, 2)) + [byte]
    got = list(Parser().feed(stream))
    assert [one for one in got if one.type == "control_change"] == [
        Message("control_change", channel + 1, *pair) for pair in pairs
    ]
    assert sum(one.type == "clock" for one in got) == stream.count(0xF8)


def test_a_message_cut_short_is_dropped_at_the_next_status_byte() -> None:
    assert list(Parser().feed([0x90, 60, 0x90, 61, 100])) == [Message("note_on", 1, 61, 100)]


def test_a_note_on_without_velocity_is_a_note_off() -> None:
    assert next(iter(Parser().feed([0x93, 60, 0]))).type == "note_off"


@given(st.binary(max_size=400))
def test_garbage_gives_messages_in_range_or_nothing(data: bytes) -> None:
    reader = ControlReader()
    for message in Parser().feed(data):
        for change in reader.feed(message):
            if isinstance(change, ControlEvent):
                assert 0.0 <= change.position <= 1.0
                assert 0 <= change.raw <= change.raw_max


def changes(*controllers: tuple[int, int], kind: str) -> list[ControlEvent]:
    reader = ControlReader()
    found = [one for pair in controllers for one in reader.feed(Message("control_change", 1, *pair))]
    return [one for one in found if isinstance(one, ControlEvent) and one.type == kind]


def test_a_pair_gives_14_bits_and_its_msb_alone_reaches_both_ends() -> None:
    assert changes((7, 100), (39, 5), kind="cc14")[-1].raw == 100 << 7 | 5
    alone = changes((7, 0), (7, 64), (7, 127), kind="cc14")
    assert [alone[0].position, alone[-1].position] == [0.0, 1.0]


@given(st.lists(st.integers(0, 16_383), min_size=2, max_size=60, unique=True), st.booleans())
def test_a_14_bit_fader_that_goes_one_way_never_goes_back(way: list[int], down: bool) -> None:
    value14 = Value14()
    value14.set_msb(127 * down)
    value14.set_lsb(127 * down)
    seen = []
    for value in sorted(way, reverse=down):
        seen += [value14.set_msb(value >> 7), value14.set_lsb(value & 127)]
        assert seen[-1] == value
    assert seen == sorted(seen, reverse=down)


def test_an_nrpn_has_14_bits_and_steps_up_and_down() -> None:
    got = changes((99, 3), (98, 7), (6, 64), (38, 1), (96, 0), (97, 0), (97, 0), kind="nrpn")
    assert {one.number for one in got} == {3 << 7 | 7}
    assert [one.raw for one in got[1:]] == [64 << 7 | 1, 64 << 7 | 2, 64 << 7 | 1, 64 << 7]
    assert [one.step for one in got] == [0, 0, 1, -1, -1]


def test_data_entry_without_a_selected_nrpn_is_no_nrpn() -> None:
    assert not changes((6, 64), kind="nrpn")
    assert not changes((99, 127), (98, 127), (6, 64), kind="nrpn")
    assert not changes((99, 1), (98, 1), (101, 0), (100, 0), (6, 12), kind="nrpn")


def test_the_bend_range_is_read() -> None:
    reader = ControlReader()
    found = [
        one
        for pair in ((101, 0), (100, 0), (6, 12), (38, 50))
        for one in reader.feed(Message("control_change", 4, *pair))
    ]
    assert [one for one in found if isinstance(one, RegisteredParameter)] == [
        RegisteredParameter(4, 0, 12, None),
        RegisteredParameter(4, 0, 12, 50),
    ]


@pytest.mark.parametrize(("value", "position"), [(-8192, 0.0), (0, 0.5), (8191, 1.0)])
def test_a_bend_is_centred_and_reaches_both_ends(value: int, position: float) -> None:
    (change,) = ControlReader().feed(Message("pitchwheel", 1, value=value))
    assert isinstance(change, ControlEvent)
    assert change.position == position
