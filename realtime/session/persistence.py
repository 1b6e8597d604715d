"""A session that comes back: what its file says becomes what plays, and what plays is kept in the file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from export.errors import GlitchError
from realtime.effects.chain import Effect
from realtime.ipc.layout import LETTERS
from realtime.library.library import Library, bundled_model
from realtime.library.opening import OpenedModel
from realtime.params.table import HOST_ROWS
from realtime.session.autosave import Autosave
from realtime.session.session_file import DeckEntry, SessionFile, resolve
from realtime.session.session_file import read as read_file
from realtime.snapshots.store import deck_values, host_values

if TYPE_CHECKING:
    from realtime.session.session import Session

SHOWN = ("/morph/x", "/morph/y", "/snapshot/time", "/snapshot/caches", "/record/input", "/record/stems")
LATER = ("/record", "/take", "/snapshot", "/morph", "/midi", "/mute", "/focus")  # what isn't set again at a start


@dataclass(frozen=True)
class Stored:
    """A session file, and what of it could be found.

    Attributes
    ----------
    models, effects, values
        By letter of the deck.
    states
        The folder of the decks' memory that snapshots speak of.
    """

    path: Path
    file: SessionFile
    models: dict[str, Path]
    effects: dict[str, tuple[Effect, ...]]

    @property
    def states(self) -> Path:
        """Where the decks' memory lies that snapshots bring back."""
        return self.path.with_name(f"{self.path.name}.states")

    @property
    def values(self) -> dict[str, dict[str, float]]:
        """Where each deck's knobs stood."""
        return {letter: deck.values for letter, deck in self.file.decks.items()}

    def prepare(self, session: Session) -> None:
        """Bring back what is there before the first deck: snapshots, and the host's knobs."""
        session.recall.use(self.file.store())
        player = session.rack.players[LETTERS[0]]
        for row in HOST_ROWS:
            if row.address in self.file.host and row.kind != "trigger" and not row.address.startswith(LATER):
                session.controls.turn(player, player.table[row.address], row.clip(self.file.host[row.address]))

    def restore(self, session: Session) -> None:
        """Bring back the rest, while the first deck plays."""
        for address in SHOWN:
            if address in self.file.host:
                session.controls.show(address, session.addresses[address].clip(self.file.host[address]))
        session.set("/focus", LETTERS.index(self.file.focus))
        lacking = set(self.file.decks.get(LETTERS[0], DeckEntry()).values) - set(session.rack.players[LETTERS[0]].table)
        if lacking:
            some = ", ".join(sorted(lacking)[:3])
            session.say(f"{len(lacking)} values of the session have no place on deck A's model now ({some}).")
        for letter in LETTERS[1:]:
            if letter in self.models:
                loading = session.rack.load(
                    letter, self.models[letter], effects=self.effects.get(letter, ()), values=self.values[letter]
                )
                loading.add_done_callback(_say_if_it_failed(session.say, self.models[letter]))

    def autosave(self, session: Session) -> Autosave:
        """Keep what plays in the file from now on; what a deck played whose model hasn't come (yet) stays in it.

        So it does where a bundled model stands in for one that is away: until another is loaded in its place.
        """
        stand_in = self._stand_in(session)
        saver = Autosave(self.path, lambda: collect(session, self.file.decks, stand_in), session.say)
        session.recall.sweep()
        return saver

    def _stand_in(self, session: Session) -> OpenedModel | None:
        """Give what deck A plays in the place of a model that is away, and say so."""
        away = self.file.decks.get(LETTERS[0], DeckEntry()).model
        opened = session.rack.players[LETTERS[0]].opened
        if not away or LETTERS[0] in self.models or opened is None or opened.source != bundled_model():
            return None
        session.say(f"{opened.source.stem} stands in for '{away}', which the session keeps until another is loaded.")
        return opened


def read(path: str | os.PathLike[str], library: Library, say: Callable[[str], None]) -> Stored:
    """Read a session file, or begin one.

    Raises
    ------
    GlitchError
        It is no session file, or there is no folder for it.
    """
    path = Path(path).absolute()
    if not path.exists():
        if not path.parent.is_dir():
            raise GlitchError(f"Cannot keep a session at {path}: there is no folder {path.parent}; make it first.")
        return Stored(path, SessionFile(), {}, {})
    file = read_file(path)
    for note in file.told:
        say(f"{path.name}: {note}")
    models = {letter: resolve(deck, library, say) for letter, deck in file.decks.items()}
    effects = {letter: tuple(_effects(deck, say)) for letter, deck in file.decks.items()}
    return Stored(path, file, {letter: model for letter, model in models.items() if model is not None}, effects)


def collect(session: Session, before: Mapping[str, DeckEntry], stand_in: OpenedModel | None = None) -> SessionFile:
    """Say how a session is, as its file keeps it; decks that play nothing, or a stand-in, are as they were before."""
    recall, players = session.recall, session.rack.players
    decks = dict(before) | {
        letter: DeckEntry(
            model=player.opened.source.stem,
            path=str(player.opened.source),
            sha256=player.opened.source_digest,
            effects=tuple(effect.to_json() for effect in player.effects),
            values=deck_values(player),
        )
        for letter, player in players.items()
        if player.opened is not None and player.opened is not stand_in
    }
    snapshots = recall.snapshots
    return SessionFile(
        focus=session.focus,
        host=host_values(players[LETTERS[0]]),
        decks=decks,
        snapshots=tuple(snapshots),
        corners=tuple(corner.name for corner in snapshots.corners),
        exclusions=snapshots.rules,
    )


def _effects(deck: DeckEntry, say: Callable[[str], None]) -> list[Effect]:
    found = []
    for entry in deck.effects:
        try:
            found.append(Effect.from_json(entry))
        except GlitchError as error:
            say(str(error))
    return found


def _say_if_it_failed(say: Callable[[str], None], model: Path) -> Callable[[Future[None]], None]:
    def done(future: Future[None]) -> None:
        with contextlib.suppress(Exception):
            error = future.exception()
            if error is not None:
                say(f"{model.name} cannot be played: {error}")

    return done
