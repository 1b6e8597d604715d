"""A small folder of sounds as people have them, and settings so small that training on it takes no time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

TINY = """\
segments = 4
check_every = 20
media_every = 1000000
warmup_steps = 5
[model]
sample_rate = 16000
n_fft = 256
hop = 64
latent = 3
encoder_hidden = 16
hidden = 24
layers = 1
harmonics = 8
bands = 12
"""


def tone(rate: int, hz: float, seconds: float = 0.4, level: float = 0.3) -> np.ndarray:
    """A tone with three partials that dies away."""
    time = np.arange(round(rate * seconds)) / rate
    return level * np.exp(-3 * time) * sum(np.sin(2 * np.pi * k * hz * time) / k for k in (1, 2, 3))


def write_tones(folder: Path, count: int = 4) -> Path:
    """Two labels of tones a semitone apart, each file of another rate; mono and stereo, with silence around them."""
    for label, lowest in (("low", 220.0), ("high", 440.0)):
        (folder / label).mkdir(parents=True)
        for k in range(count):
            rate = (44_100, 48_000, 22_050)[k % 3]
            silence = np.zeros(rate // 20)
            audio = np.concatenate([silence, tone(rate, lowest * 2 ** (k / 12), level=0.1 + 0.1 * k), silence])
            shaped = np.stack([audio, 0.5 * audio], axis=1) if k % 2 else audio
            soundfile.write(folder / label / f"{k}.{('wav', 'flac')[k % 2]}", shaped, rate)
    return folder


def spoil(folder: Path) -> None:
    """Put a broken file and an empty one among the sounds of `write_tones`."""
    (folder / "low" / "broken.wav").write_bytes(b"RIFF0000WAVE and then nothing of the kind")
    soundfile.write(folder / "high" / "empty.wav", np.zeros((0, 1)), 48_000)
