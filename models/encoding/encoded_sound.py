"""Encoded sounds: latents and control tracks of a sound file, frame by frame, to play again or mix."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.errors import GlitchError
from export.format.card import Card, Latent
from export.format.io import load
from models.data.features import SILENCE_DB
from models.encoding import control_tracks
from models.files import block_reader as sounds
from models.files.block_reader import SoundFile
from realtime.engine.encoder import Encoder

MAX_S = 3600.0
"""Longest sound that is encoded as a whole; longer ones can still be sent through a model."""


class EncodeError(GlitchError):
    """A model cannot encode, or a sound is too long."""


@dataclass(frozen=True)
class EncodedSound:
    """An encoded sound; frame k is at sample k * hop.

    Attributes
    ----------
    name
        Name in pictures.
    scores : np.ndarray [shape=(frames, latents)]
        Latents in standard scores by importance, as on stage.
    controls : dict of np.ndarray [shape=(frames,)]
        Pitch and loudness, if the model has controls of these names.
    """

    name: str
    scores: NDArray[np.float64]
    controls: dict[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.scores)

    def at(self, share: float) -> tuple[NDArray[np.float64], dict[str, float]]:
        """Interpolate latent [shape=(latents,)] and controls at a share (0 to 1) of the length."""
        place = share * (len(self) - 1)
        k = min(int(place), max(len(self) - 2, 0))
        t, following = place - k, min(k + 1, len(self) - 1)
        scores = (1 - t) * self.scores[k] + t * self.scores[following]
        return scores, {name: (1 - t) * v[k] + t * v[following] for name, v in self.controls.items()}


def encode_sound(model: str | os.PathLike[str], path: str | os.PathLike[str]) -> EncodedSound:
    """Encode a sound file of any sample rate and channel count with the encoder of the stage.

    Parameters
    ----------
    model
        Model file with the method `encode`.
    path
        Sound file of at most an hour.

    Returns
    -------
    sound : EncodedSound

    Raises
    ------
    ContractError
        The model cannot be read.
    DataError
        The sound cannot be read.
    EncodeError
        The model cannot encode, or the sound is too long.
    """
    card = load(model)[1]
    must_encode(card)
    with SoundFile(path) as file:
        if file.frames > MAX_S * file.rate:
            raise EncodeError(f"{path} lasts longer than {MAX_S / 3600:.0f} h; cut out the part to use.")
        encoder = Encoder(model, file.rate, file.channels)
        span = encoder.hop * file.rate / card.sample_rate  # samples of the file per frame
        shift = encoder.delay / span  # delay of the latents in frames
        frames = max(1, round(file.frames / span))
        taken, found = 0, []
        for k in range(frames + int(np.ceil(shift)) + 1):
            wanted = round((k + 1) * span) - taken
            taken += wanted
            found.append(encoder.push(file.read(wanted)))
    latents = np.array(found, np.float64)  # [frames and more, latents]
    places = np.arange(frames) + shift
    moved = np.stack([np.interp(places, np.arange(len(latents)), column) for column in latents.T], axis=1)
    followed = _followed(path, card, frames)
    return EncodedSound(Path(path).stem, standard(moved, card.latent), followed)


def standard(latents: NDArray[np.floating], latent: Latent) -> NDArray[np.float64]:
    """Convert latents [frames, latents] from the model's own order and scale to standard scores by importance."""
    return np.asarray(((latents - np.array(latent.mean)) / np.array(latent.std))[:, list(latent.order)])


def must_encode(card: Card) -> None:
    """Raise `EncodeError` if the model has no `encode`."""
    if "encode" not in card.methods:
        raise EncodeError(
            f"The model '{card.name}' has no 'encode', so it takes no sounds; use one that encodes, or a walk."
        )


class FollowedControls:
    """Pitch and loudness of a sound file, read as needed in constant memory.

    Parameters
    ----------
    path
        Sound file.
    card
        Card of the model.
    """

    def __init__(self, path: str | os.PathLike[str], card: Card) -> None:
        self._names = control_tracks.followed(card)
        self._frames = _each_frame(path, card, self._names)
        self._number = -1  # of the present frame
        self._now: dict[str, float] = {}
        self._after: dict[str, float] = {}
        self._now = self._after = self._next()

    def at(self, place: float) -> dict[str, float]:
        """Return the controls at a position in frames, which must not decrease; outside the sound there is silence."""
        if place < 0:
            return self._silent(self._after)
        while self._number < int(place):
            self._now, self._after = self._after, self._next()
            self._number += 1
        t = place - int(place)
        return {name: (1 - t) * self._now[name] + t * self._after[name] for name in self._names}

    def _next(self) -> dict[str, float]:
        found = next(self._frames, None)
        return self._silent(self._after) if found is None else found

    def _silent(self, before: dict[str, float]) -> dict[str, float]:
        """Return silence with the pitch of the frame before."""
        return before | ({"loudness": SILENCE_DB} if "loudness" in self._names else {})


def _each_frame(path: str | os.PathLike[str], card: Card, names: tuple[str, ...]) -> Iterator[dict[str, float]]:
    if not names:
        return
    for segment in control_tracks.follow(sounds.mono(path, card.sample_rate), card):
        for k in range(len(segment[names[0]])):
            yield {name: float(segment[name][k]) for name in names}


def _followed(path: str | os.PathLike[str], card: Card, frames: int) -> dict[str, NDArray[np.float64]]:
    controls = FollowedControls(path, card)
    values = [controls.at(float(k)) for k in range(frames)]
    return {name: np.array([value[name] for value in values]) for name in control_tracks.followed(card)}
