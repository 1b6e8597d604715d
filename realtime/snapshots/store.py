"""The snapshots of a session, with the rules of what a recall leaves alone and the corners of the morph."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from realtime.params.table import Parameter, Table
from realtime.snapshots.morph import MAX_CORNERS
from realtime.snapshots.recall_exclusions import Rule, excluded, with_rule
from realtime.snapshots.snapshot import MAX_NUMBER, DeckSnapshot, Snapshot, SnapshotError

NUMBER = re.compile(r"[0-9]{1,3}")


class Snapshots:
    """The snapshots of a session, in the order of their numbers. Any thread may call.

    Parameters
    ----------
    snapshots, rules, corners
        Contents of a session file: the snapshots, the player's own rules, and the names of the morph's corners.

    Raises
    ------
    SnapshotError
        They contradict each other.
    """

    def __init__(
        self, snapshots: Iterable[Snapshot] = (), rules: Iterable[Rule] = (), corners: Iterable[str] = ()
    ) -> None:
        self._lock = threading.RLock()
        self._by_name: dict[str, Snapshot] = {}
        self._rules: tuple[Rule, ...] = ()
        self._corners: tuple[str, ...] = ()
        for snapshot in snapshots:
            if snapshot.name in self._by_name:
                raise SnapshotError(f"There are two snapshots '{snapshot.name}'; rename one.")
            self.save(snapshot)
        for rule in rules:
            self._add(rule)
        if names := tuple(corners):
            self.set_corners(*names)

    def __iter__(self) -> Iterator[Snapshot]:
        with self._lock:
            return iter(sorted(self._by_name.values(), key=lambda snapshot: snapshot.number))

    def __len__(self) -> int:
        return len(self._by_name)

    def names(self) -> list[str]:
        """List the names, in the order of the numbers."""
        return [snapshot.name for snapshot in self]

    def find(self, which: str | float) -> Snapshot:
        """Find a snapshot.

        Parameters
        ----------
        which
            Its name or its number. Text of digits is a number unless a snapshot has it as its name.

        Returns
        -------
        Snapshot
            As it is saved now.

        Raises
        ------
        SnapshotError
            There is no such snapshot.
        """
        with self._lock:
            if isinstance(which, str) and which in self._by_name:
                return self._by_name[which]
            number = float(which) if not isinstance(which, str) or NUMBER.fullmatch(which) else -1.0
            for snapshot in self._by_name.values():
                if snapshot.number == number:
                    return snapshot
            known = ", ".join(f"{one.number} {one.name}" for one in self) or "none"
            raise SnapshotError(f"There is no snapshot {which!r:.80}; there are: {known:.200}.")

    def free_number(self) -> int:
        """Return the smallest free number, from 1 on as the buttons are numbered; 0 comes last."""
        with self._lock:
            taken = {snapshot.number for snapshot in self._by_name.values()}
            for number in (*range(1, MAX_NUMBER + 1), 0):
                if number not in taken:
                    return number
            raise SnapshotError(f"All {MAX_NUMBER + 1} snapshots are taken; delete one, or overwrite one by name.")

    def place(self, name: str = "", number: int | None = None) -> tuple[str, int]:
        """Choose the name and number of a snapshot that is saved now.

        An existing name keeps its number, and a taken number its name: that snapshot is overwritten. A new snapshot
        gets the smallest free number, and is named after it if it has no name.

        Returns
        -------
        name : str
            Without spaces at its ends.
        number : int
            0 to 127.
        """
        with self._lock:
            name = name.strip()
            if number is None:
                number = self._by_name[name].number if name in self._by_name else self.free_number()
            if not name:
                name = next((one.name for one in self if one.number == number), "")
            if not name:
                name = f"snapshot {number}"
                while name in self._by_name:
                    name += "'"
            return name, number

    def save(self, snapshot: Snapshot) -> None:
        """Store a snapshot, in the place of the one with the same name.

        Raises
        ------
        SnapshotError
            Another snapshot has its number.
        """
        with self._lock:
            for other in self._by_name.values():
                if other.number == snapshot.number and other.name != snapshot.name:
                    raise SnapshotError(
                        f"The snapshot '{other.name}' has the number {snapshot.number} already; choose another, or "
                        "delete it."
                    )
            self._by_name[snapshot.name] = snapshot

    def rename(self, which: str | float, name: str) -> Snapshot:
        """Give a snapshot another name.

        Returns
        -------
        Snapshot
            With the new name; still a corner of the morph if it was one.

        Raises
        ------
        SnapshotError
            There is no such snapshot, or another has that name.
        """
        with self._lock:
            old = self.find(which)
            new = replace(old, name=name.strip())
            if new.name != old.name and new.name in self._by_name:
                raise SnapshotError(f"There is a snapshot '{new.name}' already; choose another name, or delete it.")
            del self._by_name[old.name]
            self._by_name[new.name] = new
            self._corners = tuple(new.name if corner == old.name else corner for corner in self._corners)
            return new

    def delete(self, which: str | float) -> Snapshot:
        """Delete a snapshot; if it was a corner of the morph, the morph has no corners any more.

        Returns
        -------
        Snapshot
            The deleted one.

        Raises
        ------
        SnapshotError
            There is no such snapshot.
        """
        with self._lock:
            deleted = self.find(which)
            del self._by_name[deleted.name]
            if deleted.name in self._corners:
                self._corners = ()
            return deleted

    def set_state(self, deck: DeckSnapshot, state: str) -> None:
        """Add the name of its stored caches to a captured deck, in whichever snapshot has it by now, if any."""
        with self._lock:
            for name, snapshot in self._by_name.items():
                for letter, one in snapshot.decks.items():
                    if one is deck:
                        decks = snapshot.decks | {letter: replace(one, state=state)}
                        self._by_name[name] = replace(snapshot, decks=decks)
                        return

    def states(self) -> set[str]:
        """Return the names of all caches that a snapshot refers to; others need not be kept."""
        return {deck.state for snapshot in self for deck in snapshot.decks.values() if deck.state is not None}

    @property
    def corners(self) -> tuple[Snapshot, ...]:
        """The corners of the morph as they are saved now: none, or two to four."""
        with self._lock:
            return tuple(self._by_name[name] for name in self._corners)

    def set_corners(self, *which: str | float) -> tuple[Snapshot, ...]:
        """Choose the corners of the morph.

        Returns
        -------
        tuple of Snapshot
            The corners, in the order given.

        Raises
        ------
        SnapshotError
            There are not two to four, or one doesn't exist.
        """
        with self._lock:
            if not 2 <= len(which) <= MAX_CORNERS:
                raise SnapshotError(f"A morph has 2 to {MAX_CORNERS} corners, not {len(which)}.")
            self._corners = tuple(self.find(one).name for one in which)
            return self.corners

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The player's own rules, in their order; they come after `DEFAULT_RULES`, and the last match decides."""
        return self._rules

    def exclude(self, pattern: str) -> None:
        """Leave alone the parameters that a pattern matches, now and on later models; raises `SnapshotError`."""
        self._add(Rule(pattern))

    def include(self, pattern: str) -> None:
        """Let recalls set the parameters that a pattern matches; raises `SnapshotError`."""
        self._add(Rule(pattern, included=True))

    def excluded(self, addresses: Iterable[str]) -> set[str]:
        """Return those of some whole addresses that recalls leave alone."""
        return excluded(addresses, self._rules)

    def rows(self, tables: Mapping[str, Table]) -> dict[str, Parameter]:
        """Collect the parameters that a recall may set now.

        Parameters
        ----------
        tables
            The tables of the decks, by letter.

        Returns
        -------
        dict[str, Parameter]
            By whole address, the host's first.
        """
        rows = _rows(tables)
        for address in self.excluded(rows):
            del rows[address]
        return rows

    def missing(self, snapshot: Snapshot, tables: Mapping[str, Table]) -> list[str]:
        """Return the addresses of a snapshot that a recall would set if the current models had them."""
        rows = _rows(tables)
        lacking = [address for address in snapshot.flat() if address not in rows]
        left_alone = self.excluded(lacking)
        return [address for address in lacking if address not in left_alone]

    def _add(self, rule: Rule) -> None:
        with self._lock:
            self._rules = with_rule(self._rules, rule)


def _rows(tables: Mapping[str, Table]) -> dict[str, Parameter]:
    """Return every row that holds a value by its whole address, the host's first."""
    host: dict[str, Parameter] = {}
    decks: dict[str, Parameter] = {}
    for letter, table in tables.items():
        for row in table.by_index:
            if row.kind in ("trigger", "list"):
                continue
            if row.where == "deck":
                decks[f"/{letter}{row.address}"] = row
            else:
                host[row.address] = row
    return host | decks
