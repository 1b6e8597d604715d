"""Torch layers that stream, and torch modules as functions with explicit caches.

`docs/layers.md` shows how to build, train and export a model with them.

===================  =================================================================
`layer_base`         base class of streaming layers
`stack`              containers: `Chain`, `Branches`, `Residual`; `Delay`, `Pointwise`
`conv1d_streaming`   convolutions over time
`resample`           change of the sample rate
`recurrent_layers`   `GRU`, `LSTM`
`stft`               STFT, inverse STFT, overlap-add
`conv2d_streaming`   convolutions over spectrograms
`fourier`            the Fourier transform of an `STFT` that streams
`explicit_state`     any causal module as a function with its caches as arguments
`recurrent_to_onnx`  recurrent modules of torch as ONNX operators, during export
===================  =================================================================
"""

from export.streaming.conv1d_streaming import CausalConv1d, Conv1d, ConvTranspose1d
from export.streaming.conv2d_streaming import CausalConv2d, ConvTranspose2d, MergeRows, SplitRows
from export.streaming.explicit_state import ExplicitState, with_explicit_state
from export.streaming.layer_base import Layer, StreamingError, reset_caches, whole_signals
from export.streaming.recurrent_layers import GRU, LSTM
from export.streaming.resample import Resample
from export.streaming.stack import Branches, Chain, Delay, Pointwise, Residual, as_layer
from export.streaming.stft import ISTFT, STFT, OverlapAdd

__all__ = [
    "GRU",
    "ISTFT",
    "LSTM",
    "STFT",
    "Branches",
    "CausalConv1d",
    "CausalConv2d",
    "Chain",
    "Conv1d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "Delay",
    "ExplicitState",
    "Layer",
    "MergeRows",
    "OverlapAdd",
    "Pointwise",
    "Resample",
    "Residual",
    "SplitRows",
    "StreamingError",
    "as_layer",
    "reset_caches",
    "whole_signals",
    "with_explicit_state",
]
