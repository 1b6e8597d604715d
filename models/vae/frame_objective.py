"""Terms of the objective of a VAE of frames, beside the distance between frames."""

from __future__ import annotations

from torch import Tensor

from models.vae.gaussian import Normal


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Compute the KL divergence of frames from the standard normal.

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes" (2013), appendix B.

    Parameters
    ----------
    mean, log_variance : Tensor [shape=(..., latent)]

    Returns
    -------
    kl : Tensor [shape=()]
        Nats, summed over the latent dimensions, mean over frames.
    """
    return Normal(mean, log_variance).kl_from_standard().sum(dim=-1).mean()


def movement(mean: Tensor) -> Tensor:
    """Mean squared step of the latent from frame to frame, [segments, frames, latent] → []."""
    return (mean[:, 1:] - mean[:, :-1]).pow(2).sum(dim=-1).mean()
