"""Analysis of a note into harmonics, noise bands and loudness, frame by frame.

Frames are centred on multiples of the hop. The pitch, known to a semitone, is refined on the sound. A harmonic is the
peak near the frequency expected from pitch and stiffness, minus the noise under it. Noise is the median between the
harmonics; unlike the mean, it isn't raised by vibrato. The result is scaled to the level of the sound under a window
short enough to keep onsets sharp.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d
from scipy.signal import oaconvolve

from models.data.features import LOG_FLOOR, load_audio
from models.data.manifest import Manifest, Sound
from models.dsp import pitch
from models.files.errors import DataError
from models.harmonics.noise_bands import BANDS, edges, shares
from realtime.dsp.rtpghi import stft_magnitudes

HARMONICS = 128
FLOOR = 1e-5
"""Added to amplitudes before taking their logarithm: −100 dB."""

TOP_HZ = 22_000.0
"""Harmonics above this are left out; at such frequencies a note has only noise."""

SPECTRUM_FFT = 2048
SPECTRUM_EVERY = 4
"""Frames per stored spectrum; spectra are the input of the encoder that isn't given the pitch."""

_LONG_BELOW_HZ = 185.0
_MEDIAN_OF_RMS = 0.8326  # the median of a Rayleigh distribution over its root mean square, sqrt(ln 2)
_NO_NOISE = -13.0
_MAX_GAIN, _MIN_GAIN = 1.5, 1e-3
_ABOVE_PEAK = 2.0  # how far above the peak of the nearest 5 ms the level may be, between the pulses of a low note
_VERSION = 2

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Analysis:
    """Settings of the analysis: sample rate in Hz and hop in samples."""

    sample_rate: int = 48_000
    hop: int = 256


@dataclass(frozen=True)
class Partials:
    """Result of the analysis of a note.

    Attributes
    ----------
    pitch : np.ndarray [shape=(frames,), float32]
        MIDI note number.
    loudness : np.ndarray [shape=(frames,), float32]
        RMS, dBFS, at least −100.
    harmonics : np.ndarray [shape=(frames, HARMONICS), float16]
        Natural logarithm of the amplitudes.
    noise : np.ndarray [shape=(frames, BANDS), float16]
        Levels of the bands; see `models.harmonics.noise_bands`.
    stretch : np.ndarray [shape=(), float32]
        Inharmonicity B of f_k = k f0 sqrt(1 + B k²), constant over the note.
    spectrum : np.ndarray [shape=(frames / SPECTRUM_EVERY, bins), float16]
        Natural logarithm of the magnitudes of every `SPECTRUM_EVERY`th frame.
    """

    pitch: NDArray[np.float32]
    loudness: NDArray[np.float32]
    harmonics: NDArray[np.float16]
    noise: NDArray[np.float16]
    stretch: NDArray[np.float32]
    spectrum: NDArray[np.float16]


def analyse(audio: NDArray[np.float32], analysis: Analysis, note: float | None = None) -> Partials:
    """Analyse a note into harmonics and noise.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
        The note, mono, at the analysis' rate.
    analysis
        Rate and hop.
    note
        Pitch as a MIDI note number; estimated if None.

    Returns
    -------
    partials : Partials
    """
    rate, hop = analysis.sample_rate, analysis.hop
    prior = pitch.estimate(audio, rate, hop) if note is None else np.full(1 + len(audio) // hop, note)
    refined, stretch = pitch.refine_stretched(audio, rate, prior, hop)
    f0 = pitch.note_to_hz(refined)  # [frames]
    low = float(np.median(f0)) < _LONG_BELOW_HZ
    n_fft = max(256, 1 << round(np.log2((4096 if low else 2048) * rate / 48_000)))
    magnitudes = np.asarray(stft_magnitudes(audio, n_fft, hop, "hann"), np.float64).T * (4 / n_fft)  # a sine's: 1
    frames = min(len(magnitudes), len(f0))
    magnitudes, f0 = magnitudes[:frames], f0[:frames]
    noise = _noise(magnitudes, f0, stretch, rate)
    harmonics = _harmonics(magnitudes, f0, stretch, noise, rate)
    level = _level(audio, rate, hop, low)[:frames]
    power = 0.5 * (harmonics**2).sum(axis=1) + (np.exp(2 * noise) * shares(rate)).sum(axis=1)
    gain = np.clip(level / np.sqrt(power + 1e-14), _MIN_GAIN, _MAX_GAIN)
    loudness = np.log(np.sqrt(power) * gain + FLOOR)
    spectrum = np.asarray(stft_magnitudes(audio, SPECTRUM_FFT, hop * SPECTRUM_EVERY, "hann")).T
    return Partials(
        pitch=refined[:frames].astype(np.float32),
        loudness=(loudness * (20 / np.log(10))).astype(np.float32),
        harmonics=np.log(harmonics * gain[:, None] + FLOOR).astype(np.float16),
        noise=np.maximum(noise + np.log(gain)[:, None], np.log(FLOOR) - 3).astype(np.float16),
        stretch=np.array(stretch, np.float32),
        spectrum=np.log(np.maximum(spectrum, LOG_FLOOR)).astype(np.float16),
    )


def of_sounds(
    manifest: Manifest,
    sounds: Sequence[Sound],
    analysis: Analysis,
    cache: Path,
    *,
    on_sound: Callable[[int, int], None] = lambda done, total: None,
) -> list[Partials]:
    """Analyse sounds, or read their analyses from the cache.

    Parameters
    ----------
    manifest, sounds
        The data set, and the sounds of it to analyse.
    analysis
        Rate and hop.
    cache
        Folder of analyses, named by a hash of the file's content and the settings; created if missing.
    on_sound
        Called after each sound with the number done and the total.

    Returns
    -------
    partials : list of Partials
        One for each sound, in order.

    Raises
    ------
    DataError
        A sound cannot be read.
    """
    cache.mkdir(parents=True, exist_ok=True)
    found = []
    for sound in sounds:
        found.append(_of_sound(manifest.path_of(sound), sound.pitch, analysis, cache))
        on_sound(len(found), len(sounds))
    return found


def _of_sound(path: Path, note: float | None, analysis: Analysis, cache: Path) -> Partials:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read the sound {path}, which the manifest lists: {error.strerror or error}.") from None
    settings = json.dumps({**asdict(analysis), "note": note, "partials": _VERSION}, sort_keys=True)
    entry = cache / f"{hashlib.sha256(content + settings.encode()).hexdigest()[:32]}.npz"
    names = [field.name for field in fields(Partials)]
    try:
        with np.load(entry) as kept:
            return Partials(*(kept[name] for name in names))
    except (FileNotFoundError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        pass  # not analysed yet, or cut short: analyse
    found = analyse(load_audio(path, analysis.sample_rate), analysis, note)
    scratch = entry.with_suffix(f".{os.getpid()}.part")
    with scratch.open("wb") as file:
        np.savez(file, **dict(zip(names, astuple(found), strict=True)))
    os.replace(scratch, entry)
    return found


def _places(f0: Floats, stretch: float) -> Floats:
    """Hz of each harmonic, [frames, HARMONICS]."""
    k = np.arange(1, HARMONICS + 1)
    return np.asarray(f0[:, None] * k * np.sqrt(1 + stretch * k**2))


def _noise(magnitudes: Floats, f0: Floats, stretch: float, rate: int) -> Floats:
    """Level of each band, [frames, BANDS]: the median of the bins between harmonics in it or next to it."""
    frames, bins = magnitudes.shape
    bin_hz = rate / (2 * (bins - 1))
    spacing = float(np.median(f0)) / bin_hz
    between = _between(f0, stretch, bins, bin_hz, min(2.6, 0.4 * spacing))
    masked = np.where(between, magnitudes, np.inf)
    band_edges = edges(rate) / bin_hz
    found = np.full((frames, BANDS), np.exp(_NO_NOISE))
    for band in range(BANDS):
        middle = (band_edges[band] + band_edges[band + 1]) / 2
        reach = max((band_edges[band + 1] - band_edges[band]) / 2, 0.55 * spacing, 3.0)
        first = int(max(0, middle - reach))
        part = np.sort(masked[:, first : max(int(middle + reach + 1), first + 3)], axis=1)  # inf comes last
        count = np.isfinite(part).sum(axis=1)
        median = part[np.arange(frames), np.maximum((count - 1) // 2, 0)]
        found[:, band] = np.where(count > 0, median / _MEDIAN_OF_RMS, found[:, band])
    # Of white noise with deviation 1, a bin of this scaling has a mean square of 6 / n_fft.
    return np.asarray(np.log(found + 1e-9) + 0.5 * np.log(2 * (bins - 1) / 6))


def _between(f0: Floats, stretch: float, bins: int, bin_hz: float, far: float) -> NDArray[np.bool_]:
    """Find the bins that are more than `far` bins from every harmonic, [frames, bins]."""
    frequency = np.arange(bins) * bin_hz
    square = (frequency / f0[:, None]) ** 2  # [frames, bins]
    number = np.sqrt(2 * square / (1 + np.sqrt(1 + 4 * stretch * square)))  # fractional harmonic number of a bin
    nearest = np.clip(np.round(number), 1, HARMONICS)
    distance = np.abs(frequency - f0[:, None] * nearest * np.sqrt(1 + stretch * nearest**2)) / bin_hz
    return np.asarray(distance > far)


def _harmonics(magnitudes: Floats, f0: Floats, stretch: float, noise: Floats, rate: int) -> Floats:
    """Amplitude of each harmonic without the noise under it, [frames, HARMONICS]."""
    n_fft = 2 * (magnitudes.shape[1] - 1)
    bin_hz = rate / n_fft
    places = _places(f0, stretch)
    audible = places < min(TOP_HZ, 0.46 * rate)
    guess = np.where(audible, places, 1000.0) / bin_hz
    found, height, _ = pitch.peaks(magnitudes, guess, 1)
    off = np.clip(found - np.round(found), -0.5, 0.5)
    amplitude = height / np.maximum(np.sinc(off) / (1 - off**2), 0.8)  # the main lobe of the Hann window
    middles = (edges(rate)[1:] + edges(rate)[:-1]) / 2
    under = np.stack([np.interp(at * bin_hz, middles, level) for at, level in zip(guess, noise, strict=True)])
    under = np.exp(under) * np.sqrt(6 / n_fft)
    clean = np.sqrt(np.maximum(amplitude**2 - 1.5 * under**2, 0))
    return np.asarray(np.where(amplitude > 1.6 * under, clean, 0.3 * clean) * audible)


def _level(audio: NDArray[np.float32], rate: int, hop: int, low: bool) -> Floats:
    """Compute the RMS under a short Hann window centred on each frame.

    The window must contain a period, so it is longer for low notes; the level is limited by the peak of the nearest
    5 ms, so that silence before an onset stays silent.

    Returns
    -------
    level : np.ndarray [shape=(frames,)]
    """
    size = max(16, round((1024 if low else 512) * rate / 48_000))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    square = np.pad(np.asarray(audio, np.float64) ** 2, (size // 2, size // 2 + hop))
    mean = oaconvolve(square, window / window.sum(), mode="valid")[::hop]
    peak = maximum_filter1d(np.pad(np.abs(audio).astype(np.float64), (0, hop)), max(8, round(256 * rate / 48_000)))[
        ::hop
    ]
    frames = 1 + len(audio) // hop
    return np.minimum(np.sqrt(np.maximum(mean[:frames], 0) + 1e-10), _ABOVE_PEAK * peak[:frames] + 1e-5)
