"""Any bytes from a MIDI cable: nothing stops, leaves its range or grows without bound."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.midi.controls.mapping import Mapping
from realtime.midi.controls.mapping_source import Source
from realtime.midi.midi import Midi
from realtime.midi.ports.framing import HEAD, LOST, MESSAGE, Frame, FrameError, Unpacker, pack
from realtime.midi.ports.port_client import Incoming
from tests.realtime.midi.stage import Stage

MESSAGES = 200_000
BATCH = 500
STATUS = [*range(0x80, 0x100)]


def mapped_everything() -> tuple[Midi, Stage]:
    """A stage on which every kind of control is mapped."""
    stage = Stage()
    midi = Midi(stage, recall=lambda _: None, tempo=lambda _: None)
    modes = ["absolute", "relative2c", "relative64", "relativesign", "toggle", "momentary"]
    targets = ["/level", "/latent/1", "/cutoff", "/mute", "/voices", "/reset", "/gone"]
    for number in range(20, 62):
        midi.map(Mapping(Source("cc", number), targets[number % 7], mode=modes[number % 6]))  # type: ignore[arg-type]
    for k, target in enumerate(targets):
        midi.map(Mapping(Source("cc14", k), target))
        midi.map(Mapping(Source("nrpn", k), target))
        midi.map(Mapping(Source("note", k), target))
        midi.map(Mapping(Source("program", k), target))
        midi.map(Mapping(Source("bend", channel=k + 1), target))
        midi.map(Mapping(Source("pressure", channel=k + 1), target))
    return midi, stage


def noise(dice: random.Random) -> bytes:
    """A message, one with its bytes mutated, or only bytes."""
    kind = dice.random()
    if kind < 0.7:
        message = bytearray((dice.choice(STATUS), dice.randrange(128), dice.randrange(128)))
    elif kind < 0.9:
        controller = dice.choice((0, 1, 6, 38, 96, 97, 98, 99, 100, 101, 120, 121, 123))
        message = bytearray((0xB0 | dice.randrange(16), controller, dice.choice((0, 1, 64, 127))))
    else:
        message = bytearray(dice.randbytes(dice.randrange(12)))
    if kind % 0.1 < 0.02 and message:
        del message[dice.randrange(len(message))]
    elif kind % 0.1 < 0.04 and message:
        message[dice.randrange(len(message))] ^= 1 << dice.randrange(8)
    return bytes(message)


def test_random_and_mutated_messages_never_stop_midi() -> None:
    dice = random.Random(3)
    midi, stage = mapped_everything()
    at = 0.0
    for first in range(0, MESSAGES, BATCH):
        at += BATCH * 0.001
        if first % 20_000 == 0:
            midi.learn(dice.choice(["/level", "/mute", "/reset", None]))
        size = dice.choice((1, BATCH))
        batch = [Incoming(at, dice.randrange(4), noise(dice), dice.random() < 0.001) for _ in range(BATCH)]
        for start in range(0, BATCH, size):
            midi.receive(batch[start : start + size])
        stage.log.clear()  # ranges were checked by the stage
    assert midi.counts.messages > MESSAGES / 2
    assert midi.counts.refused == 0, midi.counts.last_refused
    midi.learn(None)
    midi.map(Mapping(Source("cc", 19, 1), "/latent/2", pickup=False))
    midi.receive([Incoming(at, 9, b"\xb0\x13\x7f")])
    assert stage.get("/latent/2") == 6.0  # and it still plays


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=30))
def test_any_bytes_are_accepted(data: list[bytes]) -> None:
    midi, _ = mapped_everything()
    midi.receive([Incoming(float(k), k % 3, one) for k, one in enumerate(data)])
    assert midi.counts.refused == 0, midi.counts.last_refused


def test_a_refused_value_does_not_stop_midi() -> None:
    class Refusing(Stage):
        def set(self, address: str, *values: object, at: float = 0.0) -> None:
            if address == "/level":
                raise RuntimeError("no")
            super().set(address, *values, at=at)

    notified: list[str] = []
    stage = Refusing()
    midi = Midi(stage, notify=notified.append)
    midi.map(Mapping(Source("cc", 1), "/level", pickup=False))
    midi.map(Mapping(Source("cc", 1), "/latent/1", pickup=False))
    midi.map(Mapping(Source("cc", 2), "/latent/2", pickup=False))
    for size in (1, 100):
        midi.receive([Incoming(0.0, 0, bytes((0xB0, number, 127))) for number in (1, 2) for _ in range(size)])
    assert stage.get("/latent/2") == 6.0
    assert midi.counts.refused > 1
    assert notified == ["MIDI: no"]


def test_a_flood_sets_only_latest_values_and_loses_no_press_or_step() -> None:
    stage = Stage()
    midi = Midi(stage)
    midi.map(Mapping(Source("cc", 1), "/level", pickup=False))
    midi.map(Mapping(Source("cc", 3), "/latent/1", mode="relative2c", steps=1000))
    midi.map(Mapping(Source("cc", 2), "/reset"))
    batch = []
    for k in range(1000):
        batch += [bytes((0xB0, 1, k % 128)), b"\xb0\x03\x01"]
        if k % 100 == 0:
            batch += [b"\xb0\x02\x7f", b"\xb0\x02\x00"]
    stage.values["/latent/1"] = -6.0
    midi.receive([Incoming(0.0, 0, one) for one in batch])
    assert stage.get("/level") == 999 % 128 / 127
    assert stage.get("/latent/1") == 6.0  # every step counts
    assert stage.times("/reset") == 10
    assert stage.times("/level") < 30
    assert midi.counts.coalesced > 1900


def test_values_keep_their_order_around_a_press() -> None:
    stage = Stage()
    midi = Midi(stage)
    midi.map(Mapping(Source("cc", 1), "/level", pickup=False))
    midi.map(Mapping(Source("cc", 2), "/reset"))
    midi.receive([Incoming(0.0, 0, one) for one in [b"\xb0\x01\x10"] * 99 + [b"\xb0\x02\x7f"] + [b"\xb0\x01\x20"] * 99])
    assert [name for name, _, _ in stage.log] == ["/level", "/reset", "/level"]


def test_lost_messages_leave_no_hanging_note() -> None:
    stage = Stage()
    midi = Midi(stage)
    midi.receive([Incoming(0.0, 0, b"\x90\x3c\x7f"), Incoming(0.0, 0, b"", lost=True)])
    assert stage.get("/loudness") == -60
    assert midi.counts.lost == 1


FRAMES = st.builds(Frame, st.integers(MESSAGE, LOST), st.integers(0, 255), st.floats(0, 2e9), st.binary(max_size=50))


@given(st.lists(FRAMES, max_size=20), st.data())
def test_any_cut_of_the_pipe_gives_the_same_frames(frames: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(pack(one.kind, one.port, one.payload, one.at) for one in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    unpacker = Unpacker()
    got: list[Frame] = []
    for first, last in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += unpacker.feed(stream[first:last])
    assert got == frames


@given(st.binary(min_size=HEAD.size, max_size=99).filter(lambda data: not MESSAGE <= data[0] <= LOST))
def test_frames_of_an_unknown_kind_are_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        list(Unpacker().feed(data))
