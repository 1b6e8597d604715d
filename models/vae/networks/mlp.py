"""A multilayer perceptron over the last axis, for frames."""

from __future__ import annotations

from torch import nn


def mlp(inputs: int, hidden: int, outputs: int, layers: int) -> nn.Sequential:
    """Build a multilayer perceptron with layer norm and SiLU, and a linear output layer.

    Parameters
    ----------
    inputs, hidden, outputs
        Widths of the input, of each hidden layer and of the output.
    layers
        Number of hidden layers.

    Returns
    -------
    network : nn.Sequential
        [..., inputs] → [..., outputs].
    """
    stack: list[nn.Module] = []
    for k in range(layers):
        stack += [nn.Linear(hidden if k else inputs, hidden), nn.LayerNorm(hidden), nn.SiLU()]
    return nn.Sequential(*stack, nn.Linear(hidden, outputs))
