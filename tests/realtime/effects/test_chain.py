"""Effects: the same samples however they are cut, as late as they say, no step, and never a failure passed on."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.errors import GlitchError
from realtime.effects.built_in import BUILT_IN
from realtime.effects.chain import Chain, Effect, find, rows
from realtime.effects.effect_instance import EffectInstance

RATE = 48_000
EACH = pytest.mark.parametrize("effect", BUILT_IN, ids=lambda effect: effect.name)

pytestmark = pytest.mark.usefixtures("_denormals")


def noise(samples: int, channels: int = 2) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal((channels, samples))).astype(np.float32)


def sine(samples: int, hz: float = 220.0) -> np.ndarray:
    return np.tile(0.25 * np.sin(2 * np.pi * hz * np.arange(samples) / RATE), (2, 1)).astype(np.float32)


def play(
    chain: Chain,
    audio: np.ndarray,
    cuts: tuple[int, ...] = (128,),
    events: tuple[tuple[int, str, float], ...] = (),
) -> np.ndarray:
    """Play in pieces of these lengths in turn, cut once more where a knob is turned."""
    out, waiting, now, turn = [], sorted(events, key=lambda event: event[0]), 0, 0
    while now < audio.shape[1]:
        while waiting and waiting[0][0] <= now:
            chain.set(*waiting.pop(0)[1:])
        end = min(now + cuts[turn % len(cuts)], waiting[0][0] if waiting else audio.shape[1], audio.shape[1])
        out.append(chain.process(audio[:, now:end]))
        assert out[-1].shape == audio[:, now:end].shape
        now, turn = end, turn + 1
    return np.concatenate(out, axis=1)


def every_knob(effect: Effect) -> tuple[tuple[int, str, float], ...]:
    """Turn each knob to its edges and back, at samples that fit no grid."""
    events = []
    for k, parameter in enumerate(rows([effect])):
        at = 301 + 1500 * k
        high = 0.6 if parameter.address.endswith("feedback") else parameter.maximum
        events += [(at, parameter.address, high), (at + 701, parameter.address, parameter.minimum)]
        events.append((at + 790, parameter.address, parameter.default))
    return tuple(events)


@EACH
def test_an_effect_round_trips_through_json(effect: Effect) -> None:
    assert Effect.from_json(json.loads(json.dumps(effect.to_json()))) == effect


def test_the_table_costs_no_plugin_and_no_torch() -> None:
    code = "import sys, realtime.effects.chain as e; e.rows(e.find('reverb') and [e.find('delay')]); "
    code += "print([m for m in ('pedalboard', 'torch') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_effects_without_pedalboard_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pedalboard", None)
    with pytest.raises(GlitchError, match=r'run: pip install -e "\.\[vst\]"'):
        Chain([BUILT_IN[0]], RATE, 2)


def test_an_empty_chain_changes_nothing() -> None:
    chain = Chain([], RATE, 2)
    assert chain.latency == 0
    np.testing.assert_array_equal(play(chain, noise(1000)), noise(1000))


def test_rows_are_numbered_by_place_and_stay_within_their_range() -> None:
    made = rows([find("Reverb"), find("GAIN")])
    addresses = [parameter.address for parameter in made]
    assert addresses[:3] == ["/fx/1/bypass", "/fx/1/mix", "/fx/1/room-size"]
    assert addresses[-3:] == ["/fx/2/bypass", "/fx/2/mix", "/fx/2/gain"]
    for parameter in rows(BUILT_IN):
        assert parameter.minimum <= parameter.default <= parameter.maximum
        assert parameter.curve == "linear" or parameter.minimum > 0


@EACH
def test_any_cut_of_the_stream_gives_the_same_audio(effect: Effect) -> None:
    audio, events = noise(14_000), every_knob(effect)
    whole = play(Chain([effect], RATE, 2), audio, (14_000,), events)
    for cuts in ((128,), (1, 2, 3, 77, 500), (3000,)):
        np.testing.assert_allclose(play(Chain([effect], RATE, 2), audio, cuts, events), whole, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 700), min_size=1, max_size=8), at=st.integers(1, 6000))
def test_any_cut_gives_the_same_audio_while_a_delay_time_changes(cuts: list[int], at: int) -> None:
    audio, effects = noise(8000), [find("delay"), find("gain")]
    times = ((at + k * 400, "/fx/1/time", 0.01 + 0.02 * k) for k in range(4))
    events = (*times, (at + 5, "/fx/2/gain", -20.0))
    whole = play(Chain(effects, RATE, 2), audio, (8000,), events)
    np.testing.assert_allclose(play(Chain(effects, RATE, 2), audio, tuple(cuts), events), whole, atol=1e-5)


@EACH
def test_the_same_performance_renders_to_the_same_samples(effect: Effect) -> None:
    events = every_knob(effect)
    first = play(Chain([effect], RATE, 2), noise(14_000), (128,), events)
    np.testing.assert_array_equal(play(Chain([effect], RATE, 2), noise(14_000), (128,), events), first)


@EACH
def test_a_reset_clears_all_effects(effect: Effect) -> None:
    chain = Chain([effect], RATE, 2)
    first = play(chain, noise(3000))
    chain.reset()
    np.testing.assert_array_equal(play(chain, noise(3000)), first)


@EACH
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_the_dry_sound_lags_by_exactly_the_latency(effect: Effect, rate: int) -> None:
    chain = Chain([effect], rate, 2)
    chain.set("/fx/1/mix", 0.0)
    audio = noise(2000)
    out = play(chain, audio)
    np.testing.assert_array_equal(out[:, chain.latency :], audio[:, : 2000 - chain.latency])
    assert rate != 48_000 or chain.latency == effect.latency


TRANSPARENT = {
    "Reverb": {"wet-level": 0.0},
    "Delay": {"wet": 0.0},
    "Chorus": {"wet": 0.0},
    "Phaser": {"wet": 0.0},
    "Bitcrush": {"bits": 16.0},
    "Resample": {"rate": 48_000.0},
    "Limiter": {"threshold": 0.0},
    "HighpassFilter": {"cutoff": 20.0},
    "LowpassFilter": {"cutoff": 20_000.0},
    "LadderFilter": {"cutoff": 20_000.0},
}


@EACH
def test_the_wet_sound_lags_by_exactly_the_latency(effect: Effect) -> None:
    chain = Chain([effect], RATE, 2)
    for name, value in TRANSPARENT.get(effect.name, {}).items():
        chain.set(f"/fx/1/{name}", value)
    click = np.zeros((2, 4000), np.float32)
    click[:, 1000] = 0.25
    output = np.abs(play(chain, click)[0]).argmax()
    softened = 2 if effect.name == "LadderFilter" else 0  # four poles at 20 kHz delay by what they are
    assert 0 <= output - 1000 - chain.latency <= softened


def test_latencies_add_up() -> None:
    assert Chain([find("resample"), find("gain"), find("resample")], RATE, 2).latency == 100


def test_the_sound_goes_through_the_effects_in_their_order() -> None:
    loud, clip = find("gain"), find("clipping")
    first, last = Chain([loud, clip], RATE, 2), Chain([clip, loud], RATE, 2)
    first.set("/fx/1/gain", 20.0)
    last.set("/fx/2/gain", 20.0)
    assert np.abs(play(first, sine(4800))).max() == pytest.approx(10 ** (-6 / 20), rel=1e-3)
    assert np.abs(play(last, sine(4800))).max() == pytest.approx(2.5, rel=1e-3)


def test_a_step_of_20_db_is_a_ramp_of_30_ms() -> None:
    chain = Chain([find("gain")], RATE, 2)
    chain.set("/fx/1/gain", -20.0)
    step, ramp = 4801, 1440
    output = play(chain, sine(9600), (128,), ((step, "/fx/1/gain", 0.0),))[0]
    db = -20 + 20 * np.clip((np.arange(9600) - step) / ramp, 0, 1)
    ideal = sine(9600)[0] * 10 ** (db / 20)
    one_tick = 10 ** (20 * 2 * 16 / ramp / 20) - 1  # knobs go every 16 samples, from the next one that counts
    assert np.all(np.abs(output - ideal) <= one_tick * np.abs(ideal) + 1e-4)
    assert np.abs(np.diff(output)).max() <= 1.5 * np.abs(np.diff(ideal)).max()


@pytest.mark.parametrize(
    ("name", "knob", "low", "high"),
    [
        ("delay", "time", 0.02, 0.3),
        ("chorus", "delay", 2.0, 40.0),
        ("ladderfilter", "mode", 0.0, 1.0),
        ("reverb", "room-size", 0.0, 1.0),
        ("reverb", "dry-level", 0.0, 1.0),
        ("phaser", "centre", 100.0, 5000.0),
    ],
)
def test_a_knob_that_jumps_makes_no_click(name: str, knob: str, low: float, high: float) -> None:
    chain = Chain([find(name)], RATE, 2)
    chain.set(f"/fx/1/{knob}", low)
    events = ((24_001, f"/fx/1/{knob}", high), (36_001, f"/fx/1/{knob}", low))
    steps = np.abs(np.diff(play(chain, sine(48_000), (128,), events)[0]))
    settled = max(steps[20_000:24_000].max(), steps[32_000:36_000].max())
    assert steps[24_000:].max() <= 1.5 * settled


def test_a_fader_that_never_rests_makes_no_click_of_a_delay() -> None:
    chain = Chain([find("delay")], RATE, 2)
    events = tuple((128 * k, "/fx/1/time", 0.05 + 0.001 * k) for k in range(300))
    steps = np.abs(np.diff(play(chain, sine(48_000), (128,), events)[0]))
    assert steps.max() <= 2 * np.abs(np.diff(sine(48_000)[0])).max()
    assert not chain.problems


def test_bypass_fades_and_leaves_the_sound_where_it_was() -> None:
    chain = Chain([find("invert"), find("resample")], RATE, 2)
    chain.set("/fx/2/bypass", 1.0)
    events = ((4801, "/fx/1/bypass", 1.0),)
    out = play(chain, sine(9600), (128,), events)
    step = 4801 + chain.latency
    late = np.roll(sine(9600), chain.latency, axis=1)
    np.testing.assert_allclose(out[:, 100:4801], -late[:, 100:4801], atol=1e-6)
    np.testing.assert_allclose(out[:, step + 480 :], late[:, step + 480 :], atol=1e-6)
    assert np.abs(np.diff(out[0])).max() < 1.5 * np.abs(np.diff(late[0, 100:])).max()


def test_half_of_a_mix_does_not_comb() -> None:
    chain = Chain([find("resample")], RATE, 2)
    chain.set("/fx/1/rate", 48_000.0)
    chain.set("/fx/1/mix", 0.5)
    out = play(chain, noise(4000))
    np.testing.assert_allclose(out[:, 50:], noise(4000)[:, :-50], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 4])
@EACH
def test_any_number_of_channels_is_taken(effect: Effect, channels: int) -> None:
    chain = Chain([effect], RATE, channels)
    out = play(chain, noise(1000, channels))
    assert np.isfinite(out).all()
    assert not chain.problems


def test_non_finite_input_leaves_no_trace() -> None:
    chain = Chain([find("reverb"), find("lowpassfilter")], RATE, 2)
    audio = noise(4000)
    audio[0, 1000], audio[1, 1001] = np.nan, np.inf
    chain.set("/fx/1/wet-level", float("nan"))
    assert np.isfinite(play(chain, audio)).all()
    assert not chain.problems


@pytest.mark.parametrize("harm", ["raises", "nan", "short"])
def test_an_effect_that_fails_gives_way_to_the_dry_sound(harm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = EffectInstance._run

    def harmed(self: EffectInstance, audio: np.ndarray) -> np.ndarray:
        made = honest(self, audio)
        self.__dict__["output"] = self.__dict__.get("output", 0) + audio.shape[1]
        if self.__dict__["output"] < 20_000 or self.__dict__["name"] != "Invert":
            return made
        if harm == "raises":
            raise RuntimeError("it burns")
        return made[:, :-1] if harm == "short" else made * np.float32("nan")

    start = EffectInstance.__init__

    def named(self: EffectInstance, effect: Effect, sample_rate: float, channels: int) -> None:
        self.__dict__["name"] = effect.name
        start(self, effect, sample_rate, channels)

    monkeypatch.setattr(EffectInstance, "_run", harmed)
    monkeypatch.setattr(EffectInstance, "__init__", named)
    chain = Chain([find("invert"), find("gain")], RATE, 2)
    chain.set("/fx/2/gain", 6.0)
    out = play(chain, sine(48_000))
    louder = 10 ** (6 / 20) * sine(48_000)
    np.testing.assert_allclose(out[:, :10_000], -louder[:, :10_000], atol=1e-5)
    np.testing.assert_allclose(out[:, -10_000:], louder[:, -10_000:], atol=1e-5)
    assert np.abs(np.diff(out[0])).max() < 1.5 * np.abs(np.diff(louder[0])).max()
    assert len(chain.problems) == 1
    assert chain.problems[0].startswith("Effect 1, Invert, is bypassed: it ")


def test_an_unknown_knob_is_an_error() -> None:
    with pytest.raises(GlitchError, match="/fx/2/gain"):
        Chain([find("gain")], RATE, 2).set("/fx/2/gain", 0.0)
