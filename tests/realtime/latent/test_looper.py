"""The looper repeats what was played and adds nothing twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from realtime.latent.looper import MAX_CONTRIBUTION, MAX_S, Looper

SIZE, RATE = 2, 10.0
SEEDS = st.integers(0, 2**32 - 1)
LENGTHS = st.integers(1, 40)


class Player:
    """A performer at a looper: moves faders and records gesture plus contribution."""

    def __init__(self) -> None:
        self.loop = Looper(SIZE, RATE)
        self.switches: dict[str, Any] = {"record": False, "overdub": False, "play": False, "speed": 1.0}

    def perform(self, gestures: np.ndarray, **switches: Any) -> np.ndarray:
        """Steer through gestures [shape=(frames, latents)], with switches as they now stand."""
        self.switches |= switches
        played, faders = [], np.zeros(SIZE)
        for gesture in gestures:
            faders[:] = gesture  # the same memory each time: the loop must not hold on to it
            played.append(faders + self.loop.next(faders, **self.switches))
        return np.array(played)

    def hold(self, gesture: np.ndarray, frames: int, **switches: Any) -> np.ndarray:
        """Leave the faders where they are."""
        return self.perform(np.tile(gesture, (frames, 1)), **switches)


def gestures(seed: int, frames: int) -> np.ndarray:
    """Make a gesture from standard scores [shape=(frames, latents)]."""
    return np.random.default_rng(seed).uniform(-6, 6, (frames, SIZE))


def recorded(gesture: np.ndarray) -> Player:
    """Record a gesture, and stay at its end."""
    player = Player()
    player.perform(gesture, record=True)
    return player


@given(SEEDS, LENGTHS)
def test_the_loop_repeats_the_recorded_gesture(seed: int, frames: int) -> None:
    gesture, player = gestures(seed, frames), Player()
    assert_array_equal(player.perform(gesture, record=True), gesture)
    assert_allclose(player.hold(gesture[-1], 3 * frames, record=False), np.tile(gesture, (3, 1)), atol=1e-6)


@given(SEEDS, LENGTHS)
def test_later_gestures_are_added_to_the_loop(seed: int, frames: int) -> None:
    gesture = gestures(seed, frames)
    player = recorded(gesture)
    player.hold(gesture[-1], frames, record=False)
    later = gestures(seed + 1, frames)
    assert_allclose(player.perform(later) - later, gesture - gesture[-1], atol=1e-6)


@given(SEEDS, st.integers(2, 40), st.data())
def test_an_overdub_repeats_and_leaves_other_frames_unchanged(seed: int, frames: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, frames))
    count = data.draw(st.integers(1, frames))
    gesture = gestures(seed, frames)
    player = recorded(gesture)
    player.hold(gesture[-1], first, record=False)
    moved = gestures(seed + 1, count)
    moved[0] = gesture[-1]  # an overdub begins where the faders are
    played = player.perform(moved, overdub=True)
    rest = player.hold(moved[-1], 2 * frames, overdub=False)
    expected = gesture.copy()
    expected[(first + np.arange(count)) % frames] = played
    at = (first + count + np.arange(2 * frames)) % frames
    assert_allclose(rest, expected[at], atol=1e-6)


@given(SEEDS, st.integers(2, 20), st.integers(2, 5))
def test_the_last_round_of_a_long_overdub_repeats(seed: int, frames: int, rounds: int) -> None:
    gesture = 0.1 * gestures(seed, frames)
    player = recorded(gesture)
    player.hold(gesture[-1], frames, record=False)
    moved = np.concatenate([gesture[-1:], 0.1 * gestures(seed + 1, rounds * frames - 1)])
    played = player.perform(moved, overdub=True)
    assert_allclose(player.hold(moved[-1], frames, overdub=False), played[-frames:], atol=1e-6)


@settings(deadline=None)
@given(SEEDS, st.integers(20, 60), st.floats(0.3, 4), st.booleans())
@example(0, 20, 1.6, False)  # ten steps of 1.6 add up to a hair less than 16
def test_an_overdub_at_any_speed_leaves_no_frame_out(seed: int, frames: int, speed: float, back: bool) -> None:
    gesture = gestures(seed, frames)
    player = recorded(gesture)
    speed = -speed if back else speed
    player.hold(gesture[-1], 1, record=False, speed=speed)  # from the beginning, now a step on
    count = int((frames - 2) / abs(speed)) - 1
    moved = np.concatenate([gesture[-1:], gestures(seed + 1, count - 1)])
    player.perform(moved, overdub=True)
    player.hold(moved[-1], 1, overdub=False)
    after = player.hold(moved[-1], frames, speed=1.0, play=True)
    passed = np.round(abs(speed) * (1 + np.arange(count)), 9)  # a place is that of a whole frame if it is that near
    frame = (-np.arange(frames) if back else np.arange(frames)) % frames
    added = [np.interp(np.arange(frames), passed, moved[:, k] - gesture[-1, k], right=0.0) for k in range(SIZE)]
    assert_allclose(after[frame], gesture[frame] + np.transpose(added), atol=1e-6)


@settings(deadline=None)
@given(SEEDS, st.integers(20, 60), st.floats(0.3, 4), st.booleans())
def test_a_linear_gesture_overdubbed_at_any_speed_repeats(seed: int, frames: int, speed: float, back: bool) -> None:
    gesture = gestures(seed, frames)
    player = recorded(gesture)
    speed = -speed if back else speed
    player.hold(gesture[-1], 1, record=False, speed=speed)
    count = int((frames - 2) / abs(speed)) - 1
    straight = gesture[-1] + np.outer(np.arange(count), [0.01, -0.02])
    played = player.perform(straight, overdub=True)
    player.hold(straight[-1], 1, overdub=False)
    again = player.hold(straight[-1], count + 1, play=True)[1:]
    edge = int(np.ceil(1 / abs(speed)))  # there, the value lies between a frame that was passed and one that wasn't
    assert_allclose(again[edge : count - edge], played[edge : count - edge], atol=1e-6)


@given(SEEDS, st.integers(1, 10), st.integers(1, 4), st.booleans())
def test_an_overdub_at_whole_speeds_repeats_any_gesture(seed: int, rounds: int, speed: int, back: bool) -> None:
    frames = speed * (rounds + 1)
    gesture = gestures(seed, frames)
    player = recorded(gesture)
    player.hold(gesture[-1], rounds + 1, record=False, speed=-speed if back else speed)
    moved = np.concatenate([gesture[-1:], gestures(seed + 1, rounds)])
    played = player.perform(moved, overdub=True)
    assert_allclose(player.hold(moved[-1], rounds + 1, overdub=False), played, atol=1e-6)


def test_an_overdub_at_half_speed_counts_once() -> None:
    player = recorded(np.zeros((10, SIZE)))
    player.hold(np.zeros(SIZE), 4, record=False, speed=0.5)
    player.hold(np.zeros(SIZE), 1, overdub=True)
    for frame in range(10):
        assert_array_equal(player.hold(np.full(SIZE, 3.0), 1), np.full((1, SIZE), 3.0), err_msg=str(frame))


@pytest.mark.parametrize("frame", [4, 9, 10])
def test_passing_a_frame_back_and_forth_counts_once(frame: int) -> None:
    player = recorded(np.zeros((10, SIZE)))
    player.hold(np.zeros(SIZE), 1, record=False, speed=frame - 0.25)
    player.hold(np.zeros(SIZE), 1, overdub=True, speed=0.5)
    for k in range(12):
        player.switches["speed"] *= -1
        assert_array_equal(player.hold(np.full(SIZE, 3.0), 1), np.full((1, SIZE), 3.0), err_msg=str(k))


def test_a_loop_shorter_than_a_step_is_added_to_once_a_frame() -> None:
    player = recorded(np.zeros((1, SIZE)))
    player.hold(np.zeros(SIZE), 1, record=False, speed=4.0)
    player.hold(np.zeros(SIZE), 1, overdub=True)
    assert_allclose(player.hold(np.ones(SIZE), 4)[:, 0], [1, 2, 3, 4])


def test_an_overdub_on_a_held_loop_keeps_the_last_fader_position() -> None:
    player = recorded(np.zeros((4, SIZE)))
    player.hold(np.zeros(SIZE), 2, record=False)
    player.hold(np.zeros(SIZE), 1, overdub=True, speed=0.0)
    player.perform(np.outer([1.0, 5.0, 2.0], np.ones(SIZE)))
    played = player.hold(np.full(SIZE, 2.0), 8, overdub=False, speed=1.0)
    assert_allclose(played[:, 0], [2, 0, 0, 0, 2, 0, 0, 0], atol=1e-6)


def test_a_fader_left_off_its_place_cannot_run_away() -> None:
    player = recorded(np.zeros((3, SIZE)))
    player.hold(np.zeros(SIZE), 3, record=False)
    player.hold(np.zeros(SIZE), 1, overdub=True)
    player.hold(np.full(SIZE, 6.0), 3000)
    assert np.abs(player.hold(np.zeros(SIZE), 3)).max() == MAX_CONTRIBUTION


def test_speed_zero_holds_and_the_loop_goes_on_from_there() -> None:
    gesture = gestures(1, 8)
    player = recorded(gesture)
    player.hold(gesture[-1], 3, record=False)
    held = player.hold(gesture[-1], 5, speed=0.0)
    assert_allclose(held, np.tile(gesture[3], (5, 1)), atol=1e-6)
    assert_allclose(player.hold(gesture[-1], 2, speed=1.0), gesture[3:5], atol=1e-6)


def test_below_zero_the_loop_runs_backwards() -> None:
    gesture = gestures(2, 7)
    player = recorded(gesture)
    played = player.hold(gesture[-1], 14, record=False, speed=-1.0)
    assert_allclose(played, gesture[-np.arange(14) % 7], atol=1e-6)


@given(SEEDS, LENGTHS, st.floats(-4, 4))
def test_at_any_speed_the_loop_goes_straight_from_frame_to_frame_round_and_round(
    seed: int, frames: int, speed: float
) -> None:
    gesture = gestures(seed, frames)
    player = recorded(gesture)
    played = player.hold(gesture[-1], 60, record=False, speed=speed)
    at = (speed * np.arange(60)) % frames
    wrapped = np.concatenate([gesture, gesture[:1]])
    expected = [np.interp(at, np.arange(frames + 1), wrapped[:, k]) for k in range(SIZE)]
    assert_allclose(played, np.transpose(expected), atol=1e-6)


def test_playing_again_begins_at_the_beginning_and_stopping_leaves_the_gesture_alone() -> None:
    gesture = gestures(3, 9)
    player = recorded(gesture)
    player.hold(gesture[-1], 4, record=False)
    assert_allclose(player.hold(gesture[-1], 4, play=True), gesture[:4], atol=1e-6)
    assert_array_equal(player.hold(gesture[-1], 3, play=False), np.tile(gesture[-1], (3, 1)))
    assert_allclose(player.hold(gesture[-1], 9, play=True), gesture, atol=1e-6)


def test_recording_again_forgets_the_old_loop() -> None:
    player = recorded(gestures(4, 9))
    player.hold(np.zeros(SIZE), 5, record=False)
    again = gestures(5, 4)
    assert_array_equal(player.perform(again, record=True), again)
    assert_allclose(player.hold(again[-1], 8, record=False), np.tile(again, (2, 1)), atol=1e-6)


def test_the_play_switch_has_no_effect_while_recording() -> None:
    gesture, player = gestures(6, 6), Player()
    player.perform(gesture[:2], record=True)
    player.perform(gesture[2:4], play=True)
    player.perform(gesture[4:], play=False)
    assert_allclose(player.hold(gesture[-1], 6, record=False), gesture, atol=1e-6)


def test_without_a_loop_nothing_plays() -> None:
    gesture, player = gestures(7, 5), Player()
    assert_array_equal(player.perform(gesture, play=True, overdub=True), gesture)
    assert player.loop.mode == "stopped"


def test_an_overdub_that_was_on_before_begins_with_the_loop() -> None:
    gesture, player = gestures(8, 5), Player()
    player.perform(gesture, record=True, overdub=True)
    moved = np.concatenate([gesture[-1:], gestures(9, 4)])
    played = player.perform(moved, record=False)
    assert_allclose(player.hold(moved[-1], 5, overdub=False), played, atol=1e-6)


def test_stopping_ends_an_overdub() -> None:
    gesture = gestures(10, 6)
    player = recorded(gesture)
    player.hold(gesture[-1], 6, record=False, play=True)
    moved = np.concatenate([gesture[-1:], gestures(11, 2)])
    played = player.perform(moved, overdub=True)
    player.hold(moved[-1], 2, play=False)
    expected = np.concatenate([played, gesture[3:]])
    assert_allclose(player.hold(moved[-1], 6, overdub=False, play=True), expected, atol=1e-6)


def test_a_recording_that_is_full_closes_by_itself() -> None:
    longest = int(MAX_S * RATE)
    gesture, player = gestures(12, longest), Player()
    assert_array_equal(player.perform(gesture, record=True), gesture)
    assert_allclose(player.hold(gesture[-1], longest), gesture, atol=1e-6)
    assert_allclose(player.hold(gesture[-1], 5, record=False), gesture[:5], atol=1e-6)
    assert player.loop.length == longest


@pytest.mark.parametrize("recording", [False, True])
def test_a_cleared_loop_is_empty_until_the_next_recording(recording: bool) -> None:
    gesture = gestures(13, 6)
    player = recorded(gesture)
    if not recording:
        player.hold(gesture[-1], 2, record=False, overdub=True)
    player.loop.clear()
    assert player.loop.length == 0
    assert_array_equal(player.perform(gesture), gesture)
    player.switches["record"] = False
    assert_array_equal(player.perform(gesture), gesture)


SWITCHES = st.fixed_dictionaries(
    {
        "record": st.sampled_from([False, False, False, True]),
        "overdub": st.booleans(),
        "play": st.booleans(),
        "speed": st.floats(-4, 4) | st.integers(-4, 4),
    }
)
PLAYING = st.lists(st.tuples(SWITCHES, st.integers(1, 12)), max_size=6)
Playing = list[tuple[dict[str, Any], int]]


def play(loop: Looper, playing: Playing, seed: int) -> np.ndarray:
    """Turn switches, and leave each for some frames."""
    steered = gestures(seed, sum(frames for _, frames in playing))
    switches = [held for held, frames in playing for _ in range(frames)]
    return np.array([loop.next(g, **held) for g, held in zip(steered, switches, strict=True)])


def with_a_loop(playing: Playing, seed: int, rate: float = 1.0) -> Looper:
    """Record a few frames, and play with them."""
    loop = Looper(SIZE, rate)
    play(loop, [({"record": True, "overdub": False, "play": False, "speed": 1.0}, 7), *playing], seed)
    return loop


def fill(loop: Looper, other: Looper) -> None:
    """Put what is in another loop into a loop."""
    loop._frames[:], loop._anchor[:], loop._length = other._frames, other._anchor, other._length


@settings(deadline=None)
@given(PLAYING, PLAYING, PLAYING, SEEDS)
def test_a_restored_loop_continues_identically(before: Playing, meanwhile: Playing, after: Playing, seed: int) -> None:
    loop, twin = with_a_loop(before, seed), with_a_loop(meanwhile, seed + 1)
    fill(twin, loop)
    twin.restore(loop.snapshot())
    assert (twin.mode, twin.length) == (loop.mode, loop.length)
    assert_array_equal(play(twin, after, seed + 2), play(loop, after, seed + 2))


@settings(deadline=None)
@given(PLAYING, PLAYING, PLAYING, SEEDS)
def test_a_state_restored_into_another_loop_stays_in_bounds(
    there: Playing, here: Playing, after: Playing, seed: int
) -> None:
    other, loop = with_a_loop(there, seed, 0.1), with_a_loop(here, seed + 1, 0.1)
    loop.restore(other.snapshot())
    assert np.isfinite(play(loop, after, seed + 2)).all()
    assert loop.length <= MAX_S * 0.1


def test_a_place_beyond_the_end_of_another_loop_is_taken_round() -> None:
    long, gesture = recorded(gestures(14, 30)), gestures(15, 10)
    long.hold(np.zeros(SIZE), 26, record=False)
    player = recorded(gesture)
    player.hold(gesture[-1], 1, record=False)
    player.loop.restore(long.loop.snapshot())
    assert_allclose(player.hold(gesture[-1], 3), gesture[6:9], atol=1e-6)


def test_a_state_that_plays_is_silent_where_nothing_is_recorded() -> None:
    player = recorded(gestures(16, 5))
    player.hold(np.zeros(SIZE), 2, record=False)
    empty = Looper(SIZE, RATE)
    empty.restore(player.loop.snapshot())
    assert empty.mode == "stopped"
    assert_array_equal(empty.place(), np.zeros(SIZE))
