import librosa
import pytest
import torch

from models.dsp.transforms.frequency_scales import octaves
from models.dsp.transforms.griffin_lim import MOMENTUM, griffin_lim, impose
from models.dsp.transforms.nsgt import NSGT
from models.dsp.transforms.stft import STFT
from models.dsp.transforms.transform_base import TransformError
from tests.models.dsp.transforms.sounds import RATE, SPECTRUM, music, spectral_convergence_db

STFT_ = STFT(SPECTRUM)


@pytest.mark.parametrize("momentum", [0.0, MOMENTUM])
def test_it_comes_as_close_as_librosas(momentum: float) -> None:
    audio = music()
    magnitudes = STFT_(audio).abs()
    ours = griffin_lim(magnitudes, STFT_, rounds=32, momentum=momentum, length=len(audio))
    theirs = librosa.griffinlim(
        magnitudes.numpy(),
        n_iter=32,
        hop_length=SPECTRUM.hop,
        momentum=momentum,
        pad_mode="constant",
        length=len(audio),
        random_state=0,
    )
    ours_db, theirs_db = (spectral_convergence_db(x, magnitudes, STFT_) for x in (ours, torch.from_numpy(theirs)))
    assert ours_db < theirs_db + 1  # each begins with random phases of its own


def test_without_momentum_no_round_makes_it_worse() -> None:
    audio = music()
    magnitudes = STFT_(audio).abs()
    errors_db = [
        spectral_convergence_db(griffin_lim(magnitudes, STFT_, rounds=k, length=len(audio)), magnitudes, STFT_)
        for k in range(0, 16, 3)
    ]
    assert errors_db == sorted(errors_db, reverse=True)
    assert errors_db[-1] < errors_db[0] - 5


def test_with_true_phases_it_stays_where_it_is() -> None:
    audio = music()
    spectrum = STFT_(audio)
    made = griffin_lim(spectrum.abs(), STFT_, rounds=3, start=spectrum, length=len(audio))
    torch.testing.assert_close(made, audio, atol=1e-4, rtol=0)


def test_magnitudes_of_any_transform_are_inverted() -> None:
    audio = music(seconds=0.5)
    nsgt = NSGT(octaves(110, 20_000, 12), RATE)
    magnitudes = nsgt(audio).abs()
    made = griffin_lim(magnitudes, nsgt, rounds=20, momentum=MOMENTUM, length=len(audio))
    error = torch.linalg.norm(nsgt(made).abs() - magnitudes) / torch.linalg.norm(magnitudes)
    assert error < 0.1


def test_a_batch_is_found_at_once_and_the_seed_decides_alone() -> None:
    magnitudes = STFT_(torch.stack([music(), music("jazz")])).abs()
    first, again, other = (griffin_lim(magnitudes, STFT_, rounds=2, seed=seed) for seed in (1, 1, 2))
    assert first.shape == (2, STFT_.length_of(magnitudes.shape[-1]))
    torch.testing.assert_close(first, again, atol=0, rtol=0)
    assert (first != other).any()


def test_a_value_of_zero_takes_the_magnitude_with_phase_zero() -> None:
    made = impose(torch.tensor([2.0, 3.0]), torch.tensor([0j, 4j]))
    torch.testing.assert_close(made, torch.tensor([2 + 0j, 3j]))


def test_a_length_that_the_frames_are_not_of_is_refused() -> None:
    with pytest.raises(TransformError, match="near 1536"):
        griffin_lim(torch.ones(1025, 4), STFT_, length=5000)
