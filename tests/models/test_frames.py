import numpy as np
import pytest
import torch

from models.data.manifest import DataError, Sound
from models.features import Analysis, Features, analyse
from models.frames import Draws, FrameStore
from models.spectral import half_energy


def sound(name: str, note: float = 69.0) -> Sound:
    return Sound(f"{name}.wav", name, 1.0, 48_000, "train", pitch=note)


def tone(seconds: float, silence: float = 0.0) -> Features:
    time = np.arange(int(48_000 * seconds)) / 48_000
    audio = np.concatenate([0.5 * np.sin(2 * np.pi * 440 * time), np.zeros(int(48_000 * silence))])
    return analyse(audio.astype(np.float32), Analysis(), note=69.0)


@pytest.fixture(scope="module")
def store() -> FrameStore:
    return FrameStore.of([sound("a"), sound("b")], [tone(0.3, silence=0.3), tone(0.2)])


def draws(store: FrameStore, seed: int = 0, rank: int = 0) -> Draws:
    made = Draws(store.starts(4), segments=8, length=4, latent=3, warp_semitones=1.2, seed=seed)
    made.rank = rank
    return made


def test_silence_is_not_trained_on(store: FrameStore) -> None:
    first = store.active[store.sound == 0]
    assert first[:50].all()
    assert not first[70:].any()


def test_segments_stay_within_one_sound_and_its_active_frames(store: FrameStore) -> None:
    for start in store.starts(4).tolist():
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


def test_draws_go_on_where_they_are_told(store: FrameStore) -> None:
    late = draws(store)
    late.first = 3
    assert torch.equal(next(iter(late)).noise, draws(store).draw(3).noise)


def test_a_split_without_sounds_is_said() -> None:
    with pytest.raises(DataError, match="no sounds in this split"):
        FrameStore.of([], [])


def test_silence_alone_is_said() -> None:
    silent = analyse(np.zeros(4_800, np.float32), Analysis(), note=60.0)
    with pytest.raises(DataError, match="nothing but silence"):
        FrameStore.of([sound("a")], [silent])


def test_sounds_that_are_too_short_are_said() -> None:
    short = FrameStore.of([sound("a")], [tone(0.01)])
    with pytest.raises(DataError, match="longer"):
        short.starts(50)
