"""OSC packets: every type tag takes its own bytes, written packets round-trip, invalid ones are errors."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_message import OscMessage

from realtime.osc.codec import (
    IMMEDIATELY,
    IMPULSE,
    MAX_AHEAD_S,
    BadPacketError,
    TimeTag,
    messages,
    read_message,
    write_bundle,
    write_message,
)
from tests.realtime.osc.osc_stage import bundle, message


def raw(tags: str, *parts: bytes) -> bytes:
    return write_message("/x", tags="")[:4] + pad(f",{tags}".encode()) + b"".join(parts)


def pad(text: bytes) -> bytes:
    return text + bytes(4 - len(text) % 4)


INT, FLOAT = struct.pack(">i", 7), struct.pack(">f", 0.5)

ARGUMENTS = [
    ("i", struct.pack(">i", -3), -3),
    ("h", struct.pack(">q", -(2**40)), -(2**40)),
    ("f", FLOAT, 0.5),
    ("d", struct.pack(">d", 0.1), 0.1),
    ("s", pad(b"text"), "text"),
    ("S", pad("Füße".encode()), "Füße"),
    ("s", bytes(4), ""),
    ("b", struct.pack(">i", 5) + b"12345\0\0\0", b"12345"),
    ("b", struct.pack(">i", 0), b""),
    ("c", struct.pack(">i", ord("q")), "q"),
    ("t", struct.pack(">II", 3, 1 << 31), TimeTag(3, 1 << 31)),
    ("r", bytes([255, 128, 0, 64]), (255, 128, 0, 64)),
    ("m", bytes([0, 0x90, 60, 100]), (0, 0x90, 60, 100)),
    ("T", b"", True),
    ("F", b"", False),
    ("N", b"", None),
    ("I", b"", IMPULSE),
]


@pytest.mark.parametrize(("tag", "data", "value"), ARGUMENTS)
def test_an_argument_of_every_type_takes_its_own_bytes(tag: str, data: bytes, value: object) -> None:
    """Arguments before and after it are still read correctly."""
    read = read_message(raw(f"i{tag}f", INT, data, FLOAT))
    assert read.address == "/x"
    assert read.params == (7, value, 0.5)
    assert type(read.params[1]) is type(value)


@pytest.mark.parametrize(("tag", "data", "value"), [row for row in ARGUMENTS if row[0] not in "TFNI"])
def test_no_argument_may_be_cut_short(tag: str, data: bytes, value: object) -> None:
    with pytest.raises(BadPacketError):
        read_message(raw(tag, data)[:-4])


def test_arrays_hold_arguments_and_arrays() -> None:
    assert read_message(raw("i[f[iT]]f", INT, FLOAT, INT, FLOAT)).params == (7, [0.5, [7, True]], 0.5)
    assert read_message(raw("[]")).params == ([],)


def test_a_message_without_type_tags_has_no_arguments() -> None:
    assert read_message(b"/bang\0\0\0") == ("/bang", ())


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"x", b"/", b"/abc", b"/ab\0\0", b"/ab\0f\0\0\0", b"/ab\0,f", b"\xc0/ab\0", b"/\xff\0\0,\0\0\0"),
        *(raw("z"), raw("["), raw("]"), raw("[]]"), raw("[" * 64 + "]" * 64)),
        raw("b", struct.pack(">i", -4)),
        raw("b", struct.pack(">i", 2**31 - 1), b"1234"),
        raw("c", struct.pack(">i", -1)),
        raw("c", struct.pack(">i", 0xDC00)),
        raw("s", b"\xff\xff\xff\0"),
    ],
)
def test_invalid_messages_are_refused(data: bytes) -> None:
    with pytest.raises(BadPacketError):
        read_message(data)


numbers = st.one_of(
    st.booleans(),
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(width=32, allow_nan=False),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
)


@given(values=st.lists(numbers, max_size=10))
def test_written_messages_round_trip(values: list[object]) -> None:
    assert read_message(write_message("/some/where", values)).params == tuple(values)


@given(values=st.lists(numbers, max_size=10))
def test_python_osc_reads_what_is_written(values: list[object]) -> None:
    assert OscMessage(write_message("/some/where", values)).params == values


def test_a_double_beyond_all_floats_is_written_as_infinite() -> None:
    assert read_message(write_message("/x", [1e300, -1e300])).params == (float("inf"), -float("inf"))


def test_values_without_an_osc_type_are_refused() -> None:
    with pytest.raises(TypeError, match="OSC has no type"):
        write_message("/x", [object()])


def test_a_bundle_that_is_written_is_read_in_order() -> None:
    data = write_bundle([write_message("/a", [1]), write_message("/b", [2.0])])
    assert messages(data) == [(("/a", (1,)), IMMEDIATELY), (("/b", (2.0,)), IMMEDIATELY)]


def test_a_truncated_bundle_has_no_effect() -> None:
    data = bundle(0, message("/a", 1.0), message("/b", 2.0))
    for length in range(len(data)):
        if length not in (16, 16 + 4 + 12):  # an empty bundle, and one of the first message: both whole
            with pytest.raises(BadPacketError):
                messages(data[:length])


def test_each_bundle_in_a_bundle_has_its_own_time() -> None:
    now = time.time()
    data = bundle(now + 1, message("/a", 1.0), bundle(now + 2, message("/b", 1.0)), bundle(now - 5, message("/c", 1.0)))
    assert [when for _, when in messages(data)] == pytest.approx([now + 1, now + 2, now - 5], abs=1e-6)


def test_a_time_tag_of_a_clock_that_is_wrong_is_refused() -> None:
    now = time.time()
    assert messages(bundle(now + MAX_AHEAD_S - 60, message("/a", 1.0)))
    with pytest.raises(BadPacketError, match="clock is wrong"):
        messages(bundle(now + MAX_AHEAD_S + 60, message("/a", 1.0)))
