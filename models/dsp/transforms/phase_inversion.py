"""Phase inversion of magnitudes, by quality or by method.

=========  ==========================================================  ===============================
quality    an STFT's magnitudes                                        mel bands
=========  ==========================================================  ===============================
``live``   as on stage: RTPGHI with a frame of lookahead               as on stage
``good``   PGHI, then 100 rounds of RAAR                               32 rounds in the bands
``best``   PGHI, then 300 rounds                                       200 rounds in the bands
=========  ==========================================================  ===============================

Magnitudes of other transforms with complex coefficients (NSGT) are inverted by fast Griffin-Lim from random phases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from export.format.card import Spectrum
from models.dsp.transforms.griffin_lim import MOMENTUM, griffin_lim
from models.dsp.transforms.mel import Mel
from models.dsp.transforms.mel_inversion import mel_to_audio
from models.dsp.transforms.pghi import pghi
from models.dsp.transforms.raar import raar
from models.dsp.transforms.rtisi import rtisi_la
from models.dsp.transforms.stft import STFT
from models.dsp.transforms.transform_base import Transform, TransformError
from realtime.dsp import rtpghi as phase
from realtime.dsp.mel_inversion import MelInverter

Quality = Literal["live", "good", "best"]
Method = Callable[[Tensor, STFT, int | None, int], Tensor]
"""Magnitudes [..., bins, frames], their STFT, length and seed → audio [..., length]."""

ROUNDS: Mapping[Quality, int] = MappingProxyType({"good": 100, "best": 300})
"""Rounds of RAAR, or of Griffin-Lim."""
MEL_ROUNDS: Mapping[Quality, int] = MappingProxyType({"good": 32, "best": 200})
"""Rounds for mel bands."""


def invert(
    magnitudes: Tensor,
    of: Spectrum | Transform,
    *,
    quality: Quality = "good",
    method: str | None = None,
    length: int | None = None,
    seed: int = 0,
) -> Tensor:
    """Invert magnitudes to audio.

    Parameters
    ----------
    magnitudes : Tensor [shape=(..., bands, frames)]
        Magnitudes of an STFT, linear or log as in its `Spectrum`; power in mel bands; or those of another transform.
    of
        A model's `Spectrum`, or the transform of the magnitudes.
    quality
        ``live`` sounds as on stage; ``good`` takes about half the sound's duration at hop 512, ``best`` three times as
        long.
    method
        One of `METHODS` instead of a quality, for magnitudes of an STFT.
    length
        Samples to return. Default: from the number of frames.
    seed
        Seed of the random phases.

    Returns
    -------
    audio : Tensor [shape=(..., length)]
        Aligned with the sound of the magnitudes. Not differentiable.

    Raises
    ------
    TransformError
        No such quality or method for this transform, magnitudes of the wrong shape, or a length that doesn't match the
        number of frames.

    Examples
    --------
    >>> audio = invert(stft(sound).abs(), stft.spectrum, quality="best", length=len(sound))
    """
    if quality not in get_args(Quality):
        raise TransformError(f"There is no quality '{quality}'; there are {', '.join(get_args(Quality))}.")
    magnitudes = magnitudes.detach()
    if isinstance(of, Spectrum):
        magnitudes = torch.exp(magnitudes) if of.scale == "log" else magnitudes
        of = STFT(of)
    if isinstance(of, STFT):
        _check(magnitudes, of.spectrum.bins)
        name = method or QUALITIES[quality]
        if name not in METHODS:
            raise TransformError(f"There is no inversion '{name}'; there are {', '.join(METHODS)}.")
        return METHODS[name](magnitudes, of, length, seed)
    if method is not None:
        raise TransformError(f"The inversion '{method}' is for magnitudes of an STFT; give a quality instead.")
    if isinstance(of, Mel):
        _check(magnitudes, len(of.weights))
        if quality == "live":
            return _mel_live(magnitudes, of, length, seed)
        return mel_to_audio(magnitudes, of, length, rounds=MEL_ROUNDS[quality], seed=seed)
    if quality == "live":
        raise TransformError(f"A {type(of).__name__} is not inverted live; take the quality good or best.")
    return griffin_lim(magnitudes, of, rounds=ROUNDS[quality], momentum=MOMENTUM, length=length, seed=seed)


def _griffin_lim(rounds: int, momentum: float) -> Method:
    def method(magnitudes: Tensor, stft: STFT, length: int | None, seed: int) -> Tensor:
        return griffin_lim(magnitudes, stft, rounds=rounds, momentum=momentum, length=length, seed=seed)

    return method


def _pghi(rounds: int) -> Method:
    def method(magnitudes: Tensor, stft: STFT, length: int | None, seed: int) -> Tensor:
        start = pghi(magnitudes, stft.spectrum, seed=seed)
        return griffin_lim(magnitudes, stft, rounds=rounds, momentum=MOMENTUM, start=start, length=length)

    return method


def _pghi_raar(rounds: int) -> Method:
    def method(magnitudes: Tensor, stft: STFT, length: int | None, seed: int) -> Tensor:
        return raar(magnitudes, stft, pghi(magnitudes, stft.spectrum, seed=seed), rounds=rounds, length=length)

    return method


def _rtpghi(lookahead: int) -> Method:
    def method(magnitudes: Tensor, stft: STFT, length: int | None, seed: int) -> Tensor:
        length, of = stft.check_length(magnitudes.shape[-1], length), stft.spectrum

        def one(frames: np.ndarray) -> np.ndarray:
            return phase.invert(
                frames, of.n_fft, of.hop, window=of.window, lookahead=lookahead, seed=seed, length=length
            )

        return _each(one, magnitudes, length)

    return method


def _rtisi_la(magnitudes: Tensor, stft: STFT, length: int | None, seed: int) -> Tensor:
    return rtisi_la(magnitudes, stft, length=length)


def _mel_live(bands: Tensor, mel: Mel, length: int | None, seed: int) -> Tensor:
    length, of = mel.check_length(bands.shape[-1], length), mel.spectrum
    weights = mel.weights.cpu().numpy()

    def one(frames: np.ndarray) -> np.ndarray:
        inverter = MelInverter(weights, of.n_fft, of.hop, window=of.window, seed=seed)
        late = -(-(inverter.delay + length) // of.hop) - frames.shape[1]
        audio = inverter.push(np.pad(frames, ((0, 0), (0, max(late, 0)))))
        return audio[inverter.delay :][:length]

    return _each(one, bands, length)


def _each(one: Callable[[np.ndarray], np.ndarray], magnitudes: Tensor, length: int) -> Tensor:
    """Invert each item of a batch by a function of arrays [bands, frames] → [length]."""
    flat = magnitudes.cpu().float().reshape(-1, *magnitudes.shape[-2:]).numpy()
    made = np.zeros((len(flat), length), np.float32)
    for frames, audio in zip(flat, made, strict=True):
        audio[:] = one(frames)
    return torch.from_numpy(made).reshape(*magnitudes.shape[:-2], length).to(magnitudes)


def _check(magnitudes: Tensor, bands: int) -> None:
    if magnitudes.dim() < 2 or magnitudes.shape[-2] != bands or magnitudes.is_complex():
        raise TransformError(
            f"The magnitudes have the shape {list(magnitudes.shape)}; they must be real, [..., {bands}, frames]."
        )


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "griffin_lim": _griffin_lim(100, 0.0),
        "fast_griffin_lim": _griffin_lim(32, MOMENTUM),
        "pghi": _pghi(0),
        "rtpghi0": _rtpghi(0),
        "rtpghi1": _rtpghi(1),
        "rtisi_la": _rtisi_la,
        "pghi_fast_griffin_lim": _pghi(32),
        "pghi_raar": _pghi_raar(ROUNDS["good"]),
        "pghi_raar_300": _pghi_raar(ROUNDS["best"]),
    }
)
"""All inversions of an STFT's magnitudes, by name."""

QUALITIES: Mapping[Quality, str] = MappingProxyType({"live": "rtpghi1", "good": "pghi_raar", "best": "pghi_raar_300"})
"""The method of each quality."""
