"""A session: one stream, its decks, its controllers, its window.

with realtime.Session("vae.onnx") as session:
    session.set("/latent/1", 0.5)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Self, Unpack

import numpy as np

from export.format.card import Card
from realtime.audio.device_client import ChosenDevice
from realtime.decks.deck_client import DeckClient, DeckError
from realtime.decks.player import Player
from realtime.effects.chain import Effect
from realtime.ipc.segment_registry import sweep
from realtime.ipc.segments import Segment
from realtime.osc.servers import OscSurface
from realtime.osc.udp import IMMEDIATELY
from realtime.params.table import Parameter
from realtime.session.composition import Parts, build
from realtime.session.config import SessionConfig, SessionOptions, StrPath
from realtime.session.notices import Notices
from realtime.session.recall.recall import Recall
from realtime.session.session_phase import SessionPhase
from realtime.session.startup import fade_out, start
from realtime.session.startup_files import read_startup_files
from realtime.session.status.status import Status
from realtime.takes.recorder import Recorder

if TYPE_CHECKING:
    from realtime.midi import Midi


class Session:
    """Plays a model.

    Parameters
    ----------
    model
        The model file: `.onnx`, or TorchScript of the nn~ kind. Default: the model of the session file, or the bundled
        one.
    **options
        `device`, `osc`, `record`, `window` and the others, described in `realtime.session.config.SessionConfig`.

    Attributes
    ----------
    config : SessionConfig
        All options.

    Raises
    ------
    GlitchError
        With one sentence, where something doesn't work; nothing is left behind.
    TypeError
        There is no such option.
    """

    def __init__(self, model: StrPath | None = None, **options: Unpack[SessionOptions]) -> None:
        self.config = SessionConfig(model, **options)
        self._notes = Notices()
        self._files = read_startup_files(self.config, self._notes.notify)
        self._phase = SessionPhase()
        self._stack = contextlib.ExitStack()
        self._parts: Parts | None = None
        self._timed: Recorder | None = None

    def start(self) -> Self:
        """Open the stream, start the deck, and play. Does nothing if the session plays already."""
        if self._phase.began:
            return self
        notify = self._notes.notify
        try:
            for name in sweep():
                notify(f"Removed {name}, which a session that crashed had left.")
            self._parts = build(self.config, self._files, self._phase, notify, self._stack)
            self._timed = start(self.config, self._files, self._parts, self._phase, notify, self._stack)
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Fade out, stop, and leave nothing behind. May be called twice."""
        if self._phase.closing.is_set():
            return
        self._phase.closing.set()
        if self._phase.began:
            fade_out(self.parts)
        self._stack.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def set(self, address: str, *values: object, at: float = IMMEDIATELY) -> None:
        """Set a parameter, at once or at a unix time.

        Parameters
        ----------
        address
            As in OSC: `/latent/1`, `/latent` (with several values), `/gain`, `/panic`, …
        values
            One number; several for a list; for a trigger none, or anything but 0.
        at
            The unix time of the change. Default: at once.

        Raises
        ------
        ParameterError
            There is no such parameter, or the values don't fit it.
        """
        self._phase.require_playing()
        self.parts.controls.set(address, *values, at=at)

    def get(self, address: str) -> float:
        """Return a parameter's value as it was last set; raises `ParameterError` where there is none."""
        self._phase.require_playing()
        return self.parts.controls.get(address)

    @property
    def addresses(self) -> Mapping[str, Parameter]:
        """Every current address with its row."""
        return self.parts.controls.addresses

    def load(self, name: str, *, letter: str | None = None) -> Future[None]:
        """Load a model of the library on a deck, and crossfade to it in `/model/fade`.

        Parameters
        ----------
        letter
            `"a"` or `"b"`. Default: the deck in focus.

        Returns
        -------
        Future
            Done when the old model is gone. It raises `GlitchError` if the new one cannot be played; the old one then
            continues.
        """
        self._phase.require_playing()
        return self.parts.loader.load(name, letter)

    def set_effects(
        self,
        change: Callable[[tuple[Effect, ...]], Sequence[Effect]],
        *,
        letter: str | None = None,
    ) -> Future[None]:
        """Change the effects of a deck.

        Parameters
        ----------
        change
            Called with the current effects; returns the new ones.
        letter
            `"a"` or `"b"`. Default: the deck in focus.

        Returns
        -------
        Future
            Done when the change can be heard. It raises `GlitchError` if an effect doesn't work; the old ones then
            stay.
        """
        self._phase.require_playing()
        return self.parts.loader.set_effects(change, letter)

    def models(self) -> list[str]:
        """List the names of the models that `load` accepts."""
        return self._files.library.names()

    def status(self) -> Status:
        """Return the current status."""
        self._phase.require_playing()
        return self.parts.status.read()

    def latency_ms(self) -> dict[str, float]:
        """Return the parts of the mean time from a control to the speaker, in ms, for the deck in focus."""
        return self.parts.status.latency_ms()

    @property
    def playing(self) -> bool:
        """Whether the session goes on: it isn't closed, and its seconds aren't over."""
        if not self._phase.playing:
            return False
        if self.config.seconds is None or self.status().seconds < self.config.seconds:
            return True
        timed = self._timed  # is written a little later than it is played
        return timed is not None and not timed.done and not timed.error

    @property
    def notes(self) -> Notices:
        """The last 1000 sentences for the player, oldest first."""
        return self._notes

    @property
    def clock(self) -> int:
        """Samples given to the device so far."""
        return self.parts.clock.now

    @property
    def began(self) -> int:
        """The sample position of the first sound; 0 before it."""
        return self._phase.began

    @property
    def sample_rate(self) -> float:
        """Sample rate of the stream, in Hz."""
        return self.parts.clock.sample_rate

    @property
    def device(self) -> ChosenDevice:
        """The device that plays."""
        return self.parts.output.device

    @property
    def focus(self) -> str:
        """The letter of the deck in focus, which addresses without a letter refer to."""
        return self.parts.parameters.focus

    @property
    def player(self) -> Player:
        """The deck in focus with its values."""
        return self.parts.parameters.player

    @property
    def deck(self) -> DeckClient:
        """The process of the deck in focus; raises `DeckError` if it plays nothing."""
        self._phase.require_playing()
        player = self.player
        if player.process is None:
            raise DeckError(f"Deck {player.letter.upper()} plays nothing; load a model on it first.")
        return player.process

    @property
    def card(self) -> Card:
        """The card of the model of the deck in focus; raises `DeckError` if it plays nothing."""
        player = self.player
        if player.card is None:
            raise DeckError(f"Deck {player.letter.upper()} plays nothing; load a model on it first.")
        return player.card

    @property
    def latents(self) -> np.ndarray:
        """The present latent [shape=(latents,)], in standard scores and in the order of `/latent/1`, `/latent/2`, …."""
        assert self.deck  # raises if it plays nothing
        return self.parts.status.latents()

    @property
    def recall(self) -> Recall:
        """Snapshots: saves, recalls and morphs them."""
        return self.parts.recall

    @property
    def recorder(self) -> Recorder | None:
        """The recording that is running, or ran last."""
        return None if self._parts is None else self._parts.recordings.recorder

    @property
    def osc(self) -> OscSurface | None:
        """OSC, if the session listens for it."""
        return None if self._parts is None else self._parts.osc

    @property
    def midi(self) -> Midi | None:
        """MIDI, if the session plays from it."""
        return None if self._parts is None else self._parts.midi

    @property
    def segment(self) -> Segment:
        """The stream's shared memory: histories, meters, counters."""
        return self.parts.segment

    @property
    def parts(self) -> Parts:
        """The parts of a session that has been started; for tests and tools. Raises `SessionError` before that."""
        if self._parts is None:
            self._phase.require_playing()
        assert self._parts is not None
        return self._parts
