"""Real-time iterative spectrogram inversion with look-ahead, RTISI-LA.

Griffin-Lim iterations on the few frames that overlap the one that is due: earlier audio is fixed, later frames are
estimated together with it, and each frame is iterated many times before it is due [1]_. Overlapping frames are divided
by the windows present so far, so that the newest has its full level, and the iteration extrapolates its last step, as
in fast Griffin-Lim (`models.dsp.transforms.griffin_lim`).

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
from realtime.dsp.rtpghi import analysis_window
from realtime.dsp.rtpghi_propagation import SILENCE

ROUNDS = 10
"""Iterations per frame."""

Array = NDArray[np.float32]


def rtisi_la(
    magnitudes: Tensor, stft: STFT, *, lookahead: int = 3, rounds: int = ROUNDS, length: int | None = None
) -> Tensor:
    """Find a sound whose centred STFT has nearly these magnitudes.

    Parameters
    ----------
    magnitudes : Tensor [shape=(..., bins, frames)]
    stft
        Their STFT.
    lookahead
        Later frames that are estimated together with the one that is due; the delay of a live inversion.
    rounds
        Iterations per frame.
    length
        Samples to return. Default: from the number of frames.

    Returns
    -------
    audio : Tensor [shape=(..., length)]
        Aligned with the sound of the magnitudes.
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
    """Streaming RTISI-LA: takes the magnitudes of a frame and returns the spectrum of the frame `lookahead` before.

    Parameters
    ----------
    spectrum
        Settings of the STFT.
    lookahead, rounds
        As in `rtisi_la`.
    """

    def __init__(self, spectrum: Spectrum, *, lookahead: int = 3, rounds: int = ROUNDS) -> None:
        shape = analysis_window(spectrum.n_fft, spectrum.window)
        self.hop, self.n_fft, self.rounds = spectrum.hop, spectrum.n_fft, rounds
        self.open = lookahead + 1
        reach = spectrum.n_fft + lookahead * spectrum.hop

        # Squared windows over the open samples: of fixed frames and of estimated ones
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
        """Take the next frame [bins] and return the spectrum of the one that is due [bins]."""
        for kept in (self._guessed, self._magnitudes):
            kept[:-1] = kept[1:]
            kept[-1] = 0
        self._magnitudes[-1] = magnitudes
        spectra = self._impose(self._analyse())  # the newest frame starts with the phases of the audio under it
        before: NDArray[np.complex64] | None = None
        for _ in range(self.rounds):
            self._guessed[:] = np.fft.irfft(spectra, self.n_fft) * self._window
            consistent = self._analyse()
            spectra = self._impose(
                consistent if before is None else consistent + np.float32(MOMENTUM) * (consistent - before)
            )
            before = consistent
        due = spectra[0]
        self._given[: self.n_fft] += np.fft.irfft(due, self.n_fft) * self._window
        self._given[: -self.hop] = self._given[self.hop :]
        self._given[-self.hop :] = 0
        return due

    def _analyse(self) -> NDArray[np.complex64]:
        """Return the spectra of the open frames overlapped with each other and the fixed audio [open, bins]."""
        sound = self._given.copy()
        for k in range(self.open):
            sound[k * self.hop :][: self.n_fft] += self._guessed[k]
        sound *= self._share
        frames = np.lib.stride_tricks.sliding_window_view(sound, self.n_fft)[:: self.hop]
        return np.asarray(np.fft.rfft(frames * self._window), np.complex64)

    def _impose(self, spectra: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Impose the wanted magnitudes on spectra [open, bins]; bins without a phase get that of the frame's centre."""
        level = np.abs(spectra)
        unit = np.where(level > SILENCE, spectra / np.maximum(level, np.float32(SILENCE)), self._centred)
        return np.asarray(self._magnitudes * unit, np.complex64)
