"""The callback, called from Python on its own arrays, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.audio.callback import CEILING, DC_HZ
from realtime.audio.deck_mixer import DeckMixer
from realtime.ipc import rings
from realtime.ipc.memory_layout import (
    COMMANDS,
    FADE,
    GAIN,
    HISTORY,
    LOG,
    MUTE,
    OPENED,
    PENDING,
    PLUGGED,
    RING,
    UNDERRUN,
    UNPLUGGED,
    Geometry,
)
from realtime.ipc.segment_registry import SegmentRegistry
from realtime.ipc.segments import Segment

RATE = 48_000
AHEAD = 256


class Bench:
    """A mixer with one deck, whose ring is filled by the test."""

    def __init__(self, registry: SegmentRegistry, *, channels: int = 2, inside: int = 1) -> None:
        self.stream = Segment.create(Geometry("stream", channels, HISTORY), registry)
        self.deck = Segment.create(Geometry("deck", inside, RING), registry)
        self.deck["deck"][0]["lookahead"] = AHEAD
        self.mixer = DeckMixer(self.stream, RATE, channels)
        self.channels = channels

    def push(self, audio: np.ndarray) -> None:
        audio = np.atleast_2d(audio).astype(np.float32)
        assert rings.push_audio(self.deck["ring_index"], self.deck["ring"], audio.shape[0], audio)

    def play(self, *blocks: int) -> np.ndarray:
        """Play blocks and return the output [shape=(frames, channels)]."""
        played = []
        for frames in blocks:
            out = np.full(frames * self.channels, np.nan, np.float32)
            self.mixer.process(out, frames)
            played.append(out.reshape(frames, self.channels))
        return np.concatenate(played)

    def close(self) -> None:
        self.stream.close()
        self.deck.close()


@pytest.fixture
def bench(registry: SegmentRegistry) -> Iterator[Bench]:
    made = Bench(registry)
    made.mixer.plug(0, made.deck)
    yield made
    made.close()


def tone(frames: int, frequency: float = 1000.0, level: float = 0.5, start: int = 0) -> np.ndarray:
    return level * np.sin(2 * np.pi * frequency * (start + np.arange(frames)) / RATE)


def steepest(level: float, frequency: float = 1000.0) -> float:
    """Return the largest step between samples of a tone."""
    return level * 2 * np.pi * frequency / RATE


def test_silence_without_decks(registry: SegmentRegistry) -> None:
    bench = Bench(registry)
    assert not bench.play(64, 100, 1).any()
    assert bench.stream["stream"][0]["clock"] == 165
    bench.close()


def test_a_tone_passes_unchanged_but_for_the_dc_filter(bench: Bench) -> None:
    x = tone(9600)
    bench.push(x)
    played = bench.play(*[64] * 150)[:, 0]
    np.testing.assert_allclose(played[2400:9000], x[2400:9000], atol=0.5 * DC_HZ / 1000 * 1.5)
    assert bench.deck["deck"][0]["underruns"] == 0


@settings(max_examples=40, deadline=None)
@given(blocks=st.lists(st.integers(1, 400), min_size=1, max_size=30))
def test_the_output_does_not_depend_on_the_blocks(tmp_path_factory: pytest.TempPathFactory, blocks: list[int]) -> None:
    registry = SegmentRegistry(tmp_path_factory.mktemp("blocks"))
    x, played = tone(sum(blocks) + AHEAD), []
    for cut in (blocks, [1] * sum(blocks)):
        bench = Bench(registry)
        bench.push(x)
        bench.mixer.plug(0, bench.deck)
        played.append(bench.play(*cut))
        bench.close()
    registry.close()
    np.testing.assert_array_equal(played[0], played[1])


@pytest.mark.parametrize("frames", [64, 100, 441])
def test_an_underrun_is_counted_and_makes_no_step(bench: Bench, frames: int) -> None:
    """The ring runs empty in the middle of a wave, and is filled again."""
    bench.push(tone(5003))
    before = bench.play(*[frames] * (5003 // frames + 12))[:, 0]
    bench.push(tone(5000, start=977))
    after = bench.play(*[frames] * (4000 // frames))[:, 0]
    played = np.concatenate([before, after])
    assert bench.deck["deck"][0]["underruns"] == 1
    assert bench.deck["deck"][0]["missing"] > 0
    assert np.abs(np.diff(played)).max() <= 1.05 * steepest(0.5)
    assert np.abs(after).max() > 0.4, "the deck does not sound again"
    silence = before[-frames * 3 :]
    assert np.abs(silence).max() < 0.01, "the missing deck is not silent"


def test_a_deck_is_faded_in_once_its_ring_holds_the_look_ahead(bench: Bench) -> None:
    bench.push(tone(AHEAD - 1) + 0.3)
    assert not bench.play(64).any()
    bench.push(tone(AHEAD, start=AHEAD - 1) + 0.3)
    played = bench.play(64, 64)[:, 0]
    assert abs(played[0]) < 0.01
    assert np.abs(played).max() > 0.05


def test_nan_and_infinity_never_reach_the_device(bench: Bench) -> None:
    x = tone(4096)
    x[1000:1010] = np.nan
    x[2000] = np.inf
    bench.push(x)
    played = bench.play(*[64] * 60)
    assert np.isfinite(played).all()
    assert bench.stream["stream"][0]["nonfinite"] == 2 * 11
    assert np.abs(played[3000:3800]).max() > 0.4, "the sound did not come back"


def test_the_limiter_holds_the_ceiling_and_releases(bench: Bench) -> None:
    bench.push(np.concatenate([tone(9600, level=4.0), tone(20_000, level=0.25)]))
    played = bench.play(*[64] * 450)[:, 0]
    assert np.abs(played).max() <= CEILING + 1e-6
    assert np.abs(played[:9000]).max() > 0.95
    assert np.abs(played[-1000:]).max() == pytest.approx(0.25, rel=0.02)
    assert bench.stream["stream"][0]["limited"] > 0


def test_a_constant_offset_is_removed(bench: Bench) -> None:
    bench.push(np.full(30_000, 0.5))
    assert np.abs(bench.play(*[64] * 450)[-64:]).max() < 1e-3


def test_mute_and_gain_make_no_step(bench: Bench) -> None:
    bench.push(tone(32_000))
    played = [bench.play(*[64] * 50)]
    bench.mixer.command(MUTE, 1)
    played.append(bench.play(*[64] * 50))
    bench.mixer.command(MUTE, 0)
    played.append(bench.play(*[64] * 50))
    bench.mixer.command(GAIN, 0.1)
    played.append(bench.play(*[64] * 100))
    assert np.abs(played[1][-640:]).max() == 0.0
    assert np.abs(played[2][-640:]).max() > 0.4
    assert np.abs(played[3][-640:]).max() == pytest.approx(0.05, rel=0.05)
    steps = np.abs(np.diff(np.concatenate(played)[:, 0]))
    assert steps.max() <= 1.1 * steepest(0.5)


def test_two_decks_crossfade_at_constant_power(registry: SegmentRegistry) -> None:
    """Two noises, crossfaded at equal power."""
    bench = Bench(registry)
    other = Segment.create(Geometry("deck", 1, RING), registry)
    other["deck"][0]["lookahead"] = AHEAD
    noise = np.random.default_rng(0).standard_normal((2, 30_000)) * 0.1
    bench.push(noise[0])
    rings.push_audio(other["ring_index"], other["ring"], 1, noise[1:].astype(np.float32))
    bench.mixer.plug(0, bench.deck)
    bench.play(*[64] * 100)
    bench.mixer.plug(1, other, gain=1.0, ramp_ms=100)
    bench.mixer.slots[0]["target"], bench.mixer.slots[0]["step"] = 0.0, 1000 / (100 * RATE)
    played = bench.play(*[64] * 200)[:, 0]
    power = np.sqrt(np.mean(played[: 4800 + 4800].reshape(-1, 480) ** 2, axis=1))
    assert power.min() > 0.08
    assert power.max() < 0.12
    bench.close()
    other.close()


def test_stereo_stays_stereo_and_is_mixed_down_for_one_channel(registry: SegmentRegistry) -> None:
    both = np.stack([tone(4800, 500), tone(4800, 2000)])
    played = {}
    for channels in (1, 2):
        bench = Bench(registry, channels=channels, inside=2)
        bench.mixer.plug(0, bench.deck)
        bench.push(both)
        played[channels] = bench.play(*[64] * 70)[2400:]
        bench.close()
    spectrum = np.abs(np.fft.rfft(played[2][:1920] * np.hanning(1920)[:, None], axis=0))
    assert list(spectrum.argmax(axis=0) * RATE / 1920) == [500, 2000]
    np.testing.assert_allclose(played[1][:, 0], played[2].mean(axis=1), atol=1e-6)


def log(bench: Bench) -> list[tuple[int, int, float]]:
    """Take the callback's log: sample position, kind, value."""
    index, entries = bench.stream["log_index"], bench.stream["log"]
    into = np.zeros(rings.fill(index), entries.dtype)
    rings.pop_events(index, entries, into)
    return [(int(entry["sample"]), int(entry["kind"]), float(entry["value"])) for entry in into]


command = st.tuples(
    st.integers(0, 1500),
    st.sampled_from([(GAIN, 0.25), (GAIN, 1.0), (MUTE, 1.0), (MUTE, 0.0), (FADE, 0.5), (FADE, 1.0)]),
)


@settings(max_examples=40, deadline=None)
@given(asked=st.lists(command, max_size=12), blocks=st.lists(st.integers(1, 400), min_size=1, max_size=20))
def test_commands_act_at_their_sample_position_whatever_the_blocks(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[int, tuple[int, float]]], blocks: list[int]
) -> None:
    registry = SegmentRegistry(tmp_path_factory.mktemp("commands"))
    frames = sum(blocks)
    x, played, noted = tone(frames + AHEAD), [], []
    for cut in (blocks, [1] * frames):
        bench = Bench(registry)
        bench.push(x)
        bench.mixer.plug(0, bench.deck)
        for sample, (kind, value) in asked:
            assert bench.mixer.command(kind, value, over=100.0, sample=sample)
        played.append(bench.play(*cut))
        noted.append([entry for entry in log(bench) if entry[1] in (GAIN, MUTE, FADE)])
        bench.close()
    registry.close()
    np.testing.assert_array_equal(played[0], played[1])
    due = sorted((one for one in asked if one[0] < frames), key=lambda one: one[0])  # equal ones keep their order
    assert noted[0] == noted[1] == [(sample, kind, value) for sample, (kind, value) in due]


@pytest.mark.parametrize("over", [1, 64, 1000])
def test_a_fade_takes_exactly_its_time(bench: Bench, over: int) -> None:
    bench.push(tone(4000))
    bench.play(64, 64)
    bench.mixer.command(FADE, 0.25, over=over, sample=200)
    slot = bench.mixer.slots[0]
    gains = []
    for _ in range(2000):
        bench.play(1)
        gains.append(float(slot["gain"]))
    begin = 200 - 128
    np.testing.assert_allclose(gains[begin : begin + over], 1 - 0.75 * np.arange(1, over + 1) / over, atol=1e-9)
    assert set(gains[:begin]) == {1.0}
    assert set(gains[begin + over :]) == {0.25}


def test_commands_beyond_the_queue_are_applied_in_order(bench: Bench) -> None:
    """The callback's queue of later commands is full, and so is the ring before it."""
    fits = PENDING + COMMANDS
    for k in range(PENDING):
        assert bench.mixer.command(GAIN, 1.0 + k, sample=1000)
    bench.play(64)
    for k in range(COMMANDS):
        assert bench.mixer.command(GAIN, 1.0 + PENDING + k, sample=1000 + (k % 2) * 100)
    assert not bench.mixer.command(GAIN, 0.0)
    bench.play(64)
    assert bench.stream["stream"][0]["pending"] == PENDING
    bench.play(*[64] * 40)
    done = [entry for entry in log(bench) if entry[1] == GAIN]
    assert len(done) == fits
    assert [value for _, _, value in done[:PENDING]] == [1.0 + k for k in range(PENDING)]
    late = [value for _, _, value in done[PENDING:]]
    first, second = (sorted(value for value in late if value % 2 == odd) for odd in (1.0, 0.0))
    assert late == first + second
    assert bench.stream["stream"][0]["gain"] == late[-1]


def test_the_log_holds_every_change_of_a_deck(bench: Bench) -> None:
    bench.deck["deck"][0]["number"] = 7
    bench.push(tone(500))
    bench.play(*[64] * 20)
    bench.push(tone(300))
    bench.play(64)
    bench.mixer.unplug(0)
    bench.play(64)
    kinds = [(sample, kind) for sample, kind, _ in log(bench)]
    assert kinds == [(0, PLUGGED), (0, OPENED), (500, UNDERRUN), (1280, OPENED), (1344, UNPLUGGED)]


def test_after_a_device_died_its_decks_are_logged_as_unplugged_first(bench: Bench) -> None:
    bench.push(tone(2 * AHEAD))
    bench.play(AHEAD)
    bench.stream["slots"]["active"] = 0
    again = DeckMixer(bench.stream, RATE, bench.channels)
    again.plug(0, bench.deck)
    bench.mixer = again
    bench.play(64)
    kinds = [(sample, kind) for sample, kind, _ in log(bench)]
    assert kinds == [(0, PLUGGED), (0, OPENED), (AHEAD, UNPLUGGED), (AHEAD, PLUGGED), (AHEAD, OPENED)]


def test_a_deck_that_is_plugged_in_and_faded_at_once_is_logged_before_the_fade(registry: SegmentRegistry) -> None:
    bench = Bench(registry)
    bench.mixer.command(FADE, 0.5, over=100, sample=32)
    bench.play(16)
    bench.mixer.plug(0, bench.deck)
    bench.play(64)
    assert log(bench) == [(16, PLUGGED, 1.0), (32, FADE, 0.5)]
    bench.close()


def test_a_full_log_does_not_change_the_output(registry: SegmentRegistry) -> None:
    x, played = tone(LOG + 2000), []
    for read in (True, False):
        bench = Bench(registry)
        bench.mixer.plug(0, bench.deck)
        bench.push(x)
        parts = []
        for k in range(LOG + 500):
            bench.mixer.command(GAIN, 0.5 + k % 2 / 4)
            parts.append(bench.play(1))
            if read:
                log(bench)
        played.append(np.concatenate(parts))
        assert (bench.stream["stream"][0]["lost_log"] > 0) == (not read)
        bench.close()
    np.testing.assert_array_equal(played[0], played[1])


def test_history_and_meters_agree_with_the_output(bench: Bench) -> None:
    bench.push(tone(48_000, level=0.5)[: RING - 1])
    played = bench.play(*[64] * 500)
    np.testing.assert_array_equal(bench.stream["history"][: len(played)], played)
    peak, power = bench.stream["meters"][0]
    assert peak == pytest.approx(0.5, rel=0.05)
    assert 10 * np.log10(power) == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=1.0)


def test_a_deck_gets_the_sample_position_of_its_ring(bench: Bench) -> None:
    bench.play(*[64] * 10)
    bench.push(tone(2000))
    bench.play(64, 64)
    assert bench.deck["deck"][0]["play_offset"] == 640
