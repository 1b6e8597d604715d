"""The training of the spectral VAE as a Lightning module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.dsp.log_magnitude import DB_PER_NEPER
from models.spectral_vae.frame_store import FrameStore, add_hiss
from models.spectral_vae.network import SpectralVae
from models.spectral_vae.objective import SpectralDistance, spectral_convergence_db
from models.spectral_vae.settings import TrainConfig
from models.training.frame_vae.lightning_module import FrameVaeModule
from models.training.frame_vae.sound_segments import Draw, SegmentData, SegmentSampler, segment_starts, span
from models.training.scheduled_module import HELD_OUT_LOSS
from models.vae.frame_objective import kl_divergence, movement

EVALUATED_FRAMES, EVALUATED_AT_ONCE = 2_000, 500
_SCALE_FRAMES = 4_000


def segment_data(train: FrameStore, held_out: FrameStore, config: TrainConfig) -> SegmentData[FrameStore]:
    """Make the data of a training from its frames."""
    sampler = SegmentSampler(
        segment_starts(train, span(config.segment_frames, config.stretch)),
        segments=config.segments,
        length=config.segment_frames,
        latent=config.model.latent,
        warp_semitones=config.warp_semitones,
        gain_db=config.gain_db,
        stretch=config.stretch,
        noise_db=config.noise_db,
        bins=config.model.bins,
        seed=config.seed,
    )
    return SegmentData(train, held_out, sampler, evaluated_frames=EVALUATED_FRAMES, part=EVALUATED_AT_ONCE)


class SpectralModule(FrameVaeModule):
    """Trains a `SpectralVae`.

    Parameters
    ----------
    config
        The settings.
    frames
        The data, as `segment_data` makes them.
    """

    vae: SpectralVae
    frames: SegmentData[FrameStore]
    settings: TrainConfig

    def __init__(self, config: TrainConfig, frames: SegmentData[FrameStore]) -> None:
        super().__init__(config, SpectralVae(config.model), frames)
        self.distance = SpectralDistance(config.model.sample_rate, config.model.n_fft)

    def fit_scales(self) -> None:
        """Set mean and deviation of the network's input from a sample of the training frames."""
        random = torch.Generator().manual_seed(self.settings.seed)
        starts = self.frames.sampler.starts
        chosen = starts[torch.randint(0, len(starts), (_SCALE_FRAMES,), generator=random)]
        shape = self.frames.train.take(chosen).shape  # [frames, bins]
        mean = shape.mean(dim=0)  # [bins]
        self.vae.encoder.mean.copy_(mean)
        self.vae.encoder.deviation.copy_((shape - mean).std().clamp(min=1e-3))
        self.vae.decoder.floor_mean.copy_(mean - 1.0)

    def loss_of(self, vae: nn.Module, draw: Draw, ramp: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the loss of a draw, and its parts."""
        settings = self.settings
        batch = self.frames.train.take_draw(draw).to(self.device)  # shape [segments, frames, bins]
        noisy = add_hiss(batch.shape, None if draw.hiss is None else draw.hiss.to(self.device))
        made, mean, log_variance = vae(noisy, batch.pitch, batch.loudness, draw.noise.to(self.device))
        distance = self.distance(batch.shape, made, batch.floor)
        kl, moved = kl_divergence(mean, log_variance), movement(mean)
        loss: Tensor = distance.total + ramp * (settings.beta * kl + settings.slowness * moved)
        parts = {"loss": loss, "bins": distance.bins, "mel": distance.mel, "amplitude": distance.amplitude}
        return loss, {**parts, "kl": kl, "movement": moved}

    def evaluate(self, vae: nn.Module, index: Tensor) -> dict[str, Tensor]:
        """Give the figures of held-out frames, decoded from the mean of their latent's distribution."""
        batch = self.frames.held_out.take(index).to(self.device)  # shape [frames, bins]
        no_noise = torch.zeros(*index.shape, self.settings.model.latent, device=self.device)
        made, mean, log_variance = vae(batch.shape, batch.pitch, batch.loudness, no_noise)
        distance = self.distance(batch.shape, made, batch.floor)
        return {
            HELD_OUT_LOSS: distance.total,
            "held_out/mel_db": DB_PER_NEPER * distance.mel,
            "held_out/spectral_convergence_db": spectral_convergence_db(batch.shape, made),
            "held_out/kl": kl_divergence(mean, log_variance),
        }
