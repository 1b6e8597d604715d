"""The callback, driven from Python on the arrays it plays from: what is heard, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime import rings
from realtime.memory import GAIN, HISTORY, MUTE, RING, Geometry, Registry, Segment
from realtime.mixer import CEILING, DC_HZ, Mixer

RATE = 48_000
AHEAD = 256


class Bench:
    """A mixer with one deck whose ring the test fills."""

    def __init__(self, registry: Registry, *, channels: int = 2, inside: int = 1) -> None:
        self.stream = Segment.create(Geometry("stream", channels, HISTORY), registry)
        self.deck = Segment.create(Geometry("deck", inside, RING), registry)
        self.deck["deck"][0]["ahead"] = AHEAD
        self.mixer = Mixer(self.stream, RATE, channels)
        self.channels = channels

    def push(self, audio: np.ndarray) -> None:
        audio = np.atleast_2d(audio).astype(np.float32)
        assert rings.push_audio(self.deck["ring_index"], self.deck["ring"], audio.shape[0], audio)

    def play(self, *blocks: int) -> np.ndarray:
        """Play blocks and give what was heard [shape=(frames, channels)]."""
        heard = []
        for frames in blocks:
            out = np.full(frames * self.channels, np.nan, np.float32)
            self.mixer.process(out, frames)
            heard.append(out.reshape(frames, self.channels))
        return np.concatenate(heard)

    def close(self) -> None:
        self.stream.close()
        self.deck.close()


@pytest.fixture
def bench(registry: Registry) -> Iterator[Bench]:
    made = Bench(registry)
    made.mixer.plug(0, made.deck)
    yield made
    made.close()


def tone(frames: int, frequency: float = 1000.0, level: float = 0.5, start: int = 0) -> np.ndarray:
    return level * np.sin(2 * np.pi * frequency * (start + np.arange(frames)) / RATE)


def steepest(level: float, frequency: float = 1000.0) -> float:
    """Largest step from sample to sample of a tone."""
    return level * 2 * np.pi * frequency / RATE


def test_silence_without_decks(registry: Registry) -> None:
    bench = Bench(registry)
    assert not bench.play(64, 100, 1).any()
    assert bench.stream["stream"][0]["clock"] == 165
    bench.close()


def test_a_tone_passes_unchanged_but_for_the_dc_filter(bench: Bench) -> None:
    x = tone(9600)
    bench.push(x)
    heard = bench.play(*[64] * 150)[:, 0]
    np.testing.assert_allclose(heard[2400:9000], x[2400:9000], atol=0.5 * DC_HZ / 1000 * 1.5)
    assert bench.deck["deck"][0]["underruns"] == 0


@settings(max_examples=40, deadline=None)
@given(blocks=st.lists(st.integers(1, 400), min_size=1, max_size=30))
def test_the_sound_does_not_depend_on_the_blocks(tmp_path_factory: pytest.TempPathFactory, blocks: list[int]) -> None:
    registry = Registry(tmp_path_factory.mktemp("blocks"))
    x, heard = tone(sum(blocks) + AHEAD), []
    for cut in (blocks, [1] * sum(blocks)):
        bench = Bench(registry)
        bench.push(x)
        bench.mixer.plug(0, bench.deck)
        heard.append(bench.play(*cut))
        bench.close()
    registry.close()
    np.testing.assert_array_equal(*heard)


@pytest.mark.parametrize("frames", [64, 100, 441])
def test_an_underrun_is_counted_and_never_steps(bench: Bench, frames: int) -> None:
    """Frames come for a while, fail in the middle of a wave, and come again."""
    bench.push(tone(5003))
    before = bench.play(*[frames] * (5003 // frames + 12))[:, 0]
    bench.push(tone(5000, start=977))
    after = bench.play(*[frames] * (4000 // frames))[:, 0]
    heard = np.concatenate([before, after])
    assert bench.deck["deck"][0]["underruns"] == 1
    assert bench.deck["deck"][0]["missing"] > 0
    assert np.abs(np.diff(heard)).max() <= 1.05 * steepest(0.5)
    assert np.abs(after).max() > 0.4, "the deck is not heard again"
    silence = before[-frames * 3 :]
    assert np.abs(silence).max() < 0.01, "the missing deck is not silent"


def test_a_deck_is_faded_in_and_waits_for_its_mark(bench: Bench) -> None:
    bench.push(tone(AHEAD - 1) + 0.3)
    assert not bench.play(64).any()
    bench.push(tone(AHEAD, start=AHEAD - 1) + 0.3)
    heard = bench.play(64, 64)[:, 0]
    assert abs(heard[0]) < 0.01
    assert np.abs(heard).max() > 0.05


def test_no_number_reaches_the_device_but_numbers(bench: Bench) -> None:
    x = tone(4096)
    x[1000:1010] = np.nan
    x[2000] = np.inf
    bench.push(x)
    heard = bench.play(*[64] * 60)
    assert np.isfinite(heard).all()
    assert bench.stream["stream"][0]["nonfinite"] == 2 * 11
    assert np.abs(heard[3000:3800]).max() > 0.4, "the sound did not come back"


def test_the_limiter_holds_the_ceiling_and_lets_go(bench: Bench) -> None:
    bench.push(np.concatenate([tone(9600, level=4.0), tone(20_000, level=0.25)]))
    heard = bench.play(*[64] * 450)[:, 0]
    assert np.abs(heard).max() <= CEILING + 1e-6
    assert np.abs(heard[:9000]).max() > 0.95
    assert np.abs(heard[-1000:]).max() == pytest.approx(0.25, rel=0.02)
    assert bench.stream["stream"][0]["limited"] > 0


def test_a_constant_offset_is_taken_away(bench: Bench) -> None:
    bench.push(np.full(30_000, 0.5))
    assert np.abs(bench.play(*[64] * 450)[-64:]).max() < 1e-3


def test_mute_and_gain_never_step(bench: Bench) -> None:
    bench.push(tone(32_000))
    heard = [bench.play(*[64] * 50)]
    bench.mixer.command(MUTE, 1)
    heard.append(bench.play(*[64] * 50))
    bench.mixer.command(MUTE, 0)
    heard.append(bench.play(*[64] * 50))
    bench.mixer.command(GAIN, 0.1)
    heard.append(bench.play(*[64] * 100))
    assert np.abs(heard[1][-640:]).max() == 0.0
    assert np.abs(heard[2][-640:]).max() > 0.4
    assert np.abs(heard[3][-640:]).max() == pytest.approx(0.05, rel=0.05)
    steps = np.abs(np.diff(np.concatenate(heard)[:, 0]))
    assert steps.max() <= 1.1 * steepest(0.5)


def test_two_decks_cross_without_a_step_and_without_a_hole(registry: Registry) -> None:
    """Two tones far apart in pitch, faded one into the other at equal power."""
    bench = Bench(registry)
    other = Segment.create(Geometry("deck", 1, RING), registry)
    other["deck"][0]["ahead"] = AHEAD
    noise = np.random.default_rng(0).standard_normal((2, 30_000)) * 0.1
    bench.push(noise[0])
    rings.push_audio(other["ring_index"], other["ring"], 1, noise[1:].astype(np.float32))
    bench.mixer.plug(0, bench.deck)
    bench.play(*[64] * 100)
    bench.mixer.plug(1, other, gain=1.0, ramp_ms=100)
    bench.mixer.slots[0]["target"], bench.mixer.slots[0]["step"] = 0.0, 1000 / (100 * RATE)
    heard = bench.play(*[64] * 200)[:, 0]
    power = np.sqrt(np.mean(heard[: 4800 + 4800].reshape(-1, 480) ** 2, axis=1))
    assert power.min() > 0.08
    assert power.max() < 0.12
    bench.close()
    other.close()


def test_stereo_stays_stereo_and_one_channel_hears_both(registry: Registry) -> None:
    both = np.stack([tone(4800, 500), tone(4800, 2000)])
    heard = {}
    for channels in (1, 2):
        bench = Bench(registry, channels=channels, inside=2)
        bench.mixer.plug(0, bench.deck)
        bench.push(both)
        heard[channels] = bench.play(*[64] * 70)[2400:]
        bench.close()
    spectrum = np.abs(np.fft.rfft(heard[2][:1920] * np.hanning(1920)[:, None], axis=0))
    assert list(spectrum.argmax(axis=0) * RATE / 1920) == [500, 2000]
    np.testing.assert_allclose(heard[1][:, 0], heard[2].mean(axis=1), atol=1e-6)


def test_history_and_meters_tell_what_was_heard(bench: Bench) -> None:
    bench.push(tone(48_000, level=0.5)[: RING - 1])
    heard = bench.play(*[64] * 500)
    np.testing.assert_array_equal(bench.stream["history"][: len(heard)], heard)
    peak, power = bench.stream["meters"][0]
    assert peak == pytest.approx(0.5, rel=0.05)
    assert 10 * np.log10(power) == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=1.0)


def test_a_deck_learns_where_on_the_time_line_it_sounds(bench: Bench) -> None:
    bench.play(*[64] * 10)
    bench.push(tone(2000))
    bench.play(64, 64)
    assert bench.deck["deck"][0]["play_offset"] == 640
