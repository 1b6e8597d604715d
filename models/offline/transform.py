"""A sound file through a model: the same length, rate and channels, and every sample where it was.

It is the engine of the stage that plays, at the model's own rate, so live sound and a file come out alike. Each channel
goes through a state of the model by itself, unless the model has as many channels as the file. Blocks are read, brought
to the model's rate, transformed and brought back, in memory that doesn't grow with the file.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soxr

from export.errors import ContractError, GlitchError
from export.format.card import Card
from export.format.io import load
from models.files.sound_reader import Audio, SoundFile
from models.files.sound_writer import CLIPPING, check_new, subtype_like, written
from models.inference.encoded_sound import Following
from models.offline import routes
from models.offline.knobs import turn_named
from realtime.engine.engine import Engine

BLOCK = 1 << 15  # samples of the file that go through at once
SPARE = 64  # samples behind the end that resamplers may want


class TransformError(GlitchError):
    """A model cannot transform sounds, or not as asked."""


@dataclass(frozen=True)
class Wish:
    """How a sound goes through a model.

    Attributes
    ----------
    mix
        From the sound itself (0) to the model (1), at equal power.
    seed
        Of everything random.
    controls
        The model's own controls, and other knobs of a deck, by name.
    force
        Whether a file that is there already is replaced.
    """

    mix: float = 1.0
    seed: int = 0
    controls: Mapping[str, float] = field(default_factory=dict)
    force: bool = False


@dataclass(frozen=True)
class Transformed:
    """What was written. `over_db` is by how much the sound would be louder than its file can keep, or nothing."""

    seconds: float
    rate: int
    channels: int
    nonfinite: int
    over_db: float


def transform(
    model: str | os.PathLike[str],
    sound: str | os.PathLike[str],
    out: str | os.PathLike[str],
    wish: Wish,
    *,
    on_share: Callable[[float], None] = lambda _share: None,
) -> Transformed:
    """Let a sound file go through a model's `transform`, or through `encode` and `decode`; whole or not at all.

    Parameters
    ----------
    model
        A model file.
    sound
        Anything that libsndfile reads.
    out
        The sound file: its ending says of what kind; samples are kept as those of `sound` are, where it can.
    on_share
        Told from time to time what share is done.

    Raises
    ------
    GlitchError
        The model or the sound cannot be read, the model hears nothing, or the file cannot be written.
    """
    out = Path(out)
    check_new(out, force=wish.force)
    card = load(model)[1]
    _must_hear(card)
    if not 0.0 <= wish.mix <= 1.0:
        raise TransformError(f"--mix goes from 0, the sound itself, to 1, the model; not {wish.mix:g}.")
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(SoundFile(sound, empty=True))
        subtype = subtype_like(out, file.subtype)
        ways = _ways(model, card, file, sound, wish) if file.frames else []
        keeper = stack.enter_context(written(out, file.rate, file.channels, subtype))
        mixer, peak, left = _Mixer(wish.mix), 0.0, file.frames
        while left > 0:
            count = min(BLOCK, left)
            left -= count
            dry = file.read(count)
            made = np.concatenate([way.push(dry[way.channels], last=not left) for way in ways])
            audio = mixer.mix(dry, made)
            peak = max(peak, float(np.abs(audio).max(initial=0.0)))
            keeper.write(np.ascontiguousarray(audio.T))
            on_share(1 - left / file.frames)
    over_db = 20 * np.log10(peak) if peak > 1 and subtype not in CLIPPING else 0.0
    nonfinite = sum(way.engine.nonfinite for way in ways)
    return Transformed(file.frames / file.rate, file.rate, file.channels, nonfinite, float(over_db))


def _must_hear(card: Card) -> None:
    if "transform" not in card.methods and not {"encode", "decode"} <= card.methods.keys():
        has = ", ".join(card.methods)
        raise ContractError(
            f"The model '{card.name}' has no 'transform', and not both 'encode' and 'decode', so no sound goes "
            f"through it; it has: {has}."
        )


def _ways(
    model: str | os.PathLike[str], card: Card, file: SoundFile, sound: str | os.PathLike[str], wish: Wish
) -> list[_Way]:
    """Make a way for all channels together where the model has as many, else one for each."""
    inside = card.method("transform" if "transform" in card.methods else "decode").channels
    parts = [slice(None)] if inside == file.channels else [slice(k, k + 1) for k in range(file.channels)]
    return [_Way(model, card, file, sound, wish, part) for part in parts]


class _Way:
    """Some channels of a file through a state of the model by itself."""

    def __init__(
        self,
        model: str | os.PathLike[str],
        card: Card,
        file: SoundFile,
        sound: str | os.PathLike[str],
        wish: Wish,
        channels: slice,
    ) -> None:
        count = len(range(file.channels)[channels])
        self.channels, self._together = channels, count > 1
        method = "transform" if "transform" in card.methods else None
        self.engine = Engine(model, card.sample_rate, seed=wish.seed, inputs=count, method=method)
        self._following = None
        if self.engine.decoder.graph.name == "decode":
            for address, value in {"/walk/radius": 0.0, "/smoothing": 0.0, "/input/amount": 1.0}.items():
                routes.turn(self.engine, address, value)
            self._following = Following(sound, card)
        for name, value in wish.controls.items():
            turn_named(self.engine, name, value)
        self._fixed = {name.strip().removeprefix("/") for name in wish.controls}
        self.engine.controls_at_once = True
        self.engine.settle()
        self._to = self._back = None
        if file.rate != card.sample_rate:
            self._to = soxr.ResampleStream(file.rate, card.sample_rate, count, "float32")
            self._back = soxr.ResampleStream(card.sample_rate, file.rate, count, "float32")
        self._skip = self.engine.input_delay
        self._late = self._skip - self.engine.decoder.delay  # until the model has heard
        self._held = np.zeros((count, 0), np.float32)
        self._left = file.frames

    def push(self, audio: Audio, *, last: bool) -> Audio:
        """Take the next samples of the file [shape=(channels, samples)] and give what is ready of the answer."""
        if self._to is not None:
            audio = self._to.resample_chunk(audio.T, last=last).T
        after = self.engine.input_delay + self.engine.decoder.hop + SPARE if last else 0
        held = np.concatenate([self._held, audio, np.zeros((len(audio), after), np.float32)], axis=1)
        parts, at = [np.zeros((len(audio), 0), np.float32)], 0
        while at + (wanted := self.engine.input_wanted) <= held.shape[1]:
            parts.append(self._answer(held[:, at : at + wanted]))
            at += wanted
        self._held = held[:, at:]
        made = np.concatenate(parts, axis=1)
        late = min(self._skip, made.shape[1])
        self._skip -= late
        made = made[:, late:]
        if self._back is not None:
            made = self._back.resample_chunk(np.ascontiguousarray(made.T), last=last).T
        made = made[:, : self._left]
        self._left -= made.shape[1]
        if last:
            made = np.pad(made, ((0, 0), (0, self._left)))
        return made

    def _answer(self, hop: Audio) -> Audio:
        if self._following is not None:
            told = self._following.at(self.engine.frames - self._late / self.engine.decoder.hop)
            routes.tell(self.engine, told, self._fixed)
        made = self.engine.next(hop)
        return made if self._together or len(made) == 1 else made.mean(axis=0, keepdims=True)


class _Mixer:
    """Mixes a sound with the model's answer to it, which comes later."""

    def __init__(self, mix: float) -> None:
        self._wet, self._dry = np.sin(0.5 * np.pi * mix), np.cos(0.5 * np.pi * mix)
        self._plain = mix == 1.0
        self._waiting: deque[Audio] = deque()

    def mix(self, dry: Audio, made: Audio) -> Audio:
        """Take both as they come [shape=(channels, samples)], and give as much as there is of the answer."""
        if self._plain:
            return made
        self._waiting.append(dry)
        waiting = np.concatenate(self._waiting, axis=1)
        self._waiting = deque([waiting[:, made.shape[1] :]])
        return np.asarray(self._wet * made + self._dry * waiting[:, : made.shape[1]], np.float32)
