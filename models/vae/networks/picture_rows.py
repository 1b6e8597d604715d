"""Recurrent networks that read a picture row by row, and write one."""

from __future__ import annotations

from torch import Tensor, nn

from models.vae.networks.pictures import Picture


class RowEncoder(nn.Module):
    """Reads a picture from top to bottom, and back again: [batch, *shape] → [batch, outputs].

    Parameters
    ----------
    shape
        Of a picture.
    outputs
        Numbers of the output, two for each latent.
    hidden
        Width of the hidden state, in each direction.
    """

    def __init__(self, shape: Picture, outputs: int, hidden: int) -> None:
        super().__init__()
        self.cells = nn.GRU(shape[0] * shape[2], hidden, batch_first=True, bidirectional=True)
        self.last = nn.Linear(2 * hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Read: [batch, channels, height, width] → [batch, outputs]."""
        rows = x.transpose(1, 2).flatten(2)  # [batch, height, channels * width]
        _, ended = self.cells(rows)  # [2, batch, hidden]
        made: Tensor = self.last(ended.transpose(0, 1).flatten(1))
        return made


class RowDecoder(nn.Module):
    """Writes a picture from top to bottom: [batch, inputs] → [batch, values * channels, height, width].

    Each row depends on the hidden state alone, which depends on the latent and the number of the row. The decoder
    doesn't see its own output in the rows above, so the latent must describe the whole picture.

    Parameters
    ----------
    inputs
        Latent dimensions and features of the conditions.
    shape
        Of a picture.
    hidden
        Width of the hidden state.
    values
        Numbers that the likelihood takes for each value of the picture.
    """

    def __init__(self, inputs: int, shape: Picture, hidden: int, *, values: int = 1) -> None:
        super().__init__()
        self.shape, self.values = shape, values
        self.first = nn.Linear(inputs, hidden)
        self.cells = nn.GRU(inputs, hidden, batch_first=True)
        self.row = nn.Linear(hidden, values * shape[0] * shape[2])

    def forward(self, latent: Tensor) -> Tensor:
        """Write: [batch, inputs] → [batch, values * channels, height, width]."""
        channels, height, width = self.shape
        begin = self.first(latent).tanh()[None]  # [1, batch, hidden]
        states, _ = self.cells(latent[:, None].expand(-1, height, -1).contiguous(), begin)  # [batch, height, hidden]
        rows = self.row(states).reshape(len(latent), height, self.values * channels, width)
        made: Tensor = rows.transpose(1, 2)
        return made
