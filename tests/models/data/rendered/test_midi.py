from hypothesis import given
from hypothesis import strategies as st

from models.data.rendered import midi


def read_variable_length(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    while True:
        byte = data[at]
        number, at = number << 7 | byte & 0x7F, at + 1
        if not byte & 0x80:
            return number, at


@given(st.lists(st.integers(0, 2**27), min_size=1, max_size=20))
def test_every_note_is_read_back_at_its_tick(ticks: list[int]) -> None:
    events = [event for tick in ticks for event in midi.note(tick, 60, 100, 1)]
    data = midi.encode(events, end=max(ticks) + 10)
    assert data[:14] == b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x01\xe0"
    assert data[14:18] == b"MTrk"
    assert int.from_bytes(data[18:22], "big") == len(data) - 22
    at, now, on = 22, 0, []
    while data[at : at + 4] != b"":
        step, at = read_variable_length(data, at)
        now += step
        if data[at] == 0xFF:
            break
        if data[at] == 0x90:
            on.append(now)
        at += 3
    assert on == sorted(ticks)
    assert now == max(ticks) + 10


def test_a_program_change_has_two_bytes() -> None:
    assert midi.program(0, 73).message == bytes([0xC0, 73])


def test_all_sound_off_is_controller_120() -> None:
    assert midi.all_sound_off(5) == midi.Event(5, bytes([0xB0, 120, 0]))
