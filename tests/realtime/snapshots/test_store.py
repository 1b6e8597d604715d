"""The store of snapshots: names, numbers, and the rules of what a recall leaves alone."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from export.format.card import Card, Control, Latent, Method
from realtime.params.table import HOST_ROWS, Table, row, table
from realtime.snapshots.recall_exclusions import DEFAULT_RULES, FIXED_RULES, MAX_RULES, Rule
from realtime.snapshots.snapshot import (
    MAX_NUMBER,
    DeckSnapshot,
    Snapshot,
    SnapshotError,
    capture,
    deck_values,
    host_values,
)
from realtime.snapshots.store import Snapshots

DOCUMENT = (Path(__file__).parents[3] / "docs" / "snapshots.md").read_text()
CUTOFF = row("/fx/1/cutoff", "float", 20, 20_000, 1000, "Hz", "deck", "Where it cuts off.", curve="log")


def rows_of(latents: int, *controls: Control) -> Table:
    method = Method(hop=128, output="audio", controls=controls)
    return table(Card("x", 48_000, {"decode": method}, Latent.plain(latents)), [CUTOFF])


@dataclass
class Deck:
    """A deck without a process."""

    table: Table
    source: Path | None = Path("/models/tone.onnx")
    values: np.ndarray = field(default_factory=lambda: np.zeros(2048))

    def __post_init__(self) -> None:
        self.values[: len(self.table)] = [one.default for one in self.table.by_index]


PLAIN = {"a": rows_of(4), "b": rows_of(2, Control("pitch", 60, 20, 110))}


def snapshot(name: str = "verse", number: int = 1, **decks: dict[str, float]) -> Snapshot:
    kept = {letter: DeckSnapshot("tone", "12ab", values) for letter, values in decks.items()}
    return Snapshot(name, number, {"/gain": -6.0}, kept)


@given(data=st.data())
def test_a_recall_sets_every_captured_value(data: st.DataObject) -> None:
    players = {letter: Deck(rows) for letter, rows in PLAIN.items()}
    for player in players.values():
        for one in player.table.by_index:
            player.values[one.index] = one.clip(data.draw(st.floats(one.minimum, one.maximum)))
    host = list(range(len(HOST_ROWS)))
    players["b"].values[host] = players["a"].values[host]  # each deck has a copy of them
    store = Snapshots()
    store.include("//")
    targets = capture("now", 1, players, {}).targets(store.rows(PLAIN))
    for letter, player in players.items():
        for one in player.table.by_index:
            address = f"/{letter}{one.address}" if one.where == "deck" else one.address
            never = one.kind in ("trigger", "list") or address.startswith(("/snapshot/", "/morph/"))
            assert never == (address not in targets)
            assert never or targets[address] == player.values[one.index]


def test_a_capture_names_models_and_omits_a_deck_that_plays_nothing() -> None:
    players = {"a": Deck(PLAIN["a"]), "b": Deck(PLAIN["b"], source=None)}
    taken = capture("verse", 3, players, {"a": "12ab"})
    assert taken.decks.keys() == {"a"}
    assert taken.decks["a"] == DeckSnapshot("tone", "12ab", deck_values(players["a"]))
    assert taken.host == host_values(players["a"])
    assert "/gain" in taken.host
    assert "/latent/1" in taken.decks["a"].values
    assert not {"/panic", "/snapshot/1", "/reset", "/latent"} & {*taken.host, *taken.decks["a"].values}


def test_nan_and_infinity_are_not_captured() -> None:
    player = Deck(PLAIN["a"])
    player.values[PLAIN["a"]["/latent/2"].index] = np.nan
    player.values[PLAIN["a"]["/gain"].index] = np.inf
    taken = capture("verse", 1, {"a": player}, {})
    assert "/gain" not in taken.host
    assert "/latent/2" not in taken.decks["a"].values


def test_values_are_clipped_to_the_current_ranges_and_missing_parameters_are_named() -> None:
    taken = snapshot(a={"/latent/4": 99.0, "/latent/9": 1.0, "/mute/me": 1.0}, b={"/pitch": 64.5})
    store = Snapshots()
    assert [*taken.targets(store.rows(PLAIN)).items()] == [("/gain", -6.0), ("/a/latent/4", 6.0), ("/b/pitch", 64.5)]
    assert store.missing(taken, PLAIN) == ["/a/latent/9", "/a/mute/me"]
    store.exclude("/a/latent/*")
    assert [*taken.targets(store.rows(PLAIN)).items()] == [("/gain", -6.0), ("/b/pitch", 64.5)]
    assert store.missing(taken, PLAIN) == ["/a/mute/me"]
    assert store.missing(taken, {"a": PLAIN["a"]}) == ["/a/mute/me", "/b/pitch"]


def test_a_store_names_the_caches_that_its_snapshots_refer_to() -> None:
    deck = DeckSnapshot("tone", "12ab", {}, "c0ffee")
    store = Snapshots([Snapshot("verse", 1, {}, {"a": deck}), snapshot("chorus", 2, a={})])
    assert store.states() == {"c0ffee"}
    store.set_state(store.find("chorus").decks["a"], "decaf")
    assert store.states() == {"c0ffee", "decaf"}
    store.delete("verse")
    assert store.states() == {"decaf"}


# Rules


def left_alone(*addresses: str, store: Snapshots | None = None) -> set[str]:
    return (Snapshots() if store is None else store).excluded(addresses)


def test_a_recall_sets_only_parameters_of_the_sound() -> None:
    playable = Snapshots().rows(PLAIN)
    kept = {one.address for one in HOST_ROWS if one.kind != "trigger"} - playable.keys()
    assert kept == {
        *("/mute", "/focus", "/model/fade", "/ahead", "/ahead/lock", "/record", "/record/input", "/record/stems"),
        *("/take", "/snapshot/time", "/snapshot/caches", "/morph/x", "/morph/y"),
    }
    assert {"/gain", "/crossfade", "/tempo", "/a/latent/1", "/a/loop/play", "/a/walk/seed"} <= playable.keys()
    assert not {"/a/loop/record", "/b/loop/overdub", "/latent/1", "/a/latent", "/a/reset"} & playable.keys()


def test_the_parameters_of_the_morph_can_never_be_included() -> None:
    store = Snapshots()
    store.include("//")
    assert left_alone("/morph/x", "/snapshot/time", "/mute", "/record", store=store) == {"/morph/x", "/snapshot/time"}


def test_a_model_may_have_controls_of_any_name() -> None:
    assert left_alone("/a/morph/amount", "/a/midi/note", "/a/mute/x", "/a/loop/record") == {"/a/loop/record"}


def test_a_pattern_without_a_letter_applies_to_both_decks() -> None:
    addresses = ("/a/latent/1", "/b/latent/1", "/a/latent/1/scale", "/gain")
    store = Snapshots()
    store.exclude("/latent/*")
    assert left_alone(*addresses, store=store) == {"/a/latent/1", "/b/latent/1"}
    store.include("/b/latent/*")
    assert left_alone(*addresses, store=store) == {"/a/latent/1"}
    store.exclude("/a//")
    assert left_alone(*addresses, store=store) == {"/a/latent/1", "/a/latent/1/scale"}


PATTERNS = st.sampled_from(["/gain", "/mute", "/a//", "/latent/*", "//scale", "/b/latent/1", "//"])
ADDRESSES = ("/gain", "/mute", "/a/latent/1", "/b/latent/1", "/a/latent/1/scale")


@given(st.lists(st.tuples(PATTERNS, st.booleans()), max_size=12))
def test_the_last_matching_pattern_decides(patterns: list[tuple[str, bool]]) -> None:
    store = Snapshots()
    for pattern, included in patterns:
        (store.include if included else store.exclude)(pattern)
    for address in ADDRESSES:
        decisions = [
            i
            for pattern, i in patterns
            if left_alone(address, store=Snapshots(rules=[Rule("//", True), Rule(pattern)]))
        ]
        assert (address in store.excluded(ADDRESSES)) == (not decisions[-1] if decisions else address == "/mute")
    assert Snapshots(rules=store.rules).excluded(ADDRESSES) == store.excluded(ADDRESSES)


@pytest.mark.parametrize("pattern", ["", "latent", "/[a", "/{a,b", "/" + "x" * 300])
def test_an_invalid_pattern_is_refused_in_one_sentence(pattern: str) -> None:
    store = Snapshots()
    with pytest.raises(SnapshotError, match="matches no parameters") as error:
        store.exclude(pattern)
    assert "\n" not in str(error.value)
    assert not store.rules


def test_the_number_of_patterns_is_limited() -> None:
    store = Snapshots()
    for k in range(MAX_RULES):
        store.exclude(f"/latent/{k}")
        store.exclude("/latent/0")
    with pytest.raises(SnapshotError, match="//"):
        store.exclude("/one/more")
    store.include("//")
    assert store.rules == (Rule("//", included=True),)


# Names and numbers


class Store(RuleBasedStateMachine):
    """Any sequence of saving, renaming and deleting, beside a plain dictionary."""

    names = st.sampled_from(["verse", "chorus", "7", "bridge", "ströme"])
    numbers = st.integers(0, 5) | st.just(MAX_NUMBER)

    def __init__(self) -> None:
        super().__init__()
        self.store, self.kept = Snapshots(), dict[str, int]()

    @rule(name=names, number=numbers)
    def save(self, name: str, number: int) -> None:
        if any(n == number and other != name for other, n in self.kept.items()):
            with pytest.raises(SnapshotError, match=f"number {number} "):
                self.store.save(snapshot(name, number))
        else:
            self.store.save(snapshot(name, number))
            self.kept[name] = number

    @rule(name=names | st.just(""), number=numbers | st.none())
    def save_in_place(self, name: str, number: int | None) -> None:
        placed, at = self.store.place(name, number)
        assert name in ("", placed)
        assert number in (None, at)
        if name == "" or number is None:  # then there is always room, and no other snapshot moves
            assert self.kept.get(placed, at) == at
            self.store.save(snapshot(placed, at))
            self.kept[placed] = at

    @rule(old=names, new=names)
    def rename(self, old: str, new: str) -> None:
        if old not in self.kept and not (old == "7" and 7 in self.kept.values()):
            with pytest.raises(SnapshotError, match="no snapshot"):
                self.store.rename(old, new)
        elif old in self.kept and new in self.kept and old != new:
            with pytest.raises(SnapshotError, match="already"):
                self.store.rename(old, new)
        elif old in self.kept:
            corners = [corner.number for corner in self.store.corners]
            assert self.store.rename(old, new).name == new
            self.kept[new] = self.kept.pop(old)
            assert [corner.number for corner in self.store.corners] == corners

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.kept)))
        assert self.store.delete(name).name == name
        del self.kept[name]
        assert all(corner.name in self.kept for corner in self.store.corners)

    @precondition(lambda self: len(self.kept) >= 2)
    @rule(data=st.data())
    def choose_corners(self, data: st.DataObject) -> None:
        names = data.draw(st.lists(st.sampled_from(sorted(self.kept)), min_size=2, max_size=4))
        assert [corner.name for corner in self.store.set_corners(*names)] == names

    @invariant()
    def everything_is_found_and_in_order(self) -> None:
        assert [one.number for one in self.store] == sorted(self.kept.values())
        assert self.store.names() == sorted(self.kept, key=lambda name: self.kept[name])
        for name, number in self.kept.items():
            assert self.store.find(name).number == number
            assert self.store.find(number).name == name
            assert self.store.find(float(number)).name == name
            assert str(number) in self.kept or self.store.find(str(number)).name == name
        assert self.store.free_number() not in self.kept.values()
        again = Snapshots(self.store, self.store.rules, [corner.name for corner in self.store.corners])
        assert [*again, *again.corners] == [*self.store, *self.store.corners]


TestStore = Store.TestCase


@given(st.text(max_size=70))
def test_a_name_is_stored_unchanged_or_refused(name: str) -> None:
    try:
        one = snapshot(name)
    except SnapshotError as error:
        assert "\n" not in str(error)
        return
    assert Snapshots([one]).find(name).name == name == name.strip()


@pytest.mark.parametrize("which", ["", "nobody", "128", "-1", "1.0", 2, 1.5, float("nan"), float("inf")])
def test_a_missing_snapshot_is_reported_with_those_that_exist(which: str | float) -> None:
    with pytest.raises(SnapshotError, match="1 verse"):
        Snapshots([snapshot()]).find(which)


def test_numbers_are_assigned_from_one_on_until_all_are_taken() -> None:
    store = Snapshots()
    for number in (*range(1, MAX_NUMBER + 1), 0):
        assert store.place() == (f"snapshot {number}", number)
        store.save(snapshot(*store.place()))
    assert [one.number for one in store] == list(range(MAX_NUMBER + 1))
    assert store.names()[-1] == f"snapshot {MAX_NUMBER}"
    with pytest.raises(SnapshotError, match="All 128"):
        store.place("one more")
    assert store.place("snapshot 5") == ("snapshot 5", 5)
    assert store.place(number=5) == ("snapshot 5", 5)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: snapshot(number=128),
        lambda: snapshot(number=-1),
        lambda: snapshot(c={}),
        lambda: snapshot(a={"latent": 0.0}),
        lambda: snapshot(a={"/latent//1": 0.0}),
        lambda: snapshot(a={"/latent/1": float("nan")}),
        lambda: Snapshots([snapshot(), snapshot("chorus")]),
        lambda: Snapshots([snapshot(), snapshot(number=2)]),
        lambda: Snapshots([snapshot()], corners=["verse"]),
        lambda: Snapshots([snapshot()], corners=["verse", "chorus"]),
    ],
)
def test_invalid_snapshots_and_stores_are_refused(wrong: object) -> None:
    assert callable(wrong)
    with pytest.raises(SnapshotError, match=r"\.$"):
        wrong()


def test_saving_over_a_corner_moves_the_corner() -> None:
    store = Snapshots([snapshot(), snapshot("chorus", 2)], corners=["verse", "chorus"])
    store.save(snapshot("verse", 3, a={"/latent/1": 1.0}))
    assert [corner.number for corner in store.corners] == [3, 2]


def test_any_thread_may_save_rename_delete_and_list() -> None:
    store = Snapshots()
    failed: list[BaseException] = []

    def play(own: int) -> None:
        try:
            for k in range(150):
                store.save(snapshot(f"{own}", own))
                store.exclude(f"/latent/{own}")
                assert own in [one.number for one in store]
                store.set_corners(f"{own}", own)
                assert len(store.corners) in (0, 2)
                store.rename(f"{own}", f"{own}: {k}")
                assert store.delete(own).name == f"{own}: {k}"
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=play, args=(own,)) for own in range(100, 106)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert not store.names()
    assert len(store.rules) == len(threads)


def test_the_document_names_every_built_in_rule() -> None:
    for one in (*DEFAULT_RULES, *FIXED_RULES):
        assert f"`{one.pattern}`" in DOCUMENT, one
    for address in re.findall(r"`(/(?:snapshot|morph)/(?:x|y|time|caches))`", DOCUMENT):
        assert address in table()
