"""How a generator does on sounds that it never saw: is it the target that is heard, and does it keep the rhythm?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import find_peaks
from torch import Tensor, nn
from torch.nn import functional as F

from models.evaluation.style_metrics import matched
from models.travelgan.settings import TravelSettings
from models.travelgan.spectra import Draws, Spectra

STEPS, BATCH = 400, 16
TOLERANCE_S = 0.05
_LEARNING_RATE = 1e-3
_WIDTHS = (8, 16, 32, 32)
_APART_S = 0.06
_STEEP = 0.25  # of the steepest rise of a sound, what counts as an onset


@dataclass(frozen=True)
class Verdict:
    """Figures of held-out sounds.

    Attributes
    ----------
    known
        Share of true clips, of both domains, that the classifier puts where they belong: what its word is worth.
    target
        Share of turned clips that it puts into the target domain.
    untouched
        Share of them that it puts there before they are turned.
    onsets
        F measure of onsets after turning against those before, within `TOLERANCE_S`, over all sounds.
    """

    known: float
    target: float
    untouched: float
    onsets: float


def judge(
    turned: Sequence[tuple[Tensor, Tensor]],
    target: Sequence[Tensor],
    train: tuple[Spectra, Spectra],
    settings: TravelSettings,
    *,
    seed: int = 0,
) -> Verdict:
    """Judge by held-out sounds.

    Parameters
    ----------
    turned
        Spectrograms [bands, frames] of the source domain, each before and after.
    target
        Those of the target domain, to see what the classifier is worth.
    train
        Source and target: what the classifier learns from.
    settings
        Those of the training.
    seed
        Of the classifier; the generator was trained against another one.
    """
    classifier = fit(train, settings, seed=seed)
    spectra = [before for before, _ in turned], list(target), [after for _, after in turned]
    of_source, of_target, of_made = (shares(classifier, clips(values, settings.frames)) for values in spectra)
    rate = settings.scale.sample_rate / settings.scale.hop
    found = [(onsets(before, rate), onsets(after, rate)) for before, after in turned]
    hits = sum(matched(before, after, TOLERANCE_S) for before, after in found)
    count = sum(len(before) + len(after) for before, after in found)
    right = float(torch.cat([1 - of_source, of_target]).mean())
    return Verdict(right, float(of_made.mean()), float(of_source.mean()), 2 * hits / max(1, count))


def fit(train: tuple[Spectra, Spectra], settings: TravelSettings, *, seed: int = 0, steps: int = STEPS) -> nn.Module:
    """Train a small classifier of clips to tell the domains apart; 1 is the target."""
    draws = Draws(*train, replace(settings, batch=BATCH, portion=BATCH), salt=2 + seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for inputs, width in zip((1, *_WIDTHS), _WIDTHS, strict=False):
            layers += [nn.Conv2d(inputs, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU()]
        classifier = nn.Sequential(*layers, nn.AdaptiveAvgPool2d((4, 1)), nn.Flatten(), nn.Linear(4 * _WIDTHS[-1], 1))
        optimizer = torch.optim.Adam(classifier.parameters(), _LEARNING_RATE)
        for step in range(steps):
            for group in optimizer.param_groups:  # falls to nothing, so that the last steps don't decide
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
    """1 for each clip that is taken for the target, else 0: [clips, bands, frames] → [clips]."""
    return (classifier(x[:, None])[:, 0] > 0).float()


def onsets(spectrum: Tensor, rate: float) -> NDArray[np.float64]:
    """Find where a spectrogram [bands, frames] from -1 to 1 rises, seconds; `rate` is in frames a second."""
    rise = np.diff(spectrum.double().numpy(), axis=1, prepend=spectrum[:, :1].double().numpy())
    flux = np.maximum(rise, 0).mean(axis=0)  # [frames]
    smooth = np.convolve(flux, [0.25, 0.5, 0.25], mode="same")
    least = _STEEP * float(smooth.max(initial=1e-9))
    found, _ = find_peaks(smooth, height=least, prominence=least / 2, distance=max(1, round(_APART_S * rate)))
    return np.asarray(found / rate, np.float64)
