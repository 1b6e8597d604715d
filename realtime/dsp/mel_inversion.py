"""Mel bands to audio, a frame at a time.

Many spectra have the given mel bands, and few of them are spectra of a sound, so magnitudes and phases are searched for
together. A new frame starts with the spectral shape of the frame before it, some noise, and the phases of RTPGHI
(`realtime.dsp.rtpghi`). Then, a few times, it and the frame that is due are resynthesised together with the audio
already fixed, analysed again, and each bin is scaled by the ratio of wanted to found bands. The result is a sound with
nearly the wanted bands. Partials closer than a band become noise, since bands don't describe them.

See Also
--------
models.dsp.transforms.mel_inversion : The same for whole sounds, with sources.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from realtime.dsp.rtpghi import PhaseInverter
from realtime.dsp.rtpghi_propagation import (
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
from realtime.ipc.compiled import compiled

__all__ = ["MelInverter", "warm"]

AUDIBLE = 1e-9
"""Bands this far below the loudest of their frame, in power, count as silent."""
SPREAD = 0.7
"""Share of noise in a new frame's spectrum. With less, noise freezes into one line per band. The power of each bin is
drawn at random: a flat spectrum is that of a pulse, and a pulse in each frame is a buzz."""
FILLS = 4
"""Corrections of a new frame's spectrum towards the wanted bands."""


class MelInverter(PhaseInverter):
    """Streaming inversion of mel bands: power in bands in, audio out.

    Parameters
    ----------
    weights : np.ndarray [shape=(bands, n_fft // 2 + 1)]
        Weight of each bin's power in each band, 0 or more, as from `export.format.mel_scale.mel_weights` or librosa.
    n_fft, hop, window, seed
        As in `realtime.dsp.rtpghi.PhaseInverter`.
    rounds
        Corrections of each frame; each costs about 1 % of a core at hop 512 and 48 kHz.

    Attributes
    ----------
    delay : int
        ``n_fft // 2 + hop`` samples, as `PhaseInverter` counts them.

    Raises
    ------
    ValueError
        A setting that `PhaseInverter` refuses, or weights of the wrong shape.
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
                f"weights have the shape {weights.shape}; expected (bands, {n_fft // 2 + 1}) numbers of 0 or more"
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
        self._found = np.zeros(self.bands, np.float32)
        self._gains = np.zeros(self.bins, np.float32)
        self._power = np.zeros(self.bins, np.float32)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.bands} bands, {self.n_fft}, {self.hop}, window={self.window!r}, "
            f"rounds={self.rounds}, seed={self.seed})"
        )

    def push(self, magnitudes: np.ndarray) -> np.ndarray:
        """Invert the next frames into as many hops of audio.

        Parameters
        ----------
        magnitudes : np.ndarray [shape=(bands, frames)]
            Power in each band, of any real type, any number of frames. Negative and non-finite values count as 0.

        Returns
        -------
        audio : np.ndarray [shape=(frames * hop,)]
            float32. Any cut of the same frames into pushes gives the same samples, bit for bit.

        Raises
        ------
        ValueError
            The array has the wrong number of bands, or isn't a real matrix.
        """
        bands = np.asarray(magnitudes)
        if bands.ndim != 2 or bands.shape[0] != self.bands or bands.dtype.kind not in "fiu":
            raise ValueError(
                f"mel bands are {bands.dtype} of shape {bands.shape}; expected real numbers of shape "
                f"({self.bands}, frames)"
            )
        return self._invert_frames(bands, self._given)

    def _settings(self) -> tuple[int | str, ...]:
        return (*super()._settings(), self.bands)

    def _invert_frame(self, block: Array) -> None:
        begin(
            self._given,
            self._wanted,
            self._magnitudes,
            self._logs,
            *self._filters,
            self._found,
            self._gains,
            self._power,
            self._random,
        )
        if not self._phasors[1].any():  # as `reset` leaves it
            self._start()
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
            self._reanalyse()
            towards(self._spectra, self._wanted, *self._filters, self._found, self._gains, self._power)
        np.fft.irfft(self._spectra[0], self.n_fft, out=self._grains[0])
        release(self._grains[0], self._shape, self._overlap, self._level, block)
        settle(self._spectra, self._magnitudes, self._logs, self._phasors, self._next_phasors)

    def _start(self) -> None:
        """Precede the first frame by one like it with random phases; after silence it would be a pulse."""
        for rows in (self._wanted, self._magnitudes, self._logs):
            rows[1:] = rows[0]
        scatter(self._phasors, self._random)

    def _reanalyse(self) -> None:
        """Replace both frames' spectra by those of their resynthesis over the audio already fixed."""
        np.fft.irfft(self._spectra, self.n_fft, out=self._grains)
        overlay(self._grains, self._shape, self._overlap, self._known, self._sound)
        np.fft.rfft(self._grains, out=self._spectra)


def warm() -> None:
    """Compile all functions, or load them from numba's cache, so that nothing compiles on stage."""
    MelInverter(np.ones((2, 9)), 16, 4).push(np.ones((2, 3)))


def _span(row: npt.NDArray[np.float32]) -> tuple[int, int]:
    """First bin with a weight, and one past the last."""
    bins = np.flatnonzero(row)
    return (int(bins[0]), int(bins[-1]) + 1) if len(bins) else (0, 0)


# Below, arrays are float32. `weights` and `shares` have the shape (bands, bins); `spans` gives the first and last
# non-zero bin of each band; `shares` are the weights divided by their sum in each bin. `found` [bands], `gains` and
# `power` [bins] are scratch.


@compiled
def overlay(grains: Array, shape: Array, overlap: Array, known: Array, sound: Array) -> None:
    """Overlap-add two frames, a hop apart, with the audio already fixed, and window both out of the sum again.

    `grains` [shape=(2, n_fft)] go in without the window and are returned with it. `sound` [shape=(n_fft + hop,)] is
    scratch.
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
    """Add a frame to the overlap buffer and write the hop that is complete."""
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
    found: Array,
    gains: Array,
    power: Array,
    random: np.ndarray,
) -> None:
    """Enter a new frame: its bands, sanitised, and magnitudes with these bands.

    The bands come first in `wanted` [shape=(2, bands)]; the magnitudes are found from those of the frame before.
    """
    for b in range(given.shape[0]):
        wanted[1, b] = wanted[0, b]
        wanted[0, b] = given[b] if 0 < given[b] < CEILING**2 else 0.0
    for m in range(power.shape[0]):
        power[m] = magnitudes[0, m] * magnitudes[0, m]
    correct(wanted[0], weights, shares, spans, found, gains, power)
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
        correct(wanted[0], weights, shares, spans, found, gains, power)
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
    """Compute the spectra of the frame that is due and of the new one: complex64 [shape=(2, bins)], older first."""
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
    found: Array,
    gains: Array,
    power: Array,
) -> None:
    """Scale the power of each bin by wanted over found power of its bands, and leave the factors in `gains`."""
    loudest = np.float32(0)
    for b in range(wanted.shape[0]):
        loudest = max(loudest, wanted[b])
    floor = np.float32(AUDIBLE) * loudest + np.float32(SILENCE)
    gains[:] = 0
    for b in range(wanted.shape[0]):
        level = np.float32(0)
        for m in range(spans[b, 0], spans[b, 1]):
            level += weights[b, m] * power[m]
        found[b] = level
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
    found: Array,
    gains: Array,
    power: Array,
) -> None:
    """Move the spectra of both frames (complex64 [shape=(2, bins)], older first) towards their bands."""
    for k in range(2):
        spectrum = spectra[k]
        for m in range(power.shape[0]):
            power[m] = spectrum[m].real * spectrum[m].real + spectrum[m].imag * spectrum[m].imag
        correct(wanted[1 - k], weights, shares, spans, found, gains, power)
        for m in range(power.shape[0]):
            gain = np.sqrt(gains[m])
            spectrum[m] = complex(gain * spectrum[m].real, gain * spectrum[m].imag)


@compiled
def settle(spectra: np.ndarray, magnitudes: Array, logs: Array, phasors: Array, next_phasors: Array) -> None:
    """Store magnitudes, their logarithms (as `enter` does) and phasors of both frames."""
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
