"""A sound as a model hears it: its latent and what it tells beside it, frame by frame, to be played again or mixed."""

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
from models.files import sound_reader as sounds
from models.files.sound_reader import SoundFile
from models.inference import control_tracks as told
from realtime.engine.encoder import Encoder

LONGEST_S = 3600.0
"""Of a sound whose frames are all kept; longer ones can still be sent through a model, which keeps none."""


class HeardError(GlitchError):
    """A model cannot hear, or a sound is too long to be kept."""


@dataclass(frozen=True)
class Heard:
    """A sound, frame by frame; frame k stands for the moment k * hop.

    Attributes
    ----------
    name
        What it is called in pictures.
    scores : np.ndarray [shape=(frames, latents)]
        Its latent in standard scores by importance, as the stage plays them.
    told : dict of np.ndarray [shape=(frames,)]
        Pitch and loudness, as far as the model has controls of that name.
    """

    name: str
    scores: NDArray[np.float64]
    told: dict[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.scores)

    def at(self, share: float) -> tuple[NDArray[np.float64], dict[str, float]]:
        """Give latent and controls at a share of its length, 0 to 1, on the line between two frames."""
        place = share * (len(self) - 1)
        k = min(int(place), max(len(self) - 2, 0))
        t, following = place - k, min(k + 1, len(self) - 1)
        scores = (1 - t) * self.scores[k] + t * self.scores[following]
        return scores, {name: (1 - t) * v[k] + t * v[following] for name, v in self.told.items()}


def hear(model: str | os.PathLike[str], path: str | os.PathLike[str]) -> Heard:
    """Encode a sound file, of any rate and channel count, by the encoder of the stage.

    Raises
    ------
    ContractError, DataError, HeardError
        The file is no model, or no sound; the model cannot encode; the sound lasts for more than an hour.
    """
    card = load(model)[1]
    must_encode(card)
    with SoundFile(path) as file:
        if file.frames > LONGEST_S * file.rate:
            raise HeardError(f"{path} lasts longer than {LONGEST_S / 3600:.0f} h; cut out what is to be mixed.")
        encoder = Encoder(model, file.rate, file.channels)
        span = encoder.hop * file.rate / card.sample_rate  # samples of the file a frame
        shift = encoder.delay / span  # frames by which latents are late
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
    return Heard(Path(path).stem, standard(moved, card.latent), followed)


def standard(latents: NDArray[np.floating], latent: Latent) -> NDArray[np.float64]:
    """Bring latents [frames, latents] from the model's own order and scale to standard scores by importance."""
    return np.asarray(((latents - np.array(latent.mean)) / np.array(latent.std))[:, list(latent.order)])


def must_encode(card: Card) -> None:
    """Refuse a model that cannot hear."""
    if "encode" not in card.methods:
        raise HeardError(
            f"The model '{card.name}' has no 'encode', so it hears no sounds; take one that encodes, or let it walk."
        )


class Following:
    """Pitch and loudness of a sound file that is read as it is asked for, in memory that doesn't grow.

    Parameters
    ----------
    path
        The sound.
    card
        Of the model, whose controls they are for.
    """

    def __init__(self, path: str | os.PathLike[str], card: Card) -> None:
        self._names = told.followed(card)
        self._frames = _each_frame(path, card, self._names)
        self._number = -1  # of the frame that is now
        self._now: dict[str, float] = {}
        self._after: dict[str, float] = {}
        self._now = self._after = self._next()

    def at(self, place: float) -> dict[str, float]:
        """Give them at a place, in frames from the beginning, which never goes back; outside the sound is silence."""
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
        """Silence that keeps the pitch of what was before."""
        return before | ({"loudness": SILENCE_DB} if "loudness" in self._names else {})


def _each_frame(path: str | os.PathLike[str], card: Card, names: tuple[str, ...]) -> Iterator[dict[str, float]]:
    if not names:
        return
    for segment in told.follow(sounds.mono(path, card.sample_rate), card):
        for k in range(len(segment[names[0]])):
            yield {name: float(segment[name][k]) for name in names}


def _followed(path: str | os.PathLike[str], card: Card, frames: int) -> dict[str, NDArray[np.float64]]:
    following = Following(path, card)
    values = [following.at(float(k)) for k in range(frames)]
    return {name: np.array([value[name] for value in values]) for name in told.followed(card)}
