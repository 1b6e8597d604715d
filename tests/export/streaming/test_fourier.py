"""The transform as two products equals that of torch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from export.streaming.fourier import MIN_COLUMNS, RealFourier, table_columns

SIZES = [size for size in range(2 * MIN_COLUMNS**2, 700) if table_columns(size)]


@given(st.sampled_from([*SIZES, 1024, 2048, 4096]))
def test_it_equals_the_transform_of_torch(size: int) -> None:
    x = torch.randn(2, 3, size, generator=torch.Generator().manual_seed(size))
    bins = torch.fft.rfft(x)
    expected = torch.cat([bins.real, bins.imag], dim=2)
    difference = RealFourier(size)(x) - expected
    assert float(difference.abs().max()) < 2e-6 * float(expected.abs().max())


def test_the_table_is_balanced() -> None:
    assert [table_columns(size) for size in (2048, 512, 1000, 96, 32)] == [32, 16, 20, 6, 4]


@pytest.mark.parametrize("size", [1, 16, 26, 101, 1031])
def test_a_length_without_factors_is_refused(size: int) -> None:
    assert table_columns(size) == 0
    with pytest.raises(ValueError, match="no suitable factors"):
        RealFourier(size)
