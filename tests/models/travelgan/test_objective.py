"""The losses are what their formulas say, and parts know nothing of each other."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.travelgan.networks import GeneratorConfig, generator
from models.travelgan.objective import (
    discriminator_loss,
    generator_loss,
    margin,
    masked,
    part_lengths,
    transform_in_parts,
    transformation,
)


def test_pairs_with_unchanged_differences_have_the_lowest_loss() -> None:
    vectors = torch.randn(5, 7)
    assert float(transformation(vectors, vectors + 3)) == pytest.approx(-1, abs=1e-5)
    assert float(transformation(vectors, -vectors)) > 1


def test_the_transformation_is_that_of_all_pairs() -> None:
    before, after = torch.randn(4, 3), torch.randn(4, 3)
    squares, cosines = [], []
    for i in range(4):
        for j in range(i):
            d, e = before[i] - before[j], after[i] - after[j]
            squares.append(float((d - e).square().mean()))
            cosines.append(float(d @ e / d.norm() / e.norm()))
    wanted = sum(squares) / 6 - sum(cosines) / 6
    assert float(transformation(before, after)) == pytest.approx(wanted, abs=1e-5)


def test_the_margin_is_one_of_squared_distances() -> None:
    assert float(margin(torch.tensor([[0.0, 0.0], [1.0, 2.0]]), 10)) == pytest.approx(5)
    assert float(margin(torch.tensor([[0.0, 0.0], [4.0, 2.0]]), 10)) == 0


@pytest.mark.parametrize("kind", ["logistic", "hinge"])
def test_who_is_right_loses_little(kind: str) -> None:
    sure = torch.full((2, 3), 4.0)
    assert discriminator_loss(sure, -sure, kind) < 0.1  # type: ignore[arg-type]
    assert discriminator_loss(-sure, sure, kind) > 4  # type: ignore[arg-type]
    assert generator_loss(sure, kind) < generator_loss(-sure, kind)  # type: ignore[arg-type]


@given(st.integers(1, 8), st.integers(8, 40), st.sampled_from([1, 2, 4]))
def test_parts_are_even_and_fit_the_pace(parts: int, steps: int, pace: int) -> None:
    lengths = part_lengths(steps * pace, parts, pace)
    assert len(lengths) == parts
    assert sum(lengths) == steps * pace
    assert all(length % pace == 0 and length > 0 for length in lengths)
    assert max(lengths) - min(lengths) <= pace


@pytest.mark.parametrize("lengths", [[16, 16], [12, 12, 8]])
def test_each_part_starts_from_the_rest_state(lengths: list[int]) -> None:
    torch.manual_seed(0)
    net = generator(GeneratorConfig(bands=32, widths=(4, 6, 8)))
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
        x = torch.rand(2, 32, 32) * 2 - 1
        made = transform_in_parts(net, x, lengths)
        last = lengths[-1]
        torch.testing.assert_close(made[:, :, -last:], net(x[:, :, -last:]))
        torch.testing.assert_close(transform_in_parts(net, x, [32]), net(x))
        assert (made - net(x))[:, :, -last:].abs().max() > 1e-3


def test_masked_frames_are_silent() -> None:
    x, mask = torch.rand(1, 4, 6), torch.tensor([[[1.0, 1, 1, 1, 0, 0]]])
    made = masked(x, mask)
    torch.testing.assert_close(made[:, :, :4], x[:, :, :4])
    assert (made[:, :, 4:] == -1).all()
