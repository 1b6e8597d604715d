"""Restoring a session from its file, and collecting the file's contents from a session that plays."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from export.errors import GlitchError
from realtime.decks.player import Player
from realtime.decks.rack import Rack
from realtime.effects.chain import Effect
from realtime.ipc.memory_layout import LETTERS
from realtime.library.library import Library, bundled_model
from realtime.library.opening import OpenedModel
from realtime.params.table import HOST_ROWS
from realtime.session.controls.parameters import Parameters
from realtime.session.loading import notify_failure
from realtime.session.session_file.document import DeckEntry, SessionFile
from realtime.session.session_file.file_io import read as read_file
from realtime.session.session_file.model_search import find_model
from realtime.snapshots.snapshot import deck_values, host_values
from realtime.snapshots.store import Snapshots

Notify = Callable[[str], None]

SHOWN = ("/morph/x", "/morph/y", "/snapshot/time", "/snapshot/caches", "/record/input", "/record/stems")
NOT_APPLIED = ("/record", "/take", "/snapshot", "/morph", "/midi", "/mute", "/focus")


@dataclass(frozen=True)
class StoredSession:
    """A session file, with the models and effects that could be found.

    Attributes
    ----------
    path
        The file.
    file
        Its contents.
    models, effects
        By letter of the deck.
    """

    path: Path
    file: SessionFile
    models: dict[str, Path]
    effects: dict[str, tuple[Effect, ...]]

    @property
    def states(self) -> Path:
        """The folder with the states of decks that its snapshots refer to."""
        return self.path.with_name(f"{self.path.name}.states")

    def values(self, letter: str) -> dict[str, float]:
        """Return the values of a deck, by address."""
        return self.file.decks.get(letter, DeckEntry()).values

    def restore_host(self, parameters: Parameters, player: Player) -> None:
        """Apply the host's values, before the first deck plays.

        Parameters
        ----------
        player
            Any deck: each has the host's rows.
        """
        for row in HOST_ROWS:
            if row.address in self.file.host and row.kind != "trigger" and not row.address.startswith(NOT_APPLIED):
                parameters.apply(player, player.table[row.address], row.clip(self.file.host[row.address]))

    def restore_rest(self, parameters: Parameters, rack: Rack, notify: Notify) -> None:
        """Restore the focus, the values that are only shown, and the second deck, while the first deck plays."""
        for address in SHOWN:
            if address in self.file.host:
                parameters.show(address, parameters.addresses[address].clip(self.file.host[address]))
        parameters.apply(*parameters.resolve("/focus"), LETTERS.index(self.file.focus))
        first = rack.players[LETTERS[0]]
        lacking = set(self.values(LETTERS[0])) - set(first.table)
        if lacking:
            some = ", ".join(sorted(lacking)[:3])
            notify(f"{len(lacking)} values of the session have no place on deck A's model now ({some}).")
        for letter in LETTERS[1:]:
            if letter in self.models:
                model = self.models[letter]
                effects = self.effects.get(letter, ())
                loading = rack.load(letter, model, effects=effects, values=self.values(letter))
                loading.add_done_callback(notify_failure(notify, f"{model.name} cannot be played"))

    def substitute(self, player: Player, notify: Notify) -> OpenedModel | None:
        """Return the bundled model if deck A plays it in the place of a missing one, and report that."""
        missing = self.file.decks.get(LETTERS[0], DeckEntry()).model
        opened = player.opened
        if not missing or LETTERS[0] in self.models or opened is None or opened.source != bundled_model():
            return None
        notify(f"{opened.source.stem} stands in for '{missing}', which the session keeps until another is loaded.")
        return opened


def read(path: str | os.PathLike[str], library: Library, notify: Notify) -> StoredSession:
    """Read a session file, or begin a new one.

    Returns
    -------
    StoredSession
        Empty if the file doesn't exist yet.

    Raises
    ------
    GlitchError
        It isn't a session file, or its folder doesn't exist.
    """
    path = Path(path).absolute()
    if not path.exists():
        if not path.parent.is_dir():
            raise GlitchError(f"Cannot keep a session at {path}: there is no folder {path.parent}; make it first.")
        return StoredSession(path, SessionFile(), {}, {})
    file = read_file(path)
    for sentence in file.unknown:
        notify(f"{path.name}: {sentence}")
    models = {letter: find_model(deck, library, notify) for letter, deck in file.decks.items()}
    effects = {letter: tuple(_effects(deck, notify)) for letter, deck in file.decks.items()}
    return StoredSession(path, file, {letter: model for letter, model in models.items() if model is not None}, effects)


def collect(
    players: Mapping[str, Player],
    parameters: Parameters,
    snapshots: Snapshots,
    before: Mapping[str, DeckEntry],
    substitute: OpenedModel | None = None,
) -> SessionFile:
    """Collect the current contents of a session file.

    Parameters
    ----------
    players
        The decks, by letter.
    before
        The entries of decks that play nothing yet, or only the substitute of a missing model.
    substitute
        The model that plays in the place of a missing one.

    Returns
    -------
    SessionFile
        To be written; a deck in `before` keeps its entry until it plays a model of its own.
    """
    decks = dict(before) | {
        letter: DeckEntry(
            model=player.opened.source.stem,
            path=str(player.opened.source),
            sha256=player.opened.source_digest,
            effects=tuple(effect.to_json() for effect in player.effects),
            values=deck_values(player),
        )
        for letter, player in players.items()
        if player.opened is not None and player.opened is not substitute
    }
    return SessionFile(
        focus=parameters.focus,
        host=host_values(players[LETTERS[0]]),
        decks=decks,
        snapshots=tuple(snapshots),
        corners=tuple(corner.name for corner in snapshots.corners),
        exclusions=snapshots.rules,
    )


def _effects(deck: DeckEntry, notify: Notify) -> list[Effect]:
    found = []
    for entry in deck.effects:
        try:
            found.append(Effect.from_json(entry))
        except GlitchError as error:
            notify(str(error))
    return found
