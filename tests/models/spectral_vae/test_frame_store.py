import math

import numpy as np
import pytest
import torch

from models.data.features import Analysis, Features, analyse
from models.data.manifest import Sound
from models.dsp.log_magnitude import half_energy
from models.files.errors import DataError
from models.spectral_vae.frame_store import FrameStore, add_hiss
from models.training.frame_vae.sound_segments import SegmentSampler, segment_starts, span


def sound(name: str, note: float = 69.0) -> Sound:
    return Sound(f"{name}.wav", name, 1.0, 48_000, "train", pitch=note)


def tone(seconds: float, silence: float = 0.0) -> Features:
    time = np.arange(int(48_000 * seconds)) / 48_000
    audio = np.concatenate([0.5 * np.sin(2 * np.pi * 440 * time), np.zeros(int(48_000 * silence))])
    return analyse(audio.astype(np.float32), Analysis(), note=69.0)


@pytest.fixture(scope="module")
def store() -> FrameStore:
    return FrameStore.of([sound("a"), sound("b")], [tone(0.3, silence=0.3), tone(0.2)])


def draws(store: FrameStore, seed: int = 0, rank: int = 0) -> SegmentSampler:
    made = SegmentSampler(segment_starts(store, 4), segments=8, length=4, latent=3, warp_semitones=1.2, seed=seed)
    made.rank = rank
    return made


def test_silence_is_not_trained_on(store: FrameStore) -> None:
    first = store.active[store.sound == 0]
    assert first[:50].all()
    assert not first[70:].any()


def test_segments_stay_within_one_sound_and_its_active_frames(store: FrameStore) -> None:
    for start in segment_starts(store, 4).tolist():
        assert len(set(store.sound[start : start + 4].tolist())) == 1
        assert store.active[start : start + 4].all()


def test_frames_have_unit_energy_and_keep_their_peak(store: FrameStore) -> None:
    batch = store.take(torch.arange(20, 30))
    assert torch.allclose(half_energy(batch.shape), torch.ones(10, 1), atol=1e-4)
    assert (batch.shape.argmax(dim=-1) == 19).all()
    assert batch.loudness.tolist() == pytest.approx([20 * np.log10(0.5 / np.sqrt(2))] * 10, abs=0.05)


def test_warped_frames_take_their_pitch_along(store: FrameStore) -> None:
    index, semitones = torch.tensor([20, 30]), torch.tensor([12.0, -12.0])
    batch = store.take_warped(index, semitones)
    assert batch.pitch.tolist() == pytest.approx([81, 57], abs=0.01)
    assert batch.shape.argmax(dim=-1).tolist() == pytest.approx([37.5, 9.4], abs=0.6)
    assert torch.equal(batch.loudness, store.loudness[index])


def test_a_draw_depends_on_seed_rank_and_number_alone(store: FrameStore) -> None:
    one, two = draws(store).draw(7), draws(store).draw(7)
    assert torch.equal(one.index, two.index)
    assert torch.equal(one.semitones, two.semitones)
    assert torch.equal(one.noise, two.noise)
    for other in (draws(store).draw(8), draws(store, seed=1).draw(7), draws(store, rank=1).draw(7)):
        assert not torch.equal(other.noise, one.noise)


def test_draws_continue_from_the_given_number(store: FrameStore) -> None:
    late = draws(store)
    late.first = 3
    assert torch.equal(next(iter(late)).noise, draws(store).draw(3).noise)


def test_a_split_without_sounds_is_an_error() -> None:
    with pytest.raises(DataError, match="no sounds in this split"):
        FrameStore.of([], [])


def test_silence_alone_is_an_error() -> None:
    silent = analyse(np.zeros(4_800, np.float32), Analysis(), note=60.0)
    with pytest.raises(DataError, match="nothing but silence"):
        FrameStore.of([sound("a")], [silent])


def test_sounds_that_are_too_short_are_an_error() -> None:
    short = FrameStore.of([sound("a")], [tone(0.01)])
    with pytest.raises(DataError, match="longer"):
        segment_starts(short, 50)


def changing(store: FrameStore, **how: float) -> SegmentSampler:
    length = span(4, how.get("stretch", 1.0))
    return SegmentSampler(
        segment_starts(store, length), segments=200, length=4, latent=3, warp_semitones=1.2, seed=0, bins=1025, **how
    )


def test_augmentation_leaves_the_other_draws_unchanged(store: FrameStore) -> None:
    plain = changing(store).draw(5)
    loud = changing(store, gain_db=6.0, noise_db=-20.0).draw(5)
    assert torch.equal(plain.index, loud.index)
    assert torch.equal(plain.noise, loud.noise)
    assert plain.gain_db is plain.between is plain.hiss is None
    before, after = store.take_draw(plain), store.take_draw(loud)
    assert torch.equal(before.shape, store.take_warped(plain.index, plain.semitones).shape)
    assert torch.equal(before.shape, after.shape)
    gains = (after.loudness - before.loudness)[:, 0]
    assert 4 < float(gains.max()) <= 6
    assert -6 <= float(gains.min()) < -4


def test_a_stretched_segment_interpolates_frames_of_one_sound(store: FrameStore) -> None:
    draw = changing(store, stretch=2.0).draw(3)
    assert draw.between is not None
    place = draw.index + draw.between
    speed = (place[:, 3] - place[:, 0]) / 3
    assert float(speed.min()) < 0.6
    assert float(speed.max()) > 1.7
    assert (place[:, 1:] - place[:, :-1]).std(dim=1).max() < 1e-5
    assert (store.sound[draw.index] == store.sound[draw.index[:, :1]]).all()
    assert store.active[draw.index + 1].all()


def test_a_frame_halfway_is_the_mean_of_its_neighbours(store: FrameStore) -> None:
    draw = changing(store, stretch=2.0).draw(3)
    made, flat = store.take_draw(draw), torch.zeros_like(draw.semitones)
    assert draw.between is not None
    first, after = store.take_warped(draw.index, flat), store.take_warped(draw.index + 1, flat)
    mean = torch.lerp(first.loudness, after.loudness, draw.between)
    assert torch.allclose(made.loudness, mean, atol=1e-4)


@pytest.mark.parametrize("noise_db", [-60.0, -20.0, 0.0])
def test_noise_has_the_requested_level(store: FrameStore, noise_db: float) -> None:
    hiss = changing(store, noise_db=noise_db).draw(0).hiss
    assert hiss is not None
    power = (hiss**2).sum(dim=-1).sum(dim=-1)[:, 0]  # [segments]: beside a sound of unit energy
    level = 10 * torch.log10(power)
    assert float(level.max()) == pytest.approx(noise_db, abs=1.0)
    assert float(level.min()) > noise_db - 41


def test_the_encoder_gets_the_sum_of_sound_and_noise(store: FrameStore) -> None:
    shape = store.take(torch.arange(20, 30)).shape
    assert add_hiss(shape, None) is shape
    faint = add_hiss(shape, torch.zeros(10, 1025, 2))
    assert torch.allclose(faint, shape, atol=0.8)
    hiss = torch.randn(10, 1025, 2) / math.sqrt(2 * 1024)  # as loud as the sound
    output = add_hiss(shape, hiss)
    assert torch.allclose(half_energy(output), torch.ones(10, 1), atol=1e-3)
    # The sine keeps half of the energy.
    peak = (2 * output[:, 17:22]).exp().sum(dim=1)
    assert float(peak.mean()) == pytest.approx(0.5, abs=0.1)
