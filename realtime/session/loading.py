"""Loading models and changing effects while the session plays."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from realtime.decks.deck_loader import OvertakenError
from realtime.decks.rack import Rack
from realtime.effects import chain
from realtime.effects.chain import Effect
from realtime.ipc.memory_layout import LETTERS
from realtime.library.library import Library
from realtime.params.table import ParameterError
from realtime.session.controls.parameters import Parameters


class ModelLoader:
    """Loads models of the library on decks, and changes their effects.

    Parameters
    ----------
    rack
        The decks.
    library
        Models by name.
    parameters
        The deck in focus, and the time of the crossfade (`/model/fade`).
    """

    def __init__(self, rack: Rack, library: Library, parameters: Parameters) -> None:
        self._rack, self._library, self._parameters = rack, library, parameters

    def models(self) -> list[str]:
        """List the names of the models that `load` accepts."""
        return self._library.names()

    def effects(self) -> list[str]:
        """List the names of the effects that there are."""
        return chain.names(self._library.folder)

    def find_effect(self, name: str) -> Effect:
        """Return an effect by its name; raises `GlitchError` where there is none."""
        return chain.find(name, self._library.folder)

    def load(self, name: str, letter: str | None = None) -> Future[None]:
        """Load a model on a deck, by default the one in focus; see `realtime.Session.load`."""
        letter = letter or self._parameters.focus
        if letter not in LETTERS:
            raise ParameterError(f"There is no deck '{letter}'; there are {' and '.join(LETTERS)}.")
        return self._rack.load(letter, self._library.find(name), fade_ms=self._parameters.get("/model/fade"))

    def set_effects(
        self, change: Callable[[tuple[Effect, ...]], Sequence[Effect]], letter: str | None = None
    ) -> Future[None]:
        """Change the effects of a deck, by default the one in focus; see `realtime.Session.set_effects`."""
        letter = letter or self._parameters.focus
        fade_ms = self._parameters.get("/model/fade")
        return self._rack.set_effects(letter, lambda now: tuple(change(now)), fade_ms=fade_ms)


def notify_failure(notify: Callable[[str], None], subject: str) -> Callable[[Future[None]], None]:
    """Return a callback for a future that notifies of its error after `subject`, unless another load overtook it."""

    def done(future: Future[None]) -> None:
        with contextlib.suppress(Exception):
            error = future.exception()
            if error is not None and not isinstance(error, OvertakenError):
                notify(f"{subject}: {error}")

    return done
