"""Convolutions over spectrograms: equal to torch's, causal over the frames, and independent of the chunks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from export.streaming.conv2d_streaming import CausalConv2d, ConvTranspose2d, MergeRows, SplitRows
from export.streaming.layer_base import Layer, StreamingError, reset_caches, whole_signals
from export.streaming.stack import Branches, Chain

TOLERANCE = 1e-5


def plane(channels: int, rows: int, frames: int) -> Tensor:
    return torch.randn(1, channels, frames, rows, generator=torch.Generator().manual_seed(1))


def in_cuts(layer: Layer, x: Tensor, cuts: list[int]) -> Tensor:
    reset_caches(layer)
    with torch.no_grad():
        return torch.cat([layer(part) for part in x.split([cut * layer.takes for cut in cuts], dim=2)], dim=2)


def at_once(layer: Layer, x: Tensor) -> Tensor:
    layer.eval()
    with torch.no_grad(), whole_signals(layer):
        made: Tensor = layer(x)
    return made


@settings(max_examples=25, deadline=None)
@given(
    stride=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    longer=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 3)),
)
def test_a_convolution_equals_a_causal_one_of_torch(
    stride: tuple[int, int], longer: tuple[int, int], dilation: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    kernel = stride[0] + longer[0], stride[1] + longer[1]
    layer = CausalConv2d(2, 3, 8, kernel, stride=stride, dilation=dilation)
    x = plane(2, 8, 12 * stride[1])
    made = at_once(layer, x)
    assert made.shape == (1, 3, 12, 8 // stride[0])
    around = dilation[0] * (kernel[0] - 1) + 1 - stride[0]
    above, before = around // 2, dilation[1] * (kernel[1] - 1) + 1 - stride[1]
    padded = F.pad(x.transpose(2, 3), (before, 0, above, around - above))
    with torch.no_grad():
        reference = F.conv2d(padded, layer.conv.weight, layer.conv.bias, stride, dilation=dilation)
    torch.testing.assert_close(made, reference.transpose(2, 3), atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(in_cuts(layer, x, [1, 4, 2, 5]), made, atol=TOLERANCE, rtol=0)


@settings(max_examples=25, deadline=None)
@given(stride=st.tuples(st.integers(1, 2), st.integers(1, 3)), longer=st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_a_transposed_convolution_equals_that_of_torch_cropped(
    stride: tuple[int, int], longer: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    kernel = stride[0] + longer[0], stride[1] + longer[1]
    layer = ConvTranspose2d(2, 3, 4, kernel, stride=stride)
    x = plane(2, 4, 12)
    made = at_once(layer, x)
    assert made.shape == (1, 3, 12 * stride[1], 4 * stride[0])
    with torch.no_grad():
        full = F.conv_transpose2d(x.transpose(2, 3), layer.conv.weight, layer.conv.bias, stride)
    first = longer[0] // 2
    reference = full[:, :, first : first + 4 * stride[0], : 12 * stride[1]].transpose(2, 3)
    torch.testing.assert_close(made, reference, atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(in_cuts(layer, x, [1, 4, 2, 5]), made, atol=TOLERANCE, rtol=0)


def test_an_encoder_decoder_network_streams_without_delay() -> None:
    torch.manual_seed(0)
    down = CausalConv2d(1, 4, 8, (4, 4), stride=(2, 2))
    up = ConvTranspose2d(4, 2, 4, (4, 4), stride=(2, 2))
    net = Chain(
        SplitRows(1, 8),
        Branches(Chain(channels=1), Chain(down, nn.LeakyReLU(0.2), up), join="concatenate"),
        CausalConv2d(3, 1, 8, (3, 3)),
        MergeRows(1, 8),
    )
    assert (net.inputs, net.outputs, net.delay, net.takes, net.gives) == (8, 8, 0, 2, 2)
    x = plane(1, 8, 24)[0].transpose(1, 2)
    made = at_once(net, x)
    torch.testing.assert_close(in_cuts(net, x, [1, 4, 2, 5]), made, atol=TOLERANCE, rtol=0)
    changed = x.clone()
    changed[:, :, 12:] += 1
    torch.testing.assert_close(at_once(net, changed)[:, :, :12], made[:, :, :12], atol=TOLERANCE, rtol=0)


def test_splitting_and_merging_rows_are_inverse() -> None:
    x = torch.randn(2, 3 * 4, 5)
    upright = SplitRows(3, 4)(x)
    assert upright.shape == (2, 3, 5, 4)
    assert torch.equal(upright[0, 1, 2], x[0, 4:8, 2])  # the rows of a channel's frame
    assert torch.equal(MergeRows(3, 4)(upright), x)


def test_rows_and_kernels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(StreamingError, match="multiple of the stride"):
        CausalConv2d(1, 1, 7, (4, 4), stride=(2, 2))
    with pytest.raises(StreamingError, match="at least as long"):
        ConvTranspose2d(1, 1, 4, (1, 4), stride=(2, 2))
