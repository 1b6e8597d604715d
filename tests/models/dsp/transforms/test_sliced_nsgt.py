import itertools
from collections.abc import Iterator

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import torch

from models.dsp.transforms.frequency_scales import octaves
from models.dsp.transforms.nsgt import NSGT
from models.dsp.transforms.sliced_nsgt import SlicedNSGT
from models.dsp.transforms.transform_base import TransformError
from tests.music import PIECES, render

RATE = 48_000
EDGES = octaves(220, 20_000, 12)
SLICE = 4096
few = hypothesis.settings(max_examples=20, deadline=None)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture(scope="module")
def sliced() -> SlicedNSGT:
    return SlicedNSGT(EDGES, RATE, slice_length=SLICE)


@few
@hypothesis.given(length=st.integers(1, 20_000))
@hypothesis.example(length=1)
@hypothesis.example(length=2048)
@hypothesis.example(length=4097)
def test_there_and_back_noise_of_any_length_is_the_same(length: int) -> None:
    sliced = SlicedNSGT(EDGES, RATE, slice_length=SLICE)
    audio = noise(length)
    back = sliced.inverse(sliced(audio), length)
    assert torch.linalg.norm(back - audio) <= 1e-12 * torch.linalg.norm(audio)


@pytest.mark.parametrize("piece", PIECES)
def test_there_and_back_music_is_the_same(piece: str) -> None:
    sliced = SlicedNSGT(octaves(55, 20_000, 12), RATE, slice_length=32_768)
    audio = torch.from_numpy(render(piece)[0][48_000:96_001].astype(np.float64))
    back = sliced.inverse(sliced(audio), len(audio))
    assert torch.linalg.norm(back - audio) <= 1e-12 * torch.linalg.norm(audio)


def test_silence_stays_exactly_silent(sliced: SlicedNSGT) -> None:
    audio = torch.zeros(10_001, dtype=torch.float64)
    assert not sliced.inverse(sliced(audio), 10_001).any()


def test_a_slice_is_the_transform_over_all_time_wrapped_into_it(sliced: SlicedNSGT) -> None:
    """Why sliced equals whole: what rings on beyond a slice is all that can differ."""
    length, times = sliced.slice_length, 16
    cut = noise(length) * sliced.window
    long = torch.zeros(times * length, dtype=torch.float64)
    long[:length] = cut
    whole = NSGT(EDGES, RATE)(long)  # [bands, times * frames]
    wrapped = whole.unflatten(-1, (times, -1)).sum(dim=-2)
    torch.testing.assert_close(sliced.nsgt(cut), wrapped, atol=1e-10, rtol=0)


def test_slices_joined_agree_with_the_whole_the_better_the_longer_they_are() -> None:
    music = render("piano")[0][48_000:72_000].astype(np.float64)
    audio = torch.from_numpy(np.pad(music, 16_384))  # silence around it, for what rings on
    whole = NSGT(EDGES, RATE)(audio)
    errors_db = []
    for slice_length in (4096, 8192, 16_384):
        sliced = SlicedNSGT(EDGES, RATE, slice_length=slice_length)
        joined = sliced.joined(sliced(audio), len(audio))
        errors_db.append(float(20 * torch.log10(torch.linalg.norm(joined - whole) / torch.linalg.norm(whole))))
    assert errors_db[0] < -15
    assert errors_db[1] < errors_db[0] - 10
    assert errors_db[2] < errors_db[1] - 10


@few
@hypothesis.given(cuts=st.lists(st.integers(0, 5000), min_size=1, max_size=8))
def test_any_cut_of_a_sound_into_blocks_gives_the_same_slices_and_the_same_sound(cuts: list[int]) -> None:
    sliced = SlicedNSGT(EDGES, RATE, slice_length=SLICE)
    audio = noise(2, sum(cuts))
    slices = list(sliced.analyse(iter(audio.split(cuts, dim=-1))))
    expected = sliced.by_slice(sliced(audio))  # [2, slices, bands, frames]
    torch.testing.assert_close(torch.stack(slices, dim=1), expected, atol=1e-12, rtol=0)
    back = torch.cat(list(sliced.synthesise(slices)), dim=-1)[..., : audio.shape[-1]]
    torch.testing.assert_close(back, audio, atol=1e-12, rtol=0)


def test_an_endless_input_is_transformed_while_it_is_read(sliced: SlicedNSGT) -> None:
    consumed = 0

    def endless() -> Iterator[torch.Tensor]:
        nonlocal consumed
        while True:
            consumed += 1000
            yield noise(1000)

    made = list(itertools.islice(sliced.synthesise(sliced.analyse(endless())), 10))
    assert consumed <= 11 * sliced.step + 1000
    torch.testing.assert_close(torch.cat(made)[:10_000], noise(1000).repeat(10), atol=1e-12, rtol=0)


def test_no_sound_gives_no_slices(sliced: SlicedNSGT) -> None:
    assert not list(sliced.analyse([]))
    assert not list(sliced.synthesise([]))


def test_gradients_flow_both_ways() -> None:
    sliced = SlicedNSGT(np.array([10.0, 20, 30, 45]), 100, slice_length=32)
    audio = torch.randn(40, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: sliced.inverse(sliced(x) * 2, 40), audio)


def test_slices_that_are_too_short_are_refused() -> None:
    with pytest.raises(TransformError, match="give"):
        SlicedNSGT(EDGES, RATE, slice_length=16)
