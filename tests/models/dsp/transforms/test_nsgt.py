import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import torch

from models.dsp.transforms.frequency_scales import barks, constant_q, mels, octaves
from models.dsp.transforms.nsgt import NSGT
from models.dsp.transforms.transform_base import TransformError
from tests.music import PIECES, render

RATE = 48_000
SCALES = {
    "octaves": octaves(55, 20_000, 12),
    "thirds": octaves(100, 16_000, 3),
    "constant q": constant_q(40, 22_000, 60),
    "mel": mels(50, 20_000, 80),
    "bark": barks(50, 20_000, 30),
}
scales = pytest.mark.parametrize("scale", SCALES)


def sine(hz: float, seconds: float = 1.0) -> torch.Tensor:
    return torch.sin(2 * torch.pi * hz * torch.arange(round(seconds * RATE), dtype=torch.float64) / RATE)


def relative_error(nsgt: NSGT, audio: torch.Tensor) -> float:
    back = nsgt.inverse(nsgt(audio), audio.shape[-1])
    return float(torch.linalg.norm(back - audio) / torch.linalg.norm(audio))


@scales
@hypothesis.settings(max_examples=15, deadline=None)
@hypothesis.given(length=st.integers(1, 5000), hop=st.sampled_from([None, 1, 2, 3]))
@hypothesis.example(length=1, hop=None)
@hypothesis.example(length=2, hop=1)
@hypothesis.example(length=4801, hop=3)
def test_there_and_back_noise_of_any_length_is_the_same(scale: str, length: int, hop: int | None) -> None:
    audio = torch.from_numpy(np.random.default_rng(length).standard_normal(length))
    assert relative_error(NSGT(SCALES[scale], RATE, hop=hop), audio) <= 1e-12


@scales
@pytest.mark.parametrize("piece", PIECES)
def test_there_and_back_music_is_the_same(scale: str, piece: str) -> None:
    audio = torch.from_numpy(render(piece)[0][48_000:96_001].astype(np.float64))
    assert relative_error(NSGT(SCALES[scale], RATE), audio) <= 1e-12


@scales
def test_silence_stays_exactly_silent(scale: str) -> None:
    nsgt = NSGT(SCALES[scale], RATE)
    audio = torch.zeros(1001, dtype=torch.float64)
    assert not nsgt(audio).abs().any()
    assert not nsgt.inverse(nsgt(audio), 1001).any()


@scales
def test_a_sine_at_a_bands_frequency_has_its_amplitude_there_and_its_phase(scale: str) -> None:
    nsgt = NSGT(SCALES[scale], RATE)
    band = nsgt.bands // 2
    hz = round(float(nsgt.centres[band]))
    coefficients = nsgt(0.7 * sine(hz))[:, 200:-200]  # [bands, frames], away from the ends
    share = nsgt.windows_at(np.array([float(hz)]))[:, 0]
    torch.testing.assert_close(
        coefficients.abs().mean(dim=1), torch.from_numpy(0.7 * share), atol=0.01, rtol=0, check_dtype=False
    )
    analytic = torch.exp(2j * torch.pi * hz * torch.arange(nsgt.frames_of(RATE)) * nsgt.hop / RATE - 0.5j * torch.pi)
    torch.testing.assert_close(
        coefficients[band], (0.7 * share[band] * analytic[200:-200]).to(coefficients), atol=0.01, rtol=0
    )


@scales
def test_a_constant_is_real_and_in_the_lowest_band(scale: str) -> None:
    coefficients = NSGT(SCALES[scale], RATE)(torch.full((1000,), 0.3, dtype=torch.float64))
    torch.testing.assert_close(
        coefficients[0, 5:-5].real.mean(), torch.tensor(0.3, dtype=torch.float64), atol=0.05, rtol=0
    )
    assert coefficients[0].imag.abs().max() < 1e-12


def test_windows_of_neighbours_add_up_to_1_everywhere() -> None:
    nsgt = NSGT(SCALES["octaves"], RATE)
    hz = np.linspace(0, RATE / 2, 5001)
    np.testing.assert_allclose(nsgt.windows_at(hz).sum(axis=0), 1, atol=1e-12)


def test_a_click_is_found_where_it_is() -> None:
    nsgt = NSGT(SCALES["octaves"], RATE)
    audio = torch.zeros(RATE, dtype=torch.float64)
    audio[30_000] = 1
    loudest = nsgt(audio).abs().argmax(dim=1) * nsgt.hop
    assert (loudest[20:] - 30_000).abs().max() <= nsgt.hop


def test_a_batch_is_its_sounds_one_by_one_in_any_type() -> None:
    audio = torch.randn(2, 3, 999, generator=torch.Generator().manual_seed(0))
    nsgt = NSGT(SCALES["mel"], RATE)
    batch = nsgt(audio)
    assert batch.dtype == torch.complex64
    assert batch.shape == (2, 3, nsgt.bands, nsgt.frames_of(999))
    torch.testing.assert_close(batch[1, 2], nsgt(audio[1, 2]))
    torch.testing.assert_close(nsgt.inverse(batch, 999), audio, atol=1e-5, rtol=0)


def test_gradients_flow_both_ways() -> None:
    nsgt = NSGT(np.array([10.0, 20, 30, 45]), 100)
    audio = torch.randn(17, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: nsgt(x).abs() ** 2, audio)
    assert torch.autograd.gradcheck(lambda x: nsgt.inverse(nsgt(x) * 2, 17), audio)


@pytest.mark.parametrize(
    ("edges", "hop", "remedy"),
    [
        ([100, 90, 80], None, "rising"),
        ([100], None, "three edges"),
        ([-1, 50, 100], None, "from 0 Hz|of 0 Hz"),
        ([100, 200, float("nan")], None, "rising"),
        ([100, 12_000, 20_000], 3, "1 to 2"),
    ],
)
def test_bands_that_cannot_be_are_refused(edges: list[float], hop: int | None, remedy: str) -> None:
    with pytest.raises(TransformError, match=remedy):
        NSGT(np.array(edges), RATE, hop=hop)


def test_coefficients_of_another_transform_are_refused() -> None:
    nsgt = NSGT(SCALES["mel"], RATE)
    made = nsgt(torch.zeros(500))
    with pytest.raises(TransformError, match="bands"):
        nsgt.inverse(made[1:], 500)
    with pytest.raises(TransformError, match="length"):
        nsgt.inverse(made, 5000)
