"""Evaluation of a generator on held-out sounds: share classified as the target, and onsets kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import find_peaks
from torch import Tensor, nn
from torch.nn import functional as F

from models.evaluation.style_metrics import count_matches
from models.travelgan.domain_spectra import Draws, Spectra
from models.travelgan.settings import TravelSettings

STEPS, BATCH = 400, 16
TOLERANCE_S = 0.05
_LEARNING_RATE = 1e-3
_WIDTHS = (8, 16, 32, 32)
_APART_S = 0.06
_STEEP = 0.25  # share of the steepest rise of a sound from which a rise is an onset


@dataclass(frozen=True)
class StyleEvaluation:
    """Figures of held-out sounds, as shares from 0 to 1.

    Attributes
    ----------
    known
        Share of true clips, of both domains, that the classifier gets right: its accuracy.
    target
        Share of transformed clips that it classifies as the target domain.
    untouched
        The same share before the transformation.
    onsets
        F measure of onsets after the transformation against those before, within `TOLERANCE_S`, over all sounds.
    """

    known: float
    target: float
    untouched: float
    onsets: float


def evaluate_style(
    pairs: Sequence[tuple[Tensor, Tensor]],
    target: Sequence[Tensor],
    train: tuple[Spectra, Spectra],
    settings: TravelSettings,
    *,
    seed: int = 0,
) -> StyleEvaluation:
    """Evaluate on held-out sounds.

    Parameters
    ----------
    pairs
        Spectrograms [bands, frames] of the source domain, each before and after.
    target
        Those of the target domain, for the classifier's accuracy.
    train
        Spectra of source and target that the classifier is trained on.
    settings
        Settings of the training.
    seed
        Seed of the classifier, which differs from the discriminator of the training.

    Returns
    -------
    evaluation : StyleEvaluation
    """
    classifier = fit_classifier(train, settings, seed=seed)
    spectra = [before for before, _ in pairs], list(target), [after for _, after in pairs]
    of_source, of_target, of_made = (shares(classifier, clips(values, settings.frames)) for values in spectra)
    rate = settings.scale.sample_rate / settings.scale.hop
    found = [(onsets(before, rate), onsets(after, rate)) for before, after in pairs]
    hits = sum(count_matches(before, after, TOLERANCE_S) for before, after in found)
    count = sum(len(before) + len(after) for before, after in found)
    right = float(torch.cat([1 - of_source, of_target]).mean())
    return StyleEvaluation(right, float(of_made.mean()), float(of_source.mean()), 2 * hits / max(1, count))


def fit_classifier(
    train: tuple[Spectra, Spectra], settings: TravelSettings, *, seed: int = 0, steps: int = STEPS
) -> nn.Module:
    """Train a small classifier of clips; a logit above 0 is the target domain."""
    draws = Draws(*train, replace(settings, batch=BATCH, portion=BATCH), salt=2 + seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for inputs, width in zip((1, *_WIDTHS), _WIDTHS, strict=False):
            layers += [nn.Conv2d(inputs, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU()]
        classifier = nn.Sequential(*layers, nn.AdaptiveAvgPool2d((4, 1)), nn.Flatten(), nn.Linear(4 * _WIDTHS[-1], 1))
        optimizer = torch.optim.Adam(classifier.parameters(), _LEARNING_RATE)
        for step in range(steps):
            for group in optimizer.param_groups:  # falls to 0, so that the last steps have little effect
                group["lr"] = _LEARNING_RATE * (1 - step / steps)
            batch = draws.draw(step)
            logits = classifier(torch.cat([batch.source, batch.target])[:, None])[:, 0]  # [2 batch]
            wanted = torch.cat([torch.zeros(len(batch.source)), torch.ones(len(batch.target))])
            loss = F.binary_cross_entropy_with_logits(logits, wanted)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    return classifier.eval()


def clips(spectra: list[Tensor], frames: int) -> Tensor:
    """Cut spectrograms [bands, frames of any number] into clips side by side: [clips, bands, frames]."""
    found = []
    for value in spectra:
        for start in range(0, max(1, value.shape[1] - frames // 2), frames):
            piece = value[:, start : start + frames]
            found.append(F.pad(piece, (0, frames - piece.shape[1]), value=-1.0))
    return torch.stack(found)


@torch.no_grad()
def shares(classifier: nn.Module, x: Tensor) -> Tensor:
    """Classify clips [clips, bands, frames]: 1 for the target domain, else 0, [clips]."""
    return (classifier(x[:, None])[:, 0] > 0).float()


def onsets(spectrum: Tensor, rate: float) -> NDArray[np.float64]:
    """Find the onsets of a spectrogram [bands, frames] from -1 to 1, seconds; `rate` is in frames a second."""
    rise = np.diff(spectrum.double().numpy(), axis=1, prepend=spectrum[:, :1].double().numpy())
    flux = np.maximum(rise, 0).mean(axis=0)  # [frames]
    smooth = np.convolve(flux, [0.25, 0.5, 0.25], mode="same")
    least = _STEEP * float(smooth.max(initial=1e-9))
    found, _ = find_peaks(smooth, height=least, prominence=least / 2, distance=max(1, round(_APART_S * rate)))
    return np.asarray(found / rate, np.float64)
