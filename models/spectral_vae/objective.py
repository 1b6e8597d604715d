"""The training objective: distance between the audible parts of spectra."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from export.format.mel_scale import mel_weights

MEL_BANDS = 128


@dataclass(frozen=True)
class Distance:
    """Parts of the distance between spectra, each a mean over frames.

    Attributes
    ----------
    bins : Tensor [shape=()]
        Mean |Δ log-magnitude|, nepers, above the floor; a tenth of it everywhere.
    mel : Tensor [shape=()]
        Mean |Δ log-mel|, nepers, above the floor.
    amplitude : Tensor [shape=()]
        Sum of |Δ magnitude^.6| over bins: the strong partials.
    """

    bins: Tensor
    mel: Tensor
    amplitude: Tensor

    @property
    def total(self) -> Tensor:
        """The weighted sum that training minimises."""
        return self.bins + self.mel + 0.1 * self.amplitude


class SpectralDistance(nn.Module):
    """Distance of log-magnitudes of unit energy."""

    mel: Tensor

    def __init__(self, sample_rate: int, n_fft: int) -> None:
        super().__init__()
        self.register_buffer("mel", torch.from_numpy(mel_weights(sample_rate, n_fft, MEL_BANDS).T), persistent=False)

    def forward(self, wanted: Tensor, made: Tensor, floor: Tensor) -> Distance:
        """Compare log-magnitudes [..., bins] above an audible floor [..., 1]."""
        audible = (torch.maximum(wanted, floor) - torch.maximum(made, floor)).abs().mean()
        bins = audible + 0.1 * (wanted - made).abs().mean()
        mel = (self.log_mel(wanted, floor) - self.log_mel(made, floor)).abs().mean()
        amplitude = (torch.exp(0.6 * wanted) - torch.exp(0.6 * made)).abs().sum(dim=-1).mean()
        return Distance(bins, mel, amplitude)

    def log_mel(self, shape: Tensor, floor: Tensor) -> Tensor:
        """[..., bins] → half the logarithm of mel power, not below the floor, [..., bands]."""
        power = torch.exp(2 * shape) @ self.mel  # [..., bands]
        # A filter's weights peak near e^-6 in power, so a lone partial is three nepers lower in its band.
        return torch.maximum(0.5 * torch.log(power + 1e-12), floor - 3.0)


def spectral_convergence_db(wanted: Tensor, made: Tensor) -> Tensor:
    """Energy of the difference of magnitudes against that of the wanted ones, dB; both given as logarithms."""
    gap = (wanted.exp() - made.exp()).pow(2).sum()
    return 10 * torch.log10(gap / wanted.exp().pow(2).sum() + 1e-12)
