"""Real-time iterative spectrogram inversion with look-ahead, RTISI-LA.

Griffin and Lim's iteration on the few frames that overlap the one that is due: what has been given stays, the frames
after it are guessed along with it, and as the window moves on each frame has been iterated many times before its turn
comes [1]_. Overlapping frames are divided by the windows that are there so far, so that the newest is heard in full;
and the iteration goes on in the direction of its last step, as fast Griffin-Lim does
(`models.dsp.transforms.griffin_lim`).

.. [1] X. Zhu, G. T. Beauregard, L. L. Wyse, "Real-Time Signal Estimation from Modified Short-Time Fourier Transform
   Magnitude Spectra", IEEE TASLP 15(5), 2007.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.format.card import Spectrum
from models.dsp.transforms.griffin_lim import MOMENTUM
from models.dsp.transforms.stft import STFT
from realtime.dsp.propagation import SILENCE
from realtime.dsp.rtpghi import analysis_window

ROUNDS = 10
"""Iterations for each frame."""

Array = NDArray[np.float32]


def rtisi_la(
    magnitudes: Tensor, stft: STFT, *, lookahead: int = 3, rounds: int = ROUNDS, length: int | None = None
) -> Tensor:
    """Find the sound whose centred STFT has nearly these magnitudes.

    Parameters
    ----------
    magnitudes : Tensor [shape=(..., bins, frames)]
    stft
        The STFT they are of.
    lookahead
        Frames that are guessed along with the one that is due: what live inversion would wait for.
    rounds
        Iterations for each frame.
    length
        Samples to give; by default what the frames stand for.

    Returns
    -------
    audio : Tensor [shape=(..., length)]
        Aligned with the sound that the magnitudes are of.
    """
    frames = magnitudes.shape[-1]
    length = stft.check_length(frames, length)
    flat = magnitudes.detach().cpu().float().reshape(-1, *magnitudes.shape[-2:])
    spectra = np.zeros(flat.shape, np.complex64)
    for one, spectrum in zip(flat.numpy(), spectra, strict=True):
        inverter = LookaheadInverter(stft.spectrum, lookahead=lookahead, rounds=rounds)
        for n in range(frames + lookahead):
            made = inverter.push(one[:, n] if n < frames else np.zeros(len(one), np.float32))
            if n >= lookahead:
                spectrum[:, n - lookahead] = made
    found = torch.from_numpy(spectra).reshape(magnitudes.shape).to(magnitudes.device)
    return stft.inverse(found, length).to(magnitudes.dtype)


class LookaheadInverter:
    """The stream: magnitudes of a frame go in, and the spectrum of the frame `lookahead` before comes out.

    Parameters
    ----------
    spectrum
        Frames and window.
    lookahead, rounds
        As `rtisi_la` takes them.
    """

    def __init__(self, spectrum: Spectrum, *, lookahead: int = 3, rounds: int = ROUNDS) -> None:
        shape = analysis_window(spectrum.n_fft, spectrum.window)
        self.hop, self.n_fft, self.rounds = spectrum.hop, spectrum.n_fft, rounds
        self.open = lookahead + 1
        reach = spectrum.n_fft + lookahead * spectrum.hop

        # Squared windows over all that is open: of what has been given, and of the frames that are guessed
        known = np.zeros(reach)
        for first in range(-((spectrum.n_fft - 1) // self.hop) * self.hop, self.open * self.hop, self.hop):
            begin = max(first, 0)
            known[begin : first + spectrum.n_fft] += shape[begin - first :] ** 2
        self._share = np.divide(1, known, out=np.zeros(reach), where=known > 1e-9).astype(np.float32)
        self._window = shape.astype(np.float32)
        self._given = np.zeros(reach, np.float32)  # overlapped frames that are fixed, from the due frame's first sample
        self._guessed = np.zeros(
            (self.open, spectrum.n_fft), np.float32
        )  # frames under their window, the due one first
        self._magnitudes = np.zeros((self.open, spectrum.n_fft // 2 + 1), np.float32)
        self._centred = (1 - 2 * (np.arange(spectrum.n_fft // 2 + 1) % 2)).astype(np.complex64)

    def push(self, magnitudes: Array) -> NDArray[np.complex64]:
        """Take the next frame [bins] and give the spectrum of the one that is due [bins]."""
        for kept in (self._guessed, self._magnitudes):
            kept[:-1] = kept[1:]
            kept[-1] = 0
        self._magnitudes[-1] = magnitudes
        spectra = self._impose(self._hear())  # the newest frame's phases are those of what is there of it already
        before: NDArray[np.complex64] | None = None
        for _ in range(self.rounds):
            self._guessed[:] = np.fft.irfft(spectra, self.n_fft) * self._window
            heard = self._hear()
            spectra = self._impose(heard if before is None else heard + np.float32(MOMENTUM) * (heard - before))
            before = heard
        due = spectra[0]
        self._given[: self.n_fft] += np.fft.irfft(due, self.n_fft) * self._window
        self._given[: -self.hop] = self._given[self.hop :]
        self._given[-self.hop :] = 0
        return due

    def _hear(self) -> NDArray[np.complex64]:
        """Spectra of the open frames as they sound together and with what is given [open, bins]."""
        sound = self._given.copy()
        for k in range(self.open):
            sound[k * self.hop :][: self.n_fft] += self._guessed[k]
        sound *= self._share
        frames = np.lib.stride_tricks.sliding_window_view(sound, self.n_fft)[:: self.hop]
        return np.asarray(np.fft.rfft(frames * self._window), np.complex64)

    def _impose(self, spectra: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Give spectra [open, bins] the wanted magnitudes; what has no phase is in phase at its frame's centre."""
        level = np.abs(spectra)
        unit = np.where(level > SILENCE, spectra / np.maximum(level, np.float32(SILENCE)), self._centred)
        return np.asarray(self._magnitudes * unit, np.complex64)
