"""What a deck plays, without the process around it: events in, audio out.

The engine holds the knobs of one deck, makes latent frames from them, decodes, guards against what is not a number and
brings the model's rate to the stream's. The deck process runs it against the clock; tests and offline work run it as
fast as it goes, and get the same samples.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import soxr

from realtime.decoder import Decoder
from realtime.latents import Latents, Smoother
from realtime.params import Parameter, Table, table

RESAMPLER = "HQ"


class Engine:
    """One deck's sound.

    Parameters
    ----------
    path
        The model file.
    sample_rate
        Of the stream; a model of another rate is resampled.
    seed
        Of the walk, and of the phase where magnitudes say nothing of it.

    Attributes
    ----------
    nonfinite : int
        Frames in which the model gave no numbers; they fade to silence, and the model goes back to rest.
    """

    def __init__(self, path: str | os.PathLike[str], sample_rate: float, *, seed: int = 0) -> None:
        self.decoder = Decoder(path, seed=seed)
        card = self.decoder.card
        self.table: Table = table(card)
        self.sample_rate = sample_rate
        self.nonfinite = 0
        frame_rate = card.sample_rate / self.decoder.hop
        self.latents = Latents(card.latent, frame_rate, seed)
        self._values = np.array([row.default for row in self.table.by_index])
        self._controls = np.array([row.index for row in self.table.controls.values()], int)
        self._control_ms = np.array([row.smoothing_ms for row in self.table.controls.values()])
        self._smoother = Smoother(self._values[self._controls], frame_rate)
        rows = {"manual": self.table.latents, "scale": self.table.scales, "bias": self.table.biases}
        self._faders = {row.index: (name, k) for name, found in rows.items() for k, row in enumerate(found)}
        self._named = {
            a: self.table[a].index for a in ("/reset", "/smoothing", "/walk/speed", "/walk/radius", "/walk/kind")
        }
        self._seed_row = self.table["/walk/seed"].index
        self._values[self._seed_row] = seed
        self._guard = _Guard(self.decoder.channels)
        self._resampler = None
        if card.sample_rate != sample_rate:
            self._resampler = soxr.ResampleStream(
                card.sample_rate, sample_rate, self.decoder.channels, dtype="float32", quality=RESAMPLER
            )

    @property
    def hop(self) -> int:
        """Frames of audio that a latent frame makes at the stream's rate (rounded up where it varies)."""
        return int(np.ceil(self.decoder.hop * self.sample_rate / self.decoder.card.sample_rate))

    @property
    def delay(self) -> int:
        """Samples, at the stream's rate, by which the sound lags its latent: graph, inversion and resampler."""
        ratio = self.sample_rate / self.decoder.card.sample_rate
        return round(self.decoder.delay * ratio + (self._resampler.delay() if self._resampler else 0))

    def apply(self, parameter: int, value: float) -> None:
        """Act on an event: a parameter of the deck, by index, takes a value."""
        if not 0 <= parameter < len(self.table.by_index):
            return
        row: Parameter = self.table.by_index[parameter]
        if not np.isfinite(value):
            return
        value = row.clip(value)
        self._values[parameter] = value
        if parameter in self._faders:
            name, k = self._faders[parameter]
            getattr(self.latents, name)[k] = value
        elif parameter == self._named["/reset"]:
            self.reset()
        elif parameter == self._seed_row:
            self.latents.walk.seed(int(value))

    def reset(self) -> None:
        """Bring the model to rest; the sound dips and comes back within a hop, so that nothing pops."""
        self._guard.dip(self.decoder.reset)

    def settle(self) -> None:
        """Let every knob be where it points, without a glide: before the first frame."""
        self.latents.jump()
        self._smoother.now[:] = self._values[self._controls]

    def next(self) -> np.ndarray:
        """Make the next latent frame's audio [shape=(channels, samples)], at the stream's rate."""
        value = self._values
        latent = self.latents.next(
            smoothing_ms=value[self._named["/smoothing"]],
            speed=value[self._named["/walk/speed"]],
            radius=value[self._named["/walk/radius"]],
            kind=int(value[self._named["/walk/kind"]]),
        )
        controls = self._smoother.next(value[self._controls], self._control_ms)
        audio = self.decoder.step(latent, controls)
        sound = bool(np.isfinite(audio).all())
        if not sound:
            self.nonfinite += 1
            self.decoder.reset()
        heard = self._guard.pass_on(audio if sound else None, self.decoder.hop)
        if self._resampler is not None:
            heard = self._resampler.resample_chunk(np.ascontiguousarray(heard.T)).T
        return np.ascontiguousarray(heard, np.float32)


class _Guard:
    """Keeps a break in the model from becoming a step in the sound.

    A hop that is missing becomes a fade from the last sample to silence; the hop after it fades in. A dip (for a reset)
    is a hop that fades out, an action while all is silent, and a hop that fades in.
    """

    def __init__(self, channels: int) -> None:
        self._last = np.zeros((channels, 1), np.float32)
        self._closed = False
        self._action: Callable[[], None] | None = None

    def dip(self, action: Callable[[], None]) -> None:
        self._action = action

    def pass_on(self, audio: np.ndarray | None, frames: int) -> np.ndarray:
        ramp = np.linspace(0, 1, frames, endpoint=False, dtype=np.float32)
        rise = ramp * ramp * (3 - 2 * ramp)
        if audio is None:
            out = self._last * (1 - rise)
            self._closed = True
        elif self._closed:
            out, self._closed = audio * rise, False
        else:
            out = audio
        if self._action is not None and audio is not None:
            out = out * (1 - rise)
            self._action()
            self._action, self._closed = None, True
        self._last = out[:, -1:] if not self._closed else np.zeros_like(self._last)
        return out
