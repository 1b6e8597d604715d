"""Supervision: restarts decks that die, mutes decks that are too slow, and reports problems of their effects."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from export.errors import GlitchError
from realtime.decks.deck_client import DeckClient
from realtime.decks.deck_loader import DeckLoader
from realtime.decks.lookahead import Lookahead
from realtime.decks.player import Loaded, Player

QUICK_DEATH_S = 5.0  # a deck that dies within this time counts as a quick death
MAX_QUICK_DEATHS = 30  # in a row, before restarts are spaced by `PAUSE_S`
PAUSE_S = 5.0
DEATHS_BY_PLUGIN = 2  # quick deaths in a row, after which plug-ins are left out
TOO_SLOW_S = 2.0  # a deck that exceeds its deadline for this long is muted


class DeckSupervisor:
    """Watches over the decks of all players.

    Parameters
    ----------
    players
        By letter.
    loader
        Starts decks.
    lookahead
        Extended after an underrun.
    apply_gains
        Called when a deck was muted or unmuted.
    changed
        Called when a deck was muted or unmuted, for those who show it.
    notify
        Called with a sentence for the performer.
    """

    def __init__(
        self,
        players: Mapping[str, Player],
        loader: DeckLoader,
        lookahead: Lookahead,
        *,
        apply_gains: Callable[[], None],
        changed: Callable[[], None],
        notify: Callable[[str], None],
    ) -> None:
        self._players, self._loader, self._lookahead = players, loader, lookahead
        self._apply_gains, self._changed, self._notify = apply_gains, changed, notify

    def check(self) -> None:
        """Check every deck once; to be called a few dozen times a second. Never waits."""
        self._lookahead.update()
        for player in self._players.values():
            process = player.process
            if process is None or player.restarting:
                continue
            self._lookahead.extend_after_underrun(player, process)
            self._report_problems(player, process)
            self._mute_if_slow(player, process)
            if not process.alive and time.monotonic() >= player.start_after:
                player.restarting = True
                self._loader.submit(self._restart, player)

    def _report_problems(self, player: Player, process: DeckClient) -> None:
        """Report problems of a deck's effects."""
        if int(process.state["problems"]) > process.problems_reported:
            process.problems_reported = int(process.state["problems"])
            self._notify(f"{player.name}: {process.segment.read_text('problem')}")

    def _mute_if_slow(self, player: Player, process: DeckClient) -> None:
        """Mute a deck that exceeds its deadline, and unmute it when it keeps up again."""
        state = process.state
        slow = float(state["decode_ms"]) > float(state["deadline_ms"]) > 0
        now = time.monotonic()
        if slow == bool(player.muted_because):
            player.slow_since = now
        elif now - player.slow_since > TOO_SLOW_S:
            cost = f"a hop takes {float(state['decode_ms']):.1f} ms of {float(state['deadline_ms']):.1f}"
            player.muted_because = f"too slow: {cost}" if slow else ""
            reason = f"is muted because it is {player.muted_because}" if slow else "keeps up again"
            self._notify(f"{player.name} {reason}.")
            self._apply_gains()
            self._changed()

    def _restart(self, player: Player) -> None:
        """Replace a dead deck by a fresh one with the same model, effects and values."""
        try:
            with player.lock:
                dead = player.process
                if dead is None or dead.alive or self._loader.closing:
                    return
                lived = time.monotonic() - player.ready_at
                player.quick_deaths = player.quick_deaths + 1 if lived < QUICK_DEATH_S else 1
                if player.quick_deaths > MAX_QUICK_DEATHS:
                    player.start_after = time.monotonic() + PAUSE_S
                slot = self._loader.remove(player, drain=True)
                self._leave_out_plugins(player)
                self._loader.start_in(player, slot)
                self._notify(f"{player.name} died and was started again.")
        except GlitchError as error:
            self._notify(f"{player.name} cannot be started again: {error}")
        finally:
            player.restarting = False

    def _leave_out_plugins(self, player: Player) -> None:
        """Remove the plug-ins of a deck that died repeatedly right after its start: only they are foreign code."""
        foreign = [effect for effect in player.effects if effect.source]
        if not foreign or player.quick_deaths < DEATHS_BY_PLUGIN or player.opened is None or player.card is None:
            return
        kept = tuple(effect for effect in player.effects if not effect.source)
        player.switch_to(Loaded(player.opened, player.card, kept))
        names = ", ".join(effect.name for effect in foreign)
        self._notify(f"{player.name} died twice right after its start; it continues without the plug-in {names}.")
