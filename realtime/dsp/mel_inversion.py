"""Mel bands to audio, a frame at a time.

Which spectrum has given bands is open, and few of those that have them are spectra of a sound. So the search for one
goes on together with that for its phases. A new frame begins with the shape that the frame before it has come to within
its bands and with noise of its own, and with the phases of RTPGHI (`realtime.dsp.rtpghi`). Then this frame and the one
that
is due are heard together with what sounds already, and each bin of what is heard is scaled by what its bands lack; a
few times over. What comes out is a sound whose bands are nearly the wanted ones. Where bands are wider than bins, it
says nothing of what lies within: partials there are blurred into noise.

See Also
--------
models.dsp.transforms.mel_inversion : the same for whole sounds, with sources.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from realtime.dsp.propagation import (
    CEILING,
    SILENCE,
    TOLERANCE,
    Array,
    causal_delays,
    centred_delays,
    compose,
    drawn,
    enter,
    integrate,
    scatter,
)
from realtime.dsp.rtpghi import PhaseInverter
from realtime.ipc.compiled import compiled

__all__ = ["MelInverter", "warm"]

AUDIBLE = 1e-9
"""Power of bands this much below the loudest of their frame is not told from silence."""
SPREAD = 0.7
"""Share of noise in a new frame's spectrum. With less of it noise freezes into lines, one in each band. Its power in a
bin is drawn, as that of noise is: an even spectrum is one of a pulse, and a pulse in each frame is a buzz."""
FILLS = 4
"""Steps from that to the wanted bands."""


class MelInverter(PhaseInverter):
    """Power in mel bands in, audio out; one running state for the whole stream.

    Parameters
    ----------
    weights : np.ndarray [shape=(bands, n_fft // 2 + 1)]
        Of the power in each bin, not negative; as `export.format.mel_scale.mel_weights` or librosa makes them.
    n_fft, hop, window, seed
        As `realtime.dsp.rtpghi.PhaseInverter` takes them.
    rounds
        How often the frame that is due is heard and corrected; each costs about 1 % of a core at hop 512 and 48 kHz.

    Attributes
    ----------
    delay : int
        ``n_fft // 2 + hop`` samples, as `PhaseInverter` counts them.

    Raises
    ------
    ValueError
        A setting that `PhaseInverter` refuses, or weights of another shape.
    """

    def __init__(
        self,
        weights: np.ndarray,
        n_fft: int,
        hop: int,
        *,
        window: str = "hann",
        rounds: int = 2,
        seed: int = 0,
    ) -> None:
        weights = np.asarray(weights)
        if weights.ndim != 2 or weights.shape[1] != n_fft // 2 + 1 or not (weights >= 0).all():
            raise ValueError(
                f"weights have the shape {weights.shape}; expected (bands, {n_fft // 2 + 1}) numbers from 0 on"
            )
        self.bands, self.rounds = len(weights), rounds
        weights = np.ascontiguousarray(weights, np.float32)
        spans = np.array([_span(row) for row in weights], np.int64).reshape(-1, 2)
        total = weights.sum(axis=0)
        shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
        self._filters = (weights, shares, spans)
        self._wanted = np.zeros((2, self.bands), np.float32)
        super().__init__(n_fft, hop, window=window, lookahead=1, seed=seed)
        self._state = (*self._state, self._wanted)

        known = np.zeros(n_fft + hop)
        shape = self._shape.astype(np.float64)
        for first in range(-((n_fft - 1) // hop) * hop, hop + 1, hop):
            left = max(first, 0)
            known[left : first + n_fft] += shape[left - first :] ** 2
        self._known = np.divide(1, known, out=np.zeros(n_fft + hop), where=known > 1e-9).astype(np.float32)
        self._sound = np.zeros(n_fft + hop, np.float32)
        self._spectra: np.ndarray = np.zeros((2, self.bins), np.complex64)
        self._grains: np.ndarray = np.zeros((2, n_fft), np.float32)
        self._given = np.zeros(self.bands)
        self._heard = np.zeros(self.bands, np.float32)
        self._gains = np.zeros(self.bins, np.float32)
        self._power = np.zeros(self.bins, np.float32)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.bands} bands, {self.n_fft}, {self.hop}, window={self.window!r}, "
            f"rounds={self.rounds}, seed={self.seed})"
        )

    def push(self, magnitudes: np.ndarray) -> np.ndarray:
        """Take the next frames and give as many hops of audio.

        Parameters
        ----------
        magnitudes : np.ndarray [shape=(bands, frames)]
            Power in each band, of any real type and any number of frames. What is negative or not finite counts as 0.

        Returns
        -------
        audio : np.ndarray [shape=(frames * hop,)]
            float32. Any cut of the same frames into pushes gives the same samples, bit for bit.

        Raises
        ------
        ValueError
            The array has another number of bands, or is not a real matrix.
        """
        bands = np.asarray(magnitudes)
        if bands.ndim != 2 or bands.shape[0] != self.bands or bands.dtype.kind not in "fiu":
            raise ValueError(
                f"mel bands are {bands.dtype} of shape {bands.shape}; expected real numbers of shape "
                f"({self.bands}, frames)"
            )
        audio = np.empty(bands.shape[1] * self.hop, np.float32)
        for index in range(bands.shape[1]):
            self._given[:] = bands[:, index]
            self._invert_frame(audio[index * self.hop : (index + 1) * self.hop])
        return audio

    def _settings(self) -> tuple[int | str, ...]:
        return (*super()._settings(), self.bands)

    def _invert_frame(self, block: Array) -> None:
        begin(
            self._given,
            self._wanted,
            self._magnitudes,
            self._logs,
            *self._filters,
            self._heard,
            self._gains,
            self._power,
            self._random,
        )
        if not self._phasors[1].any():  # as `reset` leaves it
            self._go_on()
        draw(
            self._magnitudes,
            self._logs,
            self._delays,
            self._delay_scale,
            self._delay_limit,
            self._impulse_curvature,
            self._advance,
            self._drift_scale,
            self._phasors,
            self._drift,
            self._next_phasors,
            self._next_drift,
            self._levels,
            self._random,
            self._spectra,
        )
        for _ in range(self.rounds):
            self._hear()
            towards(self._spectra, self._wanted, *self._filters, self._heard, self._gains, self._power)
        np.fft.irfft(self._spectra[0], self.n_fft, out=self._grains[0])
        release(self._grains[0], self._shape, self._overlap, self._level, block)
        settle(self._spectra, self._magnitudes, self._logs, self._phasors, self._next_phasors)

    def _go_on(self) -> None:
        """Let the first frame go on from one like it, at any phases: with none before it, it would be a pulse."""
        for rows in (self._wanted, self._magnitudes, self._logs):
            rows[1:] = rows[0]
        scatter(self._phasors, self._random)

    def _hear(self) -> None:
        """Spectra of both frames as they sound together and with what sounds already."""
        np.fft.irfft(self._spectra, self.n_fft, out=self._grains)
        overlay(self._grains, self._shape, self._overlap, self._known, self._sound)
        np.fft.rfft(self._grains, out=self._spectra)


def warm() -> None:
    """Compile everything here, or load it from numba's cache, so that nothing compiles on stage."""
    MelInverter(np.ones((2, 9)), 16, 4).push(np.ones((2, 3)))


def _span(row: npt.NDArray[np.float32]) -> tuple[int, int]:
    """First bin with a weight, and one past the last."""
    heard = np.flatnonzero(row)
    return (int(heard[0]), int(heard[-1]) + 1) if len(heard) else (0, 0)


# Below, arrays are float32; `weights` and `shares` have the shape (bands, bins), `spans` says where a band's are not 0.
# `shares` are the weights over their sum at each bin. `heard` [bands], `gains` and `power` [bins] are scratch.


@compiled
def overlay(grains: Array, shape: Array, overlap: Array, known: Array, sound: Array) -> None:
    """Lay two frames, a hop apart, on what sounds already, and cut both out of it again.

    `grains` [shape=(2, n_fft)] are without the window, and come out with it. `sound` [shape=(n_fft + hop,)] is scratch.
    """
    size, hop = shape.shape[0], sound.shape[0] - shape.shape[0]
    for n in range(size):
        sound[n] = overlap[n] + grains[0, n] * shape[n]
    sound[size:] = 0
    for n in range(size):
        sound[hop + n] += grains[1, n] * shape[n]
    for n in range(size + hop):
        sound[n] *= known[n]
    for n in range(size):
        grains[0, n] = sound[n] * shape[n]
        grains[1, n] = sound[hop + n] * shape[n]


@compiled
def release(grain: Array, shape: Array, overlap: Array, level: Array, block: Array) -> None:
    """Add a frame to what sounds already, and give the hop that is whole."""
    size, hop = overlap.shape[0], block.shape[0]
    for n in range(size):
        overlap[n] += grain[n] * shape[n]
    for n in range(hop):
        block[n] = overlap[n] * level[n]
    for n in range(size - hop):
        overlap[n] = overlap[n + hop]
    overlap[size - hop :] = 0


@compiled
def begin(
    given: np.ndarray,
    wanted: Array,
    magnitudes: Array,
    logs: Array,
    weights: Array,
    shares: Array,
    spans: npt.NDArray[np.int64],
    heard: Array,
    gains: Array,
    power: Array,
    random: np.ndarray,
) -> None:
    """Enter a new frame: its bands, made safe, before those of the last in `wanted` [shape=(2, bands)]; and magnitudes
    that have them, found from those of the frame before."""
    for b in range(given.shape[0]):
        wanted[1, b] = wanted[0, b]
        wanted[0, b] = given[b] if 0 < given[b] < CEILING**2 else 0.0
    for m in range(power.shape[0]):
        power[m] = magnitudes[0, m] * magnitudes[0, m]
    correct(wanted[0], weights, shares, spans, heard, gains, power)
    gains[:] = 0
    for b in range(wanted.shape[1]):
        total = np.float32(0)
        for m in range(spans[b, 0], spans[b, 1]):
            total += weights[b, m]
        level = np.float32(SPREAD) * wanted[0, b] / total if total > 0 else np.float32(0)
        for m in range(spans[b, 0], spans[b, 1]):
            gains[m] += shares[b, m] * level
    for m in range(power.shape[0]):
        power[m] = np.float32(1 - SPREAD) * power[m] - gains[m] * np.log(drawn(random))
    for _ in range(FILLS):
        correct(wanted[0], weights, shares, spans, heard, gains, power)
    for m in range(power.shape[0]):
        power[m] = np.sqrt(power[m])
    enter(power, magnitudes, logs)


@compiled
def draw(
    magnitudes: Array,
    logs: Array,
    delays: Array,
    delay_scale: np.float32,
    delay_limit: np.float32,
    impulse_curvature: np.float32,
    advance: Array,
    drift_scale: np.float32,
    phasors: Array,
    drift: Array,
    next_phasors: Array,
    next_drift: Array,
    levels: Array,
    random: np.ndarray,
    spectra: np.ndarray,
) -> None:
    """Give the frame that is due and the new one their phases: complex64 [shape=(2, bins)], the older first."""
    centred_delays(logs, delay_scale, delay_limit, delays)
    integrate(
        *(magnitudes[1], magnitudes[2], logs[1], delays, advance, drift_scale),
        *(phasors, drift, phasors, drift, levels, random),
    )
    causal_delays(logs, delay_scale, delay_limit, impulse_curvature, delays)
    integrate(
        *(magnitudes[0], magnitudes[1], logs[0], delays, advance, drift_scale),
        *(phasors, drift, next_phasors, next_drift, levels, random),
    )
    compose(magnitudes[1], phasors, spectra[0])
    compose(magnitudes[0], next_phasors, spectra[1])


@compiled
def correct(
    wanted: Array,
    weights: Array,
    shares: Array,
    spans: npt.NDArray[np.int64],
    heard: Array,
    gains: Array,
    power: Array,
) -> None:
    """Scale the power in each bin by what its bands lack, and leave the scale in `gains`."""
    loudest = np.float32(0)
    for b in range(wanted.shape[0]):
        loudest = max(loudest, wanted[b])
    floor = np.float32(AUDIBLE) * loudest + np.float32(SILENCE)
    gains[:] = 0
    for b in range(wanted.shape[0]):
        level = np.float32(0)
        for m in range(spans[b, 0], spans[b, 1]):
            level += weights[b, m] * power[m]
        heard[b] = level
        lacking = (wanted[b] + floor) / (level + floor) if loudest > 0 else np.float32(0)
        for m in range(spans[b, 0], spans[b, 1]):
            gains[m] += shares[b, m] * lacking
    for m in range(power.shape[0]):
        power[m] *= gains[m]


@compiled
def towards(
    spectra: np.ndarray,
    wanted: Array,
    weights: Array,
    shares: Array,
    spans: npt.NDArray[np.int64],
    heard: Array,
    gains: Array,
    power: Array,
) -> None:
    """Bring the spectra of both frames (complex64 [shape=(2, bins)], the older first) nearer to their bands."""
    for k in range(2):
        spectrum = spectra[k]
        for m in range(power.shape[0]):
            power[m] = spectrum[m].real * spectrum[m].real + spectrum[m].imag * spectrum[m].imag
        correct(wanted[1 - k], weights, shares, spans, heard, gains, power)
        for m in range(power.shape[0]):
            gain = np.sqrt(gains[m])
            spectrum[m] = complex(gain * spectrum[m].real, gain * spectrum[m].imag)


@compiled
def settle(spectra: np.ndarray, magnitudes: Array, logs: Array, phasors: Array, next_phasors: Array) -> None:
    """Keep what both frames have come to: magnitudes and their logarithms, as `enter` has them, and phasors."""
    for k in range(2):
        spectrum, row, kept = spectra[k], magnitudes[1 - k], next_phasors if k else phasors
        loudest = np.float32(0)
        for m in range(row.shape[0]):
            level = np.sqrt(spectrum[m].real * spectrum[m].real + spectrum[m].imag * spectrum[m].imag)
            level = min(level, np.float32(CEILING)) if level >= SILENCE else np.float32(0)
            row[m] = level
            loudest = max(loudest, level)
            if level > 0:
                kept[0, m] = spectrum[m].real / level
                kept[1, m] = spectrum[m].imag / level
        floor = max(np.float32(TOLERANCE) * loudest, np.float32(SILENCE))
        for m in range(row.shape[0]):
            logs[1 - k, m] = np.log(max(row[m], floor) * np.float32(1 / SILENCE))
