"""What a sound tells a model beside its latent: pitch and loudness, frame by frame, for the controls of these names.

Frame k is centred at sample k * hop of the sound. Long sounds are followed in segments that overlap, so that memory
stays the same however long they are.
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
from models.files.sound_reader import Audio
from realtime.dsp.rtpghi import stft_magnitudes

FOLLOWED = ("pitch", "loudness")
SEGMENT_S, MARGIN_S = 4.0, 0.25
SHORT_WINDOW_S, LONG_WINDOW_S = 512 / 48_000, 1024 / 48_000
LOW_NOTE = 54.2
"""Notes below 185 Hz are measured with the longer window: it holds two of their periods."""

Told = dict[str, NDArray[np.float32]]


def followed(card: Card) -> tuple[str, ...]:
    """Name the controls of `decode` that can be taken from a sound."""
    names = {control.name for control in card.method("decode").controls if control.per_frame}
    return tuple(name for name in FOLLOWED if name in names)


def told(audio: Audio, card: Card, note: float | None = None) -> Told:
    """Follow a whole sound: values [shape=(1 + samples // hop,)] by the name of the control.

    Parameters
    ----------
    audio : np.ndarray [shape=(samples,)]
        Mono, at the model's rate.
    card
        Of the model.
    note
        Its pitch as a MIDI note number where it is known; refined on the sound. Else it is estimated.
    """
    parts = list(follow([audio], card, note))
    return {name: np.concatenate([part[name] for part in parts]) for name in followed(card)}


def follow(portions: Iterable[Audio], card: Card, note: float | None = None) -> Iterator[Told]:
    """Follow a sound that comes in portions, and give its frames segment by segment; see `told`."""
    names, hop, rate = followed(card), card.method("decode").hop, card.sample_rate
    inner, margin = (max(1, round(seconds * rate / hop)) for seconds in (SEGMENT_S, MARGIN_S))
    held, behind = np.zeros(0, np.float32), 0  # samples still needed; frames of them that were given before
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
    """RMS of a sound over a short Hann window, dBFS, not below silence [shape=(1 + samples // hop,)].

    Parameters
    ----------
    low
        Take the window that holds two periods of low notes, 21 ms, instead of the one of 11 ms.
    """
    length = 2 * round((LONG_WINDOW_S if low else SHORT_WINDOW_S) * rate / 2)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(length) + 0.5) / length)
    padded = np.pad(np.asarray(audio, np.float64) ** 2, length // 2)
    power = sliding_window_view(padded, length)[::hop] @ (window / window.sum())
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10))), np.float32)


def _analyse(audio: Audio, card: Card, names: tuple[str, ...], note: float | None) -> Told:
    """Measure a segment, as the model was told in training: magnitudes by their energy, audio by its short RMS."""
    decode, rate = card.method("decode"), card.sample_rate
    found: Told = {}
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
