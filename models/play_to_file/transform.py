"""Transformation of a sound file by a model: same length, rate and channels, aligned to the sample.

The engine of the stage runs at the model's own rate, so a file sounds as live input would. Each channel has its own
state of the model, unless the model has as many channels as the file. Blocks are read, resampled, transformed and
resampled back in constant memory.
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
from models.encoding.encoded_sound import FollowedControls
from models.files.block_reader import Audio, SoundFile
from models.files.sound_writer import CLIPPING, check_new, subtype_like, written
from models.play_to_file import latent_routes
from models.play_to_file.named_parameters import set_named
from realtime.engine.engine import Engine

BLOCK = 1 << 15  # samples of the file per block
SPARE = 64  # samples beyond the end that resamplers may need


class TransformError(GlitchError):
    """The model cannot transform sounds, or the settings are wrong."""


@dataclass(frozen=True)
class TransformSettings:
    """Settings of a transformation.

    Attributes
    ----------
    mix
        Dry/wet mix at equal power: 0 is the sound itself, 1 the model.
    seed
        Seed of everything random.
    controls
        Values of the model's controls and other parameters of a deck, by name.
    force
        Whether to replace an existing file.
    """

    mix: float = 1.0
    seed: int = 0
    controls: Mapping[str, float] = field(default_factory=dict)
    force: bool = False


@dataclass(frozen=True)
class Transformed:
    """The result of a transformation.

    Attributes
    ----------
    seconds, rate, channels
        Duration, sample rate and channels of the file.
    nonfinite
        Hops that were muted because the model returned non-finite values.
    over_db
        Level above full scale that the file's format cannot store, dB; 0 if none.
    """

    seconds: float
    rate: int
    channels: int
    nonfinite: int
    over_db: float


def transform(
    model: str | os.PathLike[str],
    sound: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: TransformSettings,
    *,
    on_share: Callable[[float], None] = lambda _share: None,
) -> Transformed:
    """Send a sound file through `transform`, or through `encode` and `decode`; written completely or not at all.

    Parameters
    ----------
    model
        Model file.
    sound
        Any sound file that libsndfile reads.
    out
        Sound file; its suffix selects the format, and the sample format is that of `sound` if possible.
    settings
        Mix, seed and controls.
    on_share
        Called now and then with the share that is done, 0 to 1.

    Returns
    -------
    transformed : Transformed

    Raises
    ------
    TransformError
        The settings are wrong.
    GlitchError
        The model or the sound cannot be read, the model takes no sound, or the file cannot be written.
    """
    out = Path(out)
    check_new(out, force=settings.force)
    card = load(model)[1]
    _must_transform(card)
    if not 0.0 <= settings.mix <= 1.0:
        raise TransformError(f"--mix goes from 0, the sound itself, to 1, the model; not {settings.mix:g}.")
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(SoundFile(sound, empty=True))
        subtype = subtype_like(out, file.subtype)
        paths = _paths(model, card, file, sound, settings) if file.frames else []
        keeper = stack.enter_context(written(out, file.rate, file.channels, subtype))
        mixer, peak, left = _Mixer(settings.mix), 0.0, file.frames
        while left > 0:
            count = min(BLOCK, left)
            left -= count
            dry = file.read(count)
            made = np.concatenate([path.push(dry[path.channels], last=not left) for path in paths])
            audio = mixer.mix(dry, made)
            peak = max(peak, float(np.abs(audio).max(initial=0.0)))
            keeper.write(np.ascontiguousarray(audio.T))
            on_share(1 - left / file.frames)
    over_db = 20 * np.log10(peak) if peak > 1 and subtype not in CLIPPING else 0.0
    nonfinite = sum(path.engine.nonfinite for path in paths)
    return Transformed(file.frames / file.rate, file.rate, file.channels, nonfinite, float(over_db))


def _must_transform(card: Card) -> None:
    if "transform" not in card.methods and not {"encode", "decode"} <= card.methods.keys():
        has = ", ".join(card.methods)
        raise ContractError(
            f"The model '{card.name}' has no 'transform', and not both 'encode' and 'decode', so no sound goes "
            f"through it; it has: {has}."
        )


def _paths(
    model: str | os.PathLike[str],
    card: Card,
    file: SoundFile,
    sound: str | os.PathLike[str],
    settings: TransformSettings,
) -> list[_Channels]:
    """Make one path for all channels if the model has as many, else one for each."""
    inside = card.method("transform" if "transform" in card.methods else "decode").channels
    parts = [slice(None)] if inside == file.channels else [slice(k, k + 1) for k in range(file.channels)]
    return [_Channels(model, card, file, sound, settings, part) for part in parts]


class _Channels:
    """Some channels of a file through their own state of the model."""

    def __init__(
        self,
        model: str | os.PathLike[str],
        card: Card,
        file: SoundFile,
        sound: str | os.PathLike[str],
        settings: TransformSettings,
        channels: slice,
    ) -> None:
        count = len(range(file.channels)[channels])
        self.channels, self._together = channels, count > 1
        method = "transform" if "transform" in card.methods else None
        self.engine = Engine(model, card.sample_rate, seed=settings.seed, inputs=count, method=method)
        self._controls = None
        if self.engine.decoder.graph.name == "decode":
            for address, value in {"/walk/radius": 0.0, "/smoothing": 0.0, "/input/amount": 1.0}.items():
                latent_routes.set_knob(self.engine, address, value)
            self._controls = FollowedControls(sound, card)
        for name, value in settings.controls.items():
            set_named(self.engine, name, value)
        self._fixed = {name.strip().removeprefix("/") for name in settings.controls}
        self.engine.controls_at_once = True
        self.engine.settle()
        self._to = self._back = None
        if file.rate != card.sample_rate:
            self._to = soxr.ResampleStream(file.rate, card.sample_rate, count, "float32")
            self._back = soxr.ResampleStream(card.sample_rate, file.rate, count, "float32")
        self._skip = self.engine.input_delay
        self._late = self._skip - self.engine.decoder.delay  # delay of the model's input
        self._held = np.zeros((count, 0), np.float32)
        self._left = file.frames

    def push(self, audio: Audio, *, last: bool) -> Audio:
        """Take the next samples of the file [shape=(channels, samples)] and return the output that is ready."""
        if self._to is not None:
            audio = self._to.resample_chunk(audio.T, last=last).T
        after = self.engine.input_delay + self.engine.decoder.hop + SPARE if last else 0
        held = np.concatenate([self._held, audio, np.zeros((len(audio), after), np.float32)], axis=1)
        parts, at = [np.zeros((len(audio), 0), np.float32)], 0
        while at + (wanted := self.engine.input_wanted) <= held.shape[1]:
            parts.append(self._run(held[:, at : at + wanted]))
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

    def _run(self, hop: Audio) -> Audio:
        if self._controls is not None:
            controls = self._controls.at(self.engine.frames - self._late / self.engine.decoder.hop)
            latent_routes.set_controls(self.engine, controls, self._fixed)
        made = self.engine.next(hop)
        return made if self._together or len(made) == 1 else made.mean(axis=0, keepdims=True)


class _Mixer:
    """Mixes a sound with the model's output, which is delayed."""

    def __init__(self, mix: float) -> None:
        self._wet, self._dry = np.sin(0.5 * np.pi * mix), np.cos(0.5 * np.pi * mix)
        self._plain = mix == 1.0
        self._waiting: deque[Audio] = deque()

    def mix(self, dry: Audio, made: Audio) -> Audio:
        """Take the next samples of both [shape=(channels, samples)] and return as many as there are of the output."""
        if self._plain:
            return made
        self._waiting.append(dry)
        waiting = np.concatenate(self._waiting, axis=1)
        self._waiting = deque([waiting[:, made.shape[1] :]])
        return np.asarray(self._wet * made + self._dry * waiting[:, : made.shape[1]], np.float32)
