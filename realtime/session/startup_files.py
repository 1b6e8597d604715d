"""The first stage of a session: its model, effects and session file, read before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from export.format.card import Card
from export.format.io import load
from realtime.effects import chain
from realtime.effects.chain import Effect
from realtime.ipc.memory_layout import LETTERS
from realtime.library.library import Library, bundled_model
from realtime.library.opening import open_model
from realtime.session.config import SessionConfig
from realtime.session.session_file import stored_session
from realtime.session.session_file.stored_session import StoredSession


@dataclass(frozen=True)
class StartupFiles:
    """The model, effects and session file of a session.

    Attributes
    ----------
    library
        Models by name.
    stored
        The session file; None without one.
    model
        The first deck's model, under its original name.
    card
        The card of that model.
    effects
        The first deck's effects.
    """

    library: Library
    stored: StoredSession | None
    model: Path
    card: Card
    effects: tuple[Effect, ...]


def read_startup_files(config: SessionConfig, notify: Callable[[str], None]) -> StartupFiles:
    """Read the session file, open the model and find the effects.

    Returns
    -------
    StartupFiles
        The model and effects of the configuration, else those of the session file, else the bundled model without
        effects.

    Raises
    ------
    GlitchError
        One of them is missing or invalid.
    """
    library = Library(config.library)
    stored = None if config.session is None else stored_session.read(config.session, library, notify)
    kept = None if stored is None else stored.models.get(LETTERS[0])
    model = Path(config.model or kept or bundled_model()).absolute()
    card = load(open_model(model, notify=config.notify or notify).model)[1]
    card.method(card.live_method)
    if config.fx:
        effects = tuple(chain.find(name, library.folder) for name in config.fx)
    else:
        effects = () if stored is None else stored.effects.get(LETTERS[0], ())
    return StartupFiles(library, stored, model, card, effects)
