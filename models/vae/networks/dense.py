"""Dense layers, for small pictures and single frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

Shape = int | tuple[int, ...]


class Dense(nn.Module):
    """A stack of dense layers, from data of one shape to data of another.

    Parameters
    ----------
    given, made
        Shapes without the batch: a number, or `(channels, ...)`.
    hidden
        Width of each layer between.
    dropout
        Share of the values between layers that is set to 0 in training.
    """

    def __init__(self, given: Shape, made: Shape, hidden: Sequence[int], *, dropout: float = 0.0) -> None:
        super().__init__()
        self.made = (made,) if isinstance(made, int) else made
        widths = [given if isinstance(given, int) else math.prod(given), *hidden]
        stack: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            stack += [nn.Linear(inputs, outputs), nn.SiLU()]
            if dropout > 0:
                stack.append(nn.Dropout(dropout))
        self.net = nn.Sequential(*stack, nn.Linear(widths[-1], math.prod(self.made)))

    def forward(self, x: Tensor) -> Tensor:
        """[batch, *given] → [batch, *made]."""
        made: Tensor = self.net(x.flatten(1))
        return made.reshape(len(x), *self.made)
