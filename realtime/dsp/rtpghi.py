"""Magnitudes to audio, a frame at a time: real-time phase gradient heap integration, RTPGHI.

Under a Gaussian window the gradient of a spectrogram's phase is a derivative of its log-magnitude: across bins it gives
the phase's course in time, across frames its course in frequency. The usual windows come close. RTPGHI integrates that
gradient into each new frame, from the frame before and along the frame, always from the loudest bin reached so far
[1]_. Then the frame is turned once towards the audio that already surrounds it, the part of Griffin and Lim's iteration
that a stream can do without waiting [2]_. A second round would gain little for music and make steady tones rough.

Differences from the papers:

- The heap is gone. A bin can be reached from the frame before, from its left or from its right; popping the loudest
  bin first means that it is reached on the path whose quietest bin is loudest. Along one line of bins, a sweep up and
  a sweep down find that path for every bin, and reach all in the order of the heap.
- Phases are unit phasors, not angles: nothing is wrapped, and no arctangent is taken.
- The derivative over time is taken for the tangent of a delay and bounded, so that no delay leaves the window and a
  click out of silence stays a click (`centred_delays`); without lookahead, so is its curvature (`causal_delays`).

.. [1] Z. Průša, P. L. Søndergaard, "Real-Time Spectrogram Inversion Using Phase Gradient Heap Integration", DAFx 2016.
   Gammas: Z. Průša, P. Balazs, P. L. Søndergaard, "A Noniterative Method for Reconstruction of Phase from STFT
   Magnitude", IEEE/ACM TASLP 25(5), 2017.
.. [2] X. Zhu, G. T. Beauregard, L. L. Wyse, "Real-Time Signal Estimation from Modified Short-Time Fourier Transform
   Magnitude Spectra", IEEE TASLP 15(5), 2007.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from realtime.dsp.rtpghi_propagation import (
    Array,
    add_windowed,
    causal_delays,
    centred_delays,
    compose,
    enter,
    integrate,
    lean,
)

__all__ = ["WINDOWS", "PhaseInverter", "PhaseSnapshot", "analysis_window", "invert", "stft_magnitudes", "warm"]

WINDOWS = {"hann": 0.25645, "sqrt_hann": 0.41532, "hamming": 0.29794, "blackman": 0.17954}
"""Each window's name and the width of the Gaussian nearest to it, as gamma / n_fft**2."""


@dataclass(frozen=True)
class PhaseSnapshot:
    """The whole state of a `PhaseInverter`, for it or another with the same settings to restore."""

    settings: tuple[int | str, ...]
    arrays: tuple[np.ndarray, ...]


class PhaseInverter:
    """RTPGHI(0) or RTPGHI(1): one running phase and overlap-add state for the whole stream.

    Parameters
    ----------
    n_fft
        Length of the window and of the transform in samples, even, at least 4.
    hop
        Samples between frames, 1 to ``n_fft // 2``; it need not divide ``n_fft``.
    window
        Analysis window of the magnitudes, one of `WINDOWS`, periodic. The synthesis window is its canonical dual, so
        true phases would reconstruct the audio exactly.
    lookahead
        Future frames to wait for: 0 or 1. One costs a hop of delay and gains about 2 dB.
    seed
        Seed of the random phases of bins too quiet for a phase of their own.

    Attributes
    ----------
    bins : int
        ``n_fft // 2 + 1``.
    delay : int
        ``n_fft // 2 + lookahead * hop`` samples. The block returned for frame ``i`` begins at sample ``i * hop`` of
        the stream; the centre of that frame sounds ``delay`` samples later.

    Raises
    ------
    ValueError
        A setting outside the ranges above.

    See Also
    --------
    invert : The same for a whole spectrogram, aligned with its audio.

    Examples
    --------
    >>> inverter = PhaseInverter(2048, 512)
    >>> magnitudes = stft_magnitudes(np.sin(2 * np.pi * 440 * np.arange(48000) / 48000), 2048, 512)
    >>> np.concatenate([inverter.push(frame[:, None]) for frame in magnitudes.T]).shape
    (48128,)
    """

    def __init__(self, n_fft: int, hop: int, *, window: str = "hann", lookahead: int = 0, seed: int = 0) -> None:
        shape = analysis_window(n_fft, window)
        _check_hop(n_fft, hop)
        if lookahead not in (0, 1):
            raise ValueError(f"lookahead is {lookahead}; it can be 0 or 1 frames")
        self.n_fft, self.hop, self.window, self.lookahead, self.seed = n_fft, hop, window, lookahead, seed
        self.bins = n_fft // 2 + 1
        self.delay = n_fft // 2 + lookahead * hop

        # Constants: windows and scales of the gradient
        gamma = WINDOWS[window] * n_fft**2
        self._drift_scale = np.float32(hop * n_fft / (2 * gamma))
        self._delay_scale = np.float32(gamma / (2 * hop * n_fft))
        self._delay_limit = np.float32(1 / np.tan(np.pi * hop / n_fft))
        self._impulse_curvature = np.float32(-2 * np.pi * hop**2 / gamma)
        turns = (hop * np.arange(self.bins) % n_fft) / n_fft
        self._advance = (2 * np.pi * (turns - np.round(turns))).astype(np.float32)
        known = _power_above(shape**2, hop)
        self._level = (1 / known[:hop]).astype(np.float32)
        if lookahead:
            known[hop:] += shape[:-hop] ** 2
        self._shape = shape.astype(np.float32)
        self._own_share = np.divide(shape**2, known, out=np.ones(n_fft), where=known > 0).astype(np.float32)
        self._rest_share = np.divide(shape, known, out=np.zeros(n_fft), where=known > 0).astype(np.float32)

        # State: the newest three frames, newest first; the last phases; the overlap buffer
        self._magnitudes = np.zeros((3, self.bins), np.float32)
        self._logs = np.zeros((3, self.bins), np.float32)
        self._phasors = np.zeros((2, self.bins), np.float32)
        self._drift = np.zeros(self.bins, np.float32)
        self._overlap = np.zeros(n_fft, np.float32)
        self._random = np.zeros(1, np.uint32)
        self._state: tuple[np.ndarray, ...] = (
            self._magnitudes,
            self._logs,
            self._phasors,
            self._drift,
            self._overlap,
            self._random,
        )

        # Scratch
        self._frame = np.zeros(self.bins, np.float64)
        self._delays = np.zeros(self.bins, np.float32)
        self._levels = np.zeros((2, self.bins), np.float32)
        self._next_phasors = np.zeros((2, self.bins), np.float32)
        self._next_drift = np.zeros(self.bins, np.float32)
        self._spectrum: np.ndarray = np.zeros(self.bins, np.complex64)
        self._grain: np.ndarray = np.zeros(n_fft, np.float32)
        self._rest = np.zeros(n_fft, np.float32)
        self.reset()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.n_fft}, {self.hop}, window={self.window!r}, "
            f"lookahead={self.lookahead}, seed={self.seed})"
        )

    def push(self, magnitudes: np.ndarray) -> np.ndarray:
        """Invert the next frames into as many hops of audio.

        Parameters
        ----------
        magnitudes : np.ndarray [shape=(bins, frames)]
            Of any real type, any number of frames, scaled as in librosa's and torch's STFT (not divided by the sum of
            the window). Negative and non-finite values count as 0.

        Returns
        -------
        audio : np.ndarray [shape=(frames * hop,)]
            float32. Any cut of the same frames into pushes gives the same samples, bit for bit.

        Raises
        ------
        ValueError
            The array has the wrong number of bins, or isn't a real matrix.
        """
        magnitudes = np.asarray(magnitudes)
        if magnitudes.ndim != 2 or magnitudes.shape[0] != self.bins or magnitudes.dtype.kind not in "fiu":
            raise ValueError(
                f"magnitudes are {magnitudes.dtype} of shape {magnitudes.shape}; expected real numbers of shape "
                f"({self.bins}, frames), n_fft being {self.n_fft}"
            )
        return self._invert_frames(magnitudes, self._frame)

    def reset(self) -> None:
        """Return to silence and the seed: bit for bit the same as a new inverter."""
        for array in self._state:
            array.fill(0)
        self._phasors[0] = 1
        self._random[0] = (self.seed * 2654435769 + 2654435769) % 2**32 or 1  # any state but 0

    def snapshot(self) -> PhaseSnapshot:
        """Copy the whole state."""
        return PhaseSnapshot(self._settings(), tuple(array.copy() for array in self._state))

    def restore(self, snapshot: PhaseSnapshot) -> None:
        """Restore a snapshot exactly.

        Raises
        ------
        ValueError
            The snapshot comes from an inverter with other settings.
        """
        if snapshot.settings != self._settings():
            raise ValueError(
                f"snapshot of (n_fft, hop, window, lookahead) {snapshot.settings}; this inverter is {self._settings()}"
            )
        for array, kept in zip(self._state, snapshot.arrays, strict=True):
            array[:] = kept

    def _settings(self) -> tuple[int | str, ...]:
        return self.n_fft, self.hop, self.window, self.lookahead

    def _invert_frames(self, frames: np.ndarray, given: np.ndarray) -> np.ndarray:
        """Invert frames [shape=(rows, frames)] one by one, each copied into `given`."""
        audio = np.empty(frames.shape[1] * self.hop, np.float32)
        for index in range(frames.shape[1]):
            given[:] = frames[:, index]
            self._invert_frame(audio[index * self.hop : (index + 1) * self.hop])
        return audio

    def _invert_frame(self, block: Array) -> None:
        """Find the phases of the frame that is due, overlap-add it, and write the block that is complete."""
        enter(self._frame, self._magnitudes, self._logs)
        due = self._magnitudes[self.lookahead]
        if self.lookahead:
            centred_delays(self._logs, self._delay_scale, self._delay_limit, self._delays)
        else:
            causal_delays(self._logs, self._delay_scale, self._delay_limit, self._impulse_curvature, self._delays)
        self._integrate(self.lookahead, self._phasors, self._drift)

        # Audio under this frame: the overlap buffer and, with lookahead, an estimate of the next frame
        np.copyto(self._rest, self._overlap)
        if self.lookahead:
            causal_delays(self._logs, self._delay_scale, self._delay_limit, self._impulse_curvature, self._delays)
            self._integrate(0, self._next_phasors, self._next_drift)
            self._synthesise(self._magnitudes[0], self._next_phasors)
            add_windowed(self._grain[: -self.hop], self._shape, self._rest[self.hop :])
        self._rest *= self._rest_share

        self._synthesise(due, self._phasors)
        self._grain *= self._own_share
        self._grain += self._rest
        np.fft.rfft(self._grain, out=self._spectrum)
        lean(self._spectrum, due, self._phasors)
        self._synthesise(due, self._phasors)
        add_windowed(self._grain, self._shape, self._overlap)
        np.multiply(self._overlap[: self.hop], self._level, out=block)
        self._overlap[: -self.hop] = self._overlap[self.hop :]
        self._overlap[-self.hop :] = 0

    def _integrate(self, index: int, phasors: Array, drift: Array) -> None:
        """Integrate the phases of the frame in row ``index`` from those of the last overlapped frame."""
        integrate(
            self._magnitudes[index],
            self._magnitudes[index + 1],
            self._logs[index],
            self._delays,
            self._advance,
            self._drift_scale,
            self._phasors,
            self._drift,
            phasors,
            drift,
            self._levels,
            self._random,
        )

    def _synthesise(self, magnitudes: Array, phasors: Array) -> None:
        """Write one frame's samples, before the synthesis window, into the grain."""
        compose(magnitudes, phasors, self._spectrum)
        np.fft.irfft(self._spectrum, self.n_fft, out=self._grain)


def invert(
    magnitudes: np.ndarray,
    n_fft: int,
    hop: int,
    *,
    window: str = "hann",
    lookahead: int = 0,
    seed: int = 0,
    length: int | None = None,
) -> Array:
    """Invert a whole spectrogram: audio whose centred STFT has nearly these magnitudes.

    Parameters
    ----------
    magnitudes : np.ndarray [shape=(bins, frames)]
        As from `stft_magnitudes`, ``librosa.stft`` or ``torch.stft`` (``center=True``).
    n_fft, hop, window, lookahead, seed
        As in `PhaseInverter`.
    length
        Samples to return, at most ``frames * hop``. Default: those between the centres of the first and last frame.

    Returns
    -------
    audio : np.ndarray [shape=(length,)]
        float32, aligned with the signal of the magnitudes.

    Raises
    ------
    ValueError
        A setting that `PhaseInverter` refuses, magnitudes of the wrong shape, or too great a length.
    """
    inverter = PhaseInverter(n_fft, hop, window=window, lookahead=lookahead, seed=seed)
    audio = inverter.push(magnitudes)
    frames = len(audio) // hop
    if length is None:
        length = max(frames - 1, 0) * hop
    if not 0 <= length <= frames * hop:
        raise ValueError(f"length is {length}; {frames} frames of hop {hop} give 0 to {frames * hop} samples")
    after = -(-inverter.delay // hop)
    audio = np.concatenate([audio, inverter.push(np.zeros((inverter.bins, after)))])

    # The stream assumes silence before the first frame and after the last; here no frames are there, so divide by those
    # that are
    power = analysis_window(n_fft, window) ** 2
    there = np.zeros((frames + after) * hop + n_fft)
    for start in range(0, frames * hop, hop):
        there[start : start + n_fft] += power
    everywhere = np.resize(_power_above(power, hop)[:hop], len(there))
    kept = slice(n_fft // 2, n_fft // 2 + length)
    gain = everywhere[kept] / np.maximum(there[kept], 0.01)
    return (audio[inverter.delay : inverter.delay + length] * gain).astype(np.float32)


def stft_magnitudes(audio: np.ndarray, n_fft: int, hop: int, window: str = "hann") -> Array:
    """Compute magnitudes of the centred STFT, the signal padded with zeros.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]

    Returns
    -------
    magnitudes : np.ndarray [shape=(n_fft // 2 + 1, 1 + samples // hop)]
        float32; frame ``i`` is centred on sample ``i * hop``, as in ``librosa.stft(..., pad_mode="constant")``.
    """
    shape = analysis_window(n_fft, window).astype(np.float32)
    _check_hop(n_fft, hop)
    padded = np.pad(np.asarray(audio, np.float32), n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    return np.abs(np.fft.rfft(frames * shape)).T


def analysis_window(n_fft: int, window: str) -> npt.NDArray[np.float64]:
    """Return the periodic window of a name in `WINDOWS` [shape=(n_fft,)]."""
    if n_fft < 4 or n_fft % 2:
        raise ValueError(f"n_fft is {n_fft}; it must be even and at least 4")
    turn = 2 * np.pi * np.arange(n_fft) / n_fft
    match window:
        case "hann":
            return 0.5 - 0.5 * np.cos(turn)
        case "sqrt_hann":
            return np.sin(turn / 2)
        case "hamming":
            return 0.54 - 0.46 * np.cos(turn)
        case "blackman":
            return np.maximum(0.42 - 0.5 * np.cos(turn) + 0.08 * np.cos(2 * turn), 0)
    raise ValueError(f"window is {window!r}; it can be one of {', '.join(WINDOWS)}")


def warm() -> None:
    """Compile all functions, or load them from numba's cache, so that nothing compiles on stage."""
    for lookahead in (0, 1):
        PhaseInverter(16, 4, lookahead=lookahead).push(np.ones((9, 1)))


def _check_hop(n_fft: int, hop: int) -> None:
    if not 1 <= hop <= n_fft // 2:
        raise ValueError(f"hop is {hop}; with n_fft {n_fft} it can be 1 to {n_fft // 2}, half the window")


def _power_above(power: np.ndarray, hop: int) -> np.ndarray:
    """Sum the squared windows over a frame's samples: its own and those of all frames before it [shape=(n_fft,)]."""
    total = np.zeros(len(power))
    for shift in range(0, len(power), hop):
        total[: len(power) - shift] += power[shift:]
    return total
