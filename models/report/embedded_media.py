"""Spectrograms and sounds embedded in an HTML page."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import numpy as np
import soundfile
from numpy.typing import NDArray

from export.format.mel_scale import mel_weights
from realtime.dsp.rtpghi import stft_magnitudes

RANGE_DB = 80.0
_N_FFT, _HOP, _BANDS = 2048, 256, 128
_FADE_SECONDS = 0.01
_COLOURS = np.array(
    [(6, 4, 16), (49, 14, 92), (124, 32, 125), (196, 60, 92), (244, 130, 58), (252, 236, 178)], np.float64
)
"""Colour map from dark (silence) to light (loudest)."""


def mel_db(audio: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Compute a log-mel spectrogram in dB, [bands, frames], at least −200."""
    magnitudes = np.asarray(stft_magnitudes(audio, _N_FFT, _HOP), np.float64)
    power = mel_weights(rate, _N_FFT, _BANDS).astype(np.float64) @ magnitudes**2
    return np.asarray(10 * np.log10(np.maximum(power, 1e-20)))


def spectrogram(level_db: NDArray[np.float64], loudest_db: float) -> NDArray[np.uint8]:
    """Map levels [bands, frames] to colours [bands, frames, 3] over `RANGE_DB`; low bands are at the bottom."""
    share = np.clip(1 + (level_db - loudest_db) / RANGE_DB, 0, 1)[::-1]
    place = share * (len(_COLOURS) - 1)
    below = np.minimum(place.astype(int), len(_COLOURS) - 2)
    mixed = _COLOURS[below] + (place - below)[..., None] * (_COLOURS[below + 1] - _COLOURS[below])
    return np.asarray(np.round(mixed), np.uint8)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode pixels as PNG.

    Parameters
    ----------
    pixels : np.ndarray [shape=(height, width, 3), uint8]

    Returns
    -------
    file : bytes

    Source: Portable Network Graphics, third edition (W3C): true colour, eight bits, no filter.
    """
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def image(pixels: NDArray[np.uint8], width: int, height: int, text: str = "") -> str:
    """Return pixels [height, width, 3] as an HTML image of the given size."""
    data = base64.b64encode(png(pixels)).decode()
    return f'<img width="{width}" height="{height}" alt="{text}" src="data:image/png;base64,{data}">'


def player(audio: NDArray[np.float32], rate: int) -> str:
    """Return a mono sound as an HTML player, faded in and out over 10 ms."""
    faded = np.array(audio, np.float32)
    length = min(len(faded) // 2, round(_FADE_SECONDS * rate))
    ramp = np.linspace(0, 1, length, dtype=np.float32)
    faded[:length] *= ramp
    faded[len(faded) - length :] *= ramp[::-1]
    written = io.BytesIO()
    soundfile.write(written, np.clip(faded, -1, 1), rate, format="FLAC", subtype="PCM_16")
    data = base64.b64encode(written.getvalue()).decode()
    return f'<audio controls preload="none" src="data:audio/flac;base64,{data}"></audio>'
