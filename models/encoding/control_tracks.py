"""Control tracks: pitch and loudness of a sound, frame by frame, for the model's controls of these names.

Frame k is centred on sample k * hop. Long sounds are measured in overlapping segments, in constant memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from export.format.card import Card
from models.data import features
from models.data.features import SILENCE_DB
from models.dsp import pitch
from models.files.block_reader import Audio
from realtime.dsp.rtpghi import stft_magnitudes

FOLLOWED = ("pitch", "loudness")
SEGMENT_S, MARGIN_S = 4.0, 0.25
SHORT_WINDOW_S, LONG_WINDOW_S = 512 / 48_000, 1024 / 48_000
LOW_NOTE = 54.2
"""MIDI note below which (185 Hz) loudness uses the longer window, which holds two periods."""

ControlTracks = dict[str, NDArray[np.float32]]


def followed(card: Card) -> tuple[str, ...]:
    """Return the names of the controls of `decode` that can be measured on a sound."""
    names = {control.name for control in card.method("decode").controls if control.per_frame}
    return tuple(name for name in FOLLOWED if name in names)


def measure(audio: Audio, card: Card, note: float | None = None) -> ControlTracks:
    """Measure a whole sound.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
        Mono, at the model's rate.
    card
        Card of the model.
    note
        Pitch as a MIDI note number, if known, to be refined on the sound. Default: estimated.

    Returns
    -------
    tracks : dict of np.ndarray [shape=(1 + samples // hop,)]
        Values by the name of the control: MIDI note numbers, dBFS.
    """
    parts = list(follow([audio], card, note))
    return {name: np.concatenate([part[name] for part in parts]) for name in followed(card)}


def follow(portions: Iterable[Audio], card: Card, note: float | None = None) -> Iterator[ControlTracks]:
    """Measure a sound in portions of any length.

    Yields
    ------
    tracks : dict of np.ndarray
        The next frames of `measure`, segment by segment.
    """
    names, hop, rate = followed(card), card.method("decode").hop, card.sample_rate
    inner, margin = (max(1, round(seconds * rate / hop)) for seconds in (SEGMENT_S, MARGIN_S))
    held, behind = np.zeros(0, np.float32), 0  # samples still needed; frames in them already yielded
    source = iter(portions)
    ended = False
    while not ended:
        wanted = (behind + inner + margin) * hop
        parts, count = [held], len(held)
        while count < wanted and not ended:
            portion = next(source, None)
            ended = portion is None
            if portion is not None:
                parts.append(portion)
                count += len(portion)
        held = np.concatenate(parts)
        frames = 1 + count // hop - behind if ended else inner
        found = _analyse(held if ended else held[:wanted], card, names, note)
        yield {name: values[behind : behind + frames] for name, values in found.items()}
        drop = max(behind + frames - margin, 0)
        held, behind = held[drop * hop :], behind + frames - drop


def loudness_db(audio: Audio, rate: int, hop: int, *, low: bool = False) -> NDArray[np.float32]:
    """Compute the RMS of a sound over a short Hann window.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
        Mono.
    rate
        Sample rate, Hz.
    hop
        Samples between frames.
    low
        Use a window of 21 ms, two periods of low notes, instead of 11 ms.

    Returns
    -------
    loudness : np.ndarray [shape=(1 + samples // hop,)]
        dBFS, at least `SILENCE_DB`.
    """
    length = 2 * round((LONG_WINDOW_S if low else SHORT_WINDOW_S) * rate / 2)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(length) + 0.5) / length)
    padded = np.pad(np.asarray(audio, np.float64) ** 2, length // 2)
    power = sliding_window_view(padded, length)[::hop] @ (window / window.sum())
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10))), np.float32)


def _analyse(audio: Audio, card: Card, names: tuple[str, ...], note: float | None) -> ControlTracks:
    """Measure a segment as in training: loudness from the energy of magnitudes, or from the short RMS of audio."""
    decode, rate = card.method("decode"), card.sample_rate
    found: ControlTracks = {}
    if "pitch" in names:
        prior = pitch.estimate(audio, rate, decode.hop) if note is None else note
        found["pitch"] = pitch.refine(audio, rate, prior, decode.hop).astype(np.float32)
    if "loudness" in names:
        if decode.spectrum is not None:
            spectrum = decode.spectrum
            magnitudes = stft_magnitudes(audio, spectrum.n_fft, spectrum.hop, spectrum.window)
            found["loudness"] = features.loudness_db(magnitudes.T)
        else:
            lowest = float(np.median(found["pitch"])) if "pitch" in found else math.inf
            found["loudness"] = loudness_db(audio, rate, decode.hop, low=lowest < LOW_NOTE)
    return found
