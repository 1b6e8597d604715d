"""The training of the playable model as a Lightning module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.playable_vae.frame_store import Frames, PartialStore
from models.playable_vae.network import PlayableVae
from models.playable_vae.objective import distance
from models.playable_vae.settings import PlayableSettings
from models.training.frame_vae.lightning_module import FrameVaeModule
from models.training.frame_vae.sound_segments import Draw, SegmentData, SegmentSampler, evenly_spaced, segment_starts
from models.training.scheduled_module import HELD_OUT_LOSS
from models.vae.frame_objective import kl_divergence, movement

EVALUATED_FRAMES = 4_000
_SCALE_FRAMES = 20_000


def segment_data(train: PartialStore, held_out: PartialStore, settings: PlayableSettings) -> SegmentData[PartialStore]:
    """Make the data of a training from its frames."""
    sampler = SegmentSampler(
        segment_starts(train, settings.segment_frames),
        segments=settings.segments,
        length=settings.segment_frames,
        latent=settings.model.latent,
        warp_semitones=settings.shift_semitones,
        seed=settings.seed,
    )
    return SegmentData(train, held_out, sampler, evaluated_frames=EVALUATED_FRAMES, part=EVALUATED_FRAMES)


class PlayableModule(FrameVaeModule):
    """Trains a `PlayableVae`.

    Parameters
    ----------
    settings
        The settings.
    frames
        The data, as `segment_data` makes them.
    """

    vae: PlayableVae
    frames: SegmentData[PartialStore]
    settings: PlayableSettings

    def __init__(self, settings: PlayableSettings, frames: SegmentData[PartialStore]) -> None:
        super().__init__(settings, PlayableVae(settings.model), frames)

    def fit_scales(self) -> None:
        """Set mean and deviation of the network's features from an even choice of training frames."""
        train = self.frames.train
        features = train.take(evenly_spaced(train, _SCALE_FRAMES)).drawn.joined  # [frames, features]
        self.vae.mean.copy_(features.mean(dim=0))
        self.vae.deviation.copy_((features - self.vae.mean).std().clamp(min=1e-3))

    def loss_of(self, vae: nn.Module, draw: Draw, ramp: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the loss of a draw, shifted in pitch, and its parts."""
        settings = self.settings
        frames = moved(self.frames.train.take(draw.index, draw.semitones), self.device)
        made, mean, log_variance = vae(frames.drawn, frames.pitch, frames.loudness, draw.noise.to(self.device))
        apart = distance(frames, made, settings.model.sample_rate)
        kl, steps = kl_divergence(mean, log_variance), movement(mean)
        loss: Tensor = apart.total + ramp * (settings.beta * kl + settings.slowness * steps)
        parts = {"loss": loss, "harmonics": apart.harmonics, "amplitude": apart.amplitude, "noise": apart.noise}
        return loss, {**parts, "kl": kl, "movement": steps}

    def evaluate(self, vae: nn.Module, index: Tensor) -> dict[str, Tensor]:
        """Give the figures of held-out frames, decoded from the mean of their latent's distribution."""
        assert isinstance(vae, PlayableVae)
        frames = moved(self.frames.held_out.take(index), self.device)
        mean, log_variance = vae.encode(frames.drawn, frames.pitch, frames.loudness)
        apart = distance(frames, vae.decode(mean, frames.pitch, frames.loudness), self.settings.model.sample_rate)
        return {
            HELD_OUT_LOSS: apart.total,
            "held_out/harmonics": apart.harmonics,
            "held_out/noise": apart.noise,
            "held_out/kl": kl_divergence(mean, log_variance),
        }


def moved(frames: Frames, device: torch.device) -> Frames:
    """Move frames to a device."""
    drawn = type(frames.drawn)(*(part.to(device) for part in vars(frames.drawn).values()))
    return Frames(drawn, frames.pitch.to(device), frames.loudness.to(device))
