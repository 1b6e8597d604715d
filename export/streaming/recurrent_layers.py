"""Recurrent layers that stream.

See `export.streaming.layer_base` for the properties that all layers share. Each contains the torch module of the same
kind, so existing weights can be loaded into it.
"""

from __future__ import annotations

from torch import Tensor, nn

from export.streaming.layer_base import Layer


class GRU(Layer):
    """Gated recurrent units: [batch, inputs, samples] → [batch, outputs, samples]. Whole signals start from zeros."""

    hidden: Tensor

    def __init__(self, inputs: int, outputs: int, *, layers: int = 1) -> None:
        super().__init__(inputs=inputs, outputs=outputs)
        self.cells = nn.GRU(inputs, outputs, layers)
        self.add_cache("hidden", layers, 1, outputs)

    def offline(self, x: Tensor) -> Tensor:
        """Process a whole signal."""
        made, _ = self.cells(x.permute(2, 0, 1))  # [samples, batch, outputs]
        return made.permute(1, 2, 0)

    def stream(self, x: Tensor) -> Tensor:
        """Continue from the hidden state."""
        made, hidden = self.cells(x.permute(2, 0, 1), self.hidden)
        self.update_cache("hidden", hidden)
        return made.permute(1, 2, 0)


class LSTM(Layer):
    """Long short-term memory: [batch, inputs, samples] → [batch, outputs, samples]. Whole signals start from zeros."""

    hidden: Tensor
    cell: Tensor

    def __init__(self, inputs: int, outputs: int, *, layers: int = 1) -> None:
        super().__init__(inputs=inputs, outputs=outputs)
        self.cells = nn.LSTM(inputs, outputs, layers)
        self.add_cache("hidden", layers, 1, outputs)
        self.add_cache("cell", layers, 1, outputs)

    def offline(self, x: Tensor) -> Tensor:
        """Process a whole signal."""
        made, _ = self.cells(x.permute(2, 0, 1))  # [samples, batch, outputs]
        return made.permute(1, 2, 0)

    def stream(self, x: Tensor) -> Tensor:
        """Continue from the hidden state and the cell state."""
        made, (hidden, cell) = self.cells(x.permute(2, 0, 1), (self.hidden, self.cell))
        self.update_cache("hidden", hidden)
        self.update_cache("cell", cell)
        return made.permute(1, 2, 0)
