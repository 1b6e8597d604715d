"""The knobs of a session: what an address means now, and what turning it does, at once or at its time."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from export.errors import GlitchError
from realtime.decks.player import Player
from realtime.decks.rack import addresses
from realtime.ipc.layout import LETTERS, MUTE_MS
from realtime.osc.udp import IMMEDIATELY, BadPacketError, number
from realtime.params.table import SNAPSHOT_BUTTONS, Parameter, ParameterError, table
from realtime.session.status import SILENT_DB

if TYPE_CHECKING:
    from realtime.session.session import Session

TO_THE_SAMPLE = frozenset(("/gain", "/mute", "/crossfade"))  # what the callback does by itself at its time
LEAD_S = 0.1  # how long before; what lies further ahead waits here, and never fills the callback's memory

Act = Callable[[float, int], None]


class Controls:
    """What control surfaces, snapshots and Python turn.

    Attributes
    ----------
    addresses
        Every address there is now, with its row; replaced when another model plays, never changed.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._later: list[tuple[int, int, Callable[[], None]]] = []  # sample, arrival, and what to do then
        self._lock = threading.Lock()
        self._arrivals = itertools.count()
        self._meant: dict[str, tuple[Player, Parameter]] = {}
        self._focus = table()["/focus"].index
        self._panic_ends = 0.0
        self._acts = self._host_acts()
        self.addresses: dict[str, Parameter] = {}

    @property
    def focus(self) -> str:
        """The letter of the deck that plain addresses mean."""
        return LETTERS[int(self._session.rack.players[LETTERS[0]].values[self._focus])]

    def refresh(self) -> None:
        """Take in what plays where now."""
        self._meant = addresses(self._session.rack.players, self.focus)
        self.addresses = {address: row for address, (_, row) in self._meant.items()}

    def meaning(self, address: str) -> tuple[Player, Parameter]:
        """Give the deck and the row that an address means now; raises `ParameterError` where it means nothing."""
        meant = self._meant.get(address)
        if meant is None:
            raise ParameterError(f"There is no parameter {address}; 'glitch-live --list-params' lists them.")
        player, row = meant
        return player, player.table[row.address]  # its place is another already while a model is being exchanged

    def get(self, address: str) -> float:
        """Give a parameter's value as it was set last."""
        player, row = self.meaning(address)
        return float(player.values[row.index])

    def set(self, address: str, *values: object, at: float = IMMEDIATELY) -> None:
        """Turn a knob by hand; see `Session.set`."""
        player, row = self.meaning(address)
        sample = self._sample_at(at)
        if row.kind == "trigger":
            if values[:1] != (0,):  # what a button sends when it is let go
                self._by_hand(player, row, 1.0, sample)
            return
        try:
            numbers = [number(value, address) for value in values]
        except BadPacketError as error:
            raise ParameterError(f"{error}.") from None
        if row.kind == "list":
            if not 1 <= len(numbers) <= len(player.faders):
                raise ParameterError(f"{address} takes 1 to {len(player.faders)} numbers, not {len(numbers)}.")
            for target, value in zip(player.faders, numbers, strict=False):
                self._by_hand(player, target, target.clip(value), sample)
        elif len(numbers) != 1:
            raise ParameterError(f"{address} takes one number, not {len(numbers)}.")
        else:
            self._by_hand(player, row, row.clip(numbers[0]), sample)

    def turn(self, player: Player, row: Parameter, value: float, sample: int = 0) -> None:
        """Give a knob a value, at a sample of the clock or at once."""
        session = self._session
        if row.where == "deck":
            turned = [(row, value)]
            if row.address == "/loop/record" and value == 0.0 and player.values[row.index]:
                turned.append((player.table["/loop/play"], 1.0))  # a loop that is closed plays, and its switch shows it
            session.rack.send(player, turned, sample)
            return
        act = self._acts.get(row.address)
        if sample <= session.clock:
            session.rack.set_host_value(row, value, sample)
            if act is not None:
                act(value, 0)
            return
        if act is not None and row.address in TO_THE_SAMPLE:
            self._when(sample, lambda: self.show(row.address, value))
            lead = round(LEAD_S * session.sample_rate)
            if sample <= session.clock + lead:
                act(value, sample)
            else:  # twice as long ahead, so that it goes before whatever of the same sample is asked for later
                self._when(sample - 2 * lead, lambda: act(value, sample))
        else:
            if row.where == "both":
                session.rack.send_to_decks(row, value, sample)
            self._when(sample, lambda: self.turn(player, row, value))

    def show(self, address: str, value: float) -> None:
        """Let a knob stand somewhere without acting on it: what it tells has come about otherwise."""
        player, row = self.meaning(address)
        for each in self._session.rack.players.values() if row.where != "deck" else [player]:
            each.values[row.index] = value

    def tend(self) -> None:
        """Turn what is due, and end a panic that has had its time."""
        clock = self._session.clock
        while self._later and self._later[0][0] <= clock:
            with self._lock:
                _, _, do = heapq.heappop(self._later)
            try:
                do()
            except GlitchError as error:
                self._session.say(str(error))
        if self._panic_ends and time.monotonic() >= self._panic_ends:
            self._panic_ends = 0.0
            self._session.output.mute(bool(self.get("/mute")))

    def _when(self, sample: int, do: Callable[[], None]) -> None:
        with self._lock:
            heapq.heappush(self._later, (sample, next(self._arrivals), do))

    def _by_hand(self, player: Player, row: Parameter, value: float, sample: int) -> None:
        """Turn a knob, which is let go by whatever else may be moving it."""
        session = self._session
        if session.recall.moving:
            session.recall.release(row.address if row.where != "deck" else f"/{player.letter}{row.address}")
        self.turn(player, row, value, sample)
        if row.kind != "trigger":
            session.touch()

    def _sample_at(self, at: float) -> int:
        if at == IMMEDIATELY:
            return 0
        return self._session.timing.sample_at(at)

    def _host_acts(self) -> dict[str, Act]:
        """Say what the host's knobs do; a sample other than 0 is when."""
        session = self._session
        acts: dict[str, Act] = {
            "/gain": lambda value, sample: session.output.gain(_linear(value), sample),
            "/mute": lambda value, sample: self._mute(bool(value), sample),
            "/crossfade": lambda place, sample: session.rack.set_crossfade(place, sample),  # noqa: PLW0108 - made after this
            "/panic": lambda _value, _sample: self._panic(),
            "/focus": lambda _value, _sample: session.changed(),
            "/ahead": lambda _value, _sample: session.rack.lookahead.set_all(),
            "/ahead/lock": lambda _value, _sample: session.rack.lookahead.set_all(),
            "/record": lambda value, _sample: session.recordings.record(bool(value)),
            "/take": lambda value, _sample: session.recordings.take(bool(value)),
            "/morph/x": lambda _value, _sample: session.recall.morph(),
            "/morph/y": lambda _value, _sample: session.recall.morph(),
            "/midi/panic": lambda _value, _sample: session.midi.panic() if session.midi is not None else None,
        }
        return acts | {f"/snapshot/{n}": self._recalling(n) for n in range(1, SNAPSHOT_BUTTONS + 1)}

    def _mute(self, on: bool, sample: int) -> None:
        """Mute or open; a panic of now holds until it ends, and one of now says nothing of what is asked for later."""
        self._session.output.mute(on or (sample == 0 and self._panic_ends > 0), sample)

    def _recalling(self, number: int) -> Act:
        def recall(_value: float, _sample: int) -> None:
            try:
                self._session.recall.recall(number)
            except GlitchError as error:
                self._session.say(str(error))

        return recall

    def _panic(self) -> None:
        """Fade out, bring every deck to rest, and in again when what was decoded before has gone by."""
        session = self._session
        session.output.mute(True)
        away = 0
        for player in session.rack.players.values():
            if player.process is not None:
                player.process.send(player.table["/reset"].index, 1.0)
                away = max(away, int(player.process.state["lookahead"]) + 3 * int(player.process.state["hop"]))
        self._panic_ends = time.monotonic() + MUTE_MS / 1000.0 + away / session.sample_rate


def _linear(gain_db: float) -> float:
    return 10 ** (gain_db / 20) if gain_db > SILENT_DB else 0.0
