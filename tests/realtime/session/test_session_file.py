"""The session file: everything comes back, and whatever happens the file is whole."""

from __future__ import annotations

import itertools
import json
import os
import re
import resource
import shutil
import signal
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.library.library import Library
from realtime.session.session_file.autosave import Autosave
from realtime.session.session_file.document import DeckEntry, SessionFile, SessionFileError, from_json, to_json
from realtime.session.session_file.file_io import read, write
from realtime.session.session_file.model_search import find_model, sha256
from realtime.snapshots.recall_exclusions import Rule
from realtime.snapshots.snapshot import DeckSnapshot, Snapshot

DOCUMENT = (Path(__file__).parents[3] / "docs" / "snapshots.md").read_text()

FINITE = st.floats(allow_nan=False, allow_infinity=False)
ADDRESSES = st.from_regex(r"(/[a-z0-9ö._-]{1,8}){1,3}", fullmatch=True)
VALUES = st.dictionaries(ADDRESSES, FINITE, max_size=5)
TEXT = st.text(max_size=20)
NAMES = st.text(min_size=1, max_size=64).filter(lambda name: name.isprintable() and name == name.strip())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
EFFECTS = st.lists(st.dictionaries(st.text(max_size=8), JSON, max_size=3), max_size=3).map(tuple)
LETTER = st.sampled_from("ab")


@st.composite
def snapshots(draw: st.DrawFn) -> tuple[Snapshot, ...]:
    decks = st.builds(DeckSnapshot, TEXT, TEXT, VALUES, st.none() | TEXT)
    names = draw(st.lists(NAMES, max_size=4, unique=True))
    numbers = draw(st.lists(st.integers(0, 127), min_size=len(names), max_size=len(names), unique=True))
    return tuple(
        Snapshot(name, number, draw(VALUES), draw(st.dictionaries(LETTER, decks)))
        for name, number in zip(names, sorted(numbers), strict=True)
    )


@st.composite
def sessions(draw: st.DrawFn) -> SessionFile:
    kept = draw(snapshots())
    corners = st.lists(st.sampled_from([one.name for one in kept]), min_size=2, max_size=4) if kept else st.just([])
    patterns = st.sampled_from(["//", "/a/latent/*", "/[a-f]", "/ö"])
    return SessionFile(
        focus=draw(LETTER),
        host=draw(VALUES),
        decks=draw(st.dictionaries(LETTER, st.builds(DeckEntry, TEXT, TEXT, TEXT, EFFECTS, VALUES))),
        snapshots=kept,
        corners=draw(st.just(()) | corners.map(tuple)),
        exclusions=tuple(draw(st.lists(st.builds(Rule, patterns, st.booleans()), max_size=4))),
    )


def large(number: int = 0, count: int = 64) -> SessionFile:
    values = {f"/latent/{k}": number + k / 7 for k in range(300)}
    decks = {"a": DeckSnapshot("tone", "12ab", values)}
    kept = tuple(Snapshot(f"snapshot {k}", k, {"/gain": float(number)}, decks) for k in range(count))
    return SessionFile(host={"/gain": float(number)}, snapshots=kept)


@given(sessions())
def test_everything_round_trips(file: SessionFile) -> None:
    assert from_json(to_json(file)) == file
    assert from_json(to_json(file)).unknown == ()


@given(sessions())
def test_a_written_file_round_trips(tmp_path_factory: pytest.TempPathFactory, file: SessionFile) -> None:
    path = tmp_path_factory.mktemp("session") / "show.json"
    write(path, file)
    assert read(path) == file
    assert [one.name for one in path.parent.iterdir()] == ["show.json"]


@given(sessions())
def test_the_store_of_a_file_gives_the_same_file(file: SessionFile) -> None:
    store = file.store()
    corners = tuple(corner.name for corner in store.corners)
    again = replace(file, snapshots=tuple(store), corners=corners, exclusions=store.rules)
    assert (again.snapshots, again.corners) == (file.snapshots, file.corners)
    addresses = ("/a/latent/1", "/gain", "/c", "/ö", "/mute")
    assert again.store().excluded(addresses) == store.excluded(addresses)


def test_a_line_is_a_snapshot() -> None:
    lines = to_json(large(count=3)).splitlines()
    assert sum('"name": "snapshot' in line for line in lines) == 3


# Files that are wrong


def mutated(reported: Any, data: st.DataObject) -> Any:
    """Put something else in some place of JSON."""
    keys = list(reported) if isinstance(reported, dict) else range(len(reported)) if isinstance(reported, list) else []
    if not keys or data.draw(st.integers(0, 3)) == 0:
        return data.draw(JSON)
    key = data.draw(st.sampled_from(keys))
    reported[key] = mutated(reported[key], data)
    return reported


@given(sessions(), st.data())
def test_any_file_is_read_or_refused_in_one_sentence(file: SessionFile, data: st.DataObject) -> None:
    reported = mutated(json.loads(to_json(file)), data)
    try:
        found = from_json(json.dumps(reported))
    except SessionFileError as error:
        assert "\n" not in str(error)
        assert str(error).endswith(".")
        return
    assert from_json(to_json(found)) == found


WRONG = {
    "": "not JSON",
    "{": "not JSON",
    "[]": "begin with",
    '{"format": "1"}': "begin with",
    '{"format": true}': "begin with",
    '{"format": 0}': "begin with",
    '{"format": 2}': "format 2, and this version reads up to 1; update",
    '{"format": 1, "host": {"/gain": NaN}}': "finite",
    '{"format": 1, "host": {"/gain": -Infinity}}': "finite",
    '{"format": 1, "decks": {"a": {"effects": [{"x": 1e999}]}}}': "finite",
    f'{{"format": 1, "host": {{"/gain": 1{"0" * 400}}}}}': "host./gain must be a number",
    '{"format": 1, "host": {"/gain": true}}': "host./gain must be a number",
    '{"format": 1, "host": {"/gain": "loud"}}': "host./gain must be a number",
    '{"format": 1, "focus": "c"}': "focus must be one of a, b",
    '{"format": 1, "decks": []}': "decks must be an object",
    '{"format": 1, "decks": {"a": {"path": 3}}}': r"decks\.a\.path must be a text",
    '{"format": 1, "decks": {"b": {"effects": [3]}}}': r"decks\.b\.effects\[0\] must be an object",
    '{"format": 1, "snapshots": {}}': "snapshots must be a list",
    '{"format": 1, "snapshots": [{"name": "x"}]}': r"snapshots\[0\]\.number is missing",
    '{"format": 1, "snapshots": [{"number": 1}]}': r"snapshots\[0\]\.name is missing",
    '{"format": 1, "snapshots": [{"name": "x", "number": 1.5}]}': r"snapshots\[0\]\.number must be a whole",
    '{"format": 1, "snapshots": [{"name": "x", "number": 128}]}': r"snapshots\[0\].*0 to 127, not 128",
    '{"format": 1, "snapshots": [{"name": "", "number": 1}]}': r"snapshots\[0\].*name",
    '{"format": 1, "snapshots": [{"name": "x", "number": 1, "host": {"gain": 1}}]}': r"snapshots\[0\].*address",
    '{"format": 1, "snapshots": [{"name": "x", "number": 1}, {"name": "x", "number": 2}]}': "two snapshots 'x'",
    '{"format": 1, "snapshots": [{"name": "x", "number": 1}, {"name": "y", "number": 1}]}': "number 1",
    '{"format": 1, "corners": ["x", "y"]}': "no snapshot 'x'",
    '{"format": 1, "exclusions": ["/gain"]}': r"exclusions\[0\] must be an object",
    '{"format": 1, "exclusions": [{"only": "/gain"}]}': r"exclusions\[0\].*must have one key",
    '{"format": 1, "exclusions": [{"exclude": "gain"}]}': r"exclusions\[0\].*'gain'",
    "[" * 100_000: "not JSON",
    "\udcff": "no text",
}


@pytest.mark.parametrize("text", WRONG)
def test_an_invalid_file_gives_one_sentence_that_names_the_key(tmp_path: Path, text: str) -> None:
    path = tmp_path / "show.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SessionFileError, match=WRONG[text]) as error:
        read(path)
    assert "show.json" in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_a_file_that_is_missing_or_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SessionFileError, match="no session .*show.json"):
        read(tmp_path / "show.json")
    with pytest.raises(SessionFileError, match="cannot be read"):
        read(tmp_path)


def test_unknown_entries_are_left_out_and_reported() -> None:
    deck = {"model": "x", "sha256": "", "colour": "red"}
    reported = {
        "format": 1,
        "theme": {"dark": True},
        "decks": {"a": {"values": {"/x": 1}, "colour": "red"}, "c": {"new": "deck"}},
        "snapshots": [{"name": "verse", "number": 1, "tags": [], "decks": {"a": deck, "c": 3}}],
    }
    file = from_json(json.dumps(reported))
    assert file == SessionFile(
        decks={"a": DeckEntry(values={"/x": 1.0})},
        snapshots=(Snapshot("verse", 1, {}, {"a": DeckSnapshot("x", "", {})}),),
    )
    keys = ["theme", "decks.c", "decks.a.colour"]
    keys += ["snapshots[0].tags", "snapshots[0].decks.c", "snapshots[0].decks.a.colour"]
    assert file.unknown == tuple(f"{key} is not known, and left out." for key in keys)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_are_never_written(tmp_path: Path, value: float) -> None:
    path = tmp_path / "show.json"
    write(path, SessionFile())
    effects = ({"drive": [value]},)
    for file in (SessionFile(host={"/gain": value}), SessionFile(decks={"a": DeckEntry(effects=effects)})):
        with pytest.raises(SessionFileError, match="cannot be written"):
            write(path, file)
    assert read(path) == SessionFile()
    assert [one.name for one in tmp_path.iterdir()] == ["show.json"]


# Files that are written


def test_a_file_is_whole_whenever_its_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "show.json"
    files = [large(0), large(1, count=32)]
    write(path, files[0])
    whole = [to_json(file) for file in files]
    for k in range(60):
        before = path.stat()
        writer = os.fork()
        if writer == 0:
            for n in range(1_000_000):  # until it is killed
                write(path, files[n % 2])
            os._exit(0)
        while (now := path.stat()).st_ino == before.st_ino and now.st_mtime_ns == before.st_mtime_ns:
            pass  # until it has begun
        until = time.monotonic() + 0.0004 * k
        while time.monotonic() < until:
            assert path.read_text() in whole  # nor does anybody else ever see half of one
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        assert path.read_text() in whole
    Autosave(path, lambda: None, lambda _: None).close()
    assert {one.name for one in tmp_path.iterdir()} == {"show.json", "show.json~"}  # what they had begun is swept away


def test_permissions_stay_and_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    real, link = tmp_path / "far" / "show.json", tmp_path / "show.json"
    write(real, SessionFile())
    before = os.umask(0)
    os.umask(before)
    assert stat.S_IMODE(real.stat().st_mode) == 0o666 & ~before
    real.chmod(0o640)
    link.symlink_to(real)
    write(link, large(count=1))
    assert link.is_symlink()
    assert read(real) == large(count=1)
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    Autosave(link, lambda: None, lambda _: None).close()
    assert {one.name for one in real.parent.iterdir()} == {"show.json", "show.json~"}


@pytest.fixture
def small_files() -> Iterator[None]:
    """A disk on which no file gets larger than a megabyte, as if it were full by then."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("small_files")
def test_a_disk_that_is_full_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "show.json"
    write(path, large(count=2))
    with pytest.raises(SessionFileError, match="show.json cannot be written: File too large"):
        write(path, large(count=128))
    assert read(path) == large(count=2)
    assert [one.name for one in tmp_path.iterdir()] == ["show.json"]


# The thread that keeps a file up to date


class Played:
    """A stand-in for the contents of a session, with a way to wait until they were requested."""

    def __init__(self, file: SessionFile | None = SessionFile()) -> None:  # noqa: B008
        self.file, self.times = file, list[float]()
        self.error: Exception | None = None
        self._asked = threading.Semaphore(0)

    def collect(self) -> SessionFile | None:
        self.times.append(time.monotonic())
        self._asked.release()
        if self.error is not None:
            raise self.error
        return self.file

    def wait(self, times: int = 1) -> None:
        for _ in range(times):
            assert self._asked.acquire(timeout=20)


class Said(list[str]):
    """Sentences, and a way to wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self._more = threading.Semaphore(0)

    def __call__(self, sentence: str) -> None:
        self.append(sentence)
        self._more.release()

    def wait(self) -> str:
        assert self._more.acquire(timeout=20)
        return self[-1]


def test_a_change_is_written_soon_and_the_rest_at_the_end(tmp_path: Path) -> None:
    path, played, said = tmp_path / "show.json", Played(large(1, count=1)), Said()
    saver = Autosave(path, played.collect, said, interval_s=0.01)
    assert not path.exists()
    saver.touch()
    played.wait()
    played.file = large(2, count=1)
    saver.close()
    saver.close()
    assert read(path) == large(2, count=1)
    assert not said


def test_a_file_is_written_now_and_then_however_often_it_is_touched(tmp_path: Path) -> None:
    played = Played()
    saver = Autosave(tmp_path / "show.json", played.collect, Said(), interval_s=0.1)
    while len(played.times) < 5:
        saver.touch()
    written = played.times.copy()
    saver.close()
    assert all(later - earlier >= 0.1 for earlier, later in itertools.pairwise(written))


def test_a_touch_while_it_is_being_written_is_written_too(tmp_path: Path) -> None:
    path, played = tmp_path / "show.json", Played()

    def collect() -> SessionFile | None:
        file = played.collect()
        if len(played.times) == 1:
            played.file = large(5, count=1)
            saver.touch()
        return file

    saver = Autosave(path, collect, Said(), interval_s=0.01)
    saver.touch()
    played.wait(2)
    saver.close()
    assert len(played.times) == 3
    assert read(path) == large(5, count=1)


def test_a_missing_folder_is_reported_once_and_when_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "stick"
    folder.mkdir()
    path, played, said = folder / "show.json", Played(large(count=1)), Said()
    saver = Autosave(path, played.collect, said, interval_s=0.01)
    folder.rmdir()
    saver.touch()
    assert re.search(r"show\.json cannot be written: No such file.*tried again", said.wait())
    played.wait(5)
    assert len(said) == 1
    folder.mkdir()
    assert said.wait() == f"The session {path} is written again."
    assert read(path) == large(count=1)
    shutil.rmtree(folder)
    saver.close()
    assert len(said) == 3


@pytest.mark.usefixtures("small_files")
def test_a_full_disk_is_reported_and_the_caller_continues(tmp_path: Path) -> None:
    path, played, said = tmp_path / "show.json", Played(large(count=128)), Said()
    write(path, large(count=1))
    saver = Autosave(path, played.collect, said, interval_s=0.01)
    saver.touch()
    assert "too large" in said.wait()
    saver.close()
    assert len(said) == 1
    assert read(path) == large(count=1)


def test_an_error_while_collecting_is_reported_and_tried_again(tmp_path: Path) -> None:
    path, played, said = tmp_path / "show.json", Played(), Said()
    played.error = RuntimeError("no deck")
    saver = Autosave(path, played.collect, said, interval_s=0.01)
    saver.touch()
    assert "no deck" in said.wait()
    played.error = None
    assert "again" in said.wait()
    saver.close()
    assert read(path) == SessionFile()


def test_the_contents_at_the_start_are_kept_beside_it(tmp_path: Path) -> None:
    path, backup = tmp_path / "show.json", tmp_path / "show.json~"
    path.write_text("{ my own work, with a comma too many, }")
    for number in (1, 2):
        saver = Autosave(path, Played(large(number, count=1)).collect, Said(), interval_s=0.01)
        path.write_text("somebody else's")  # is written over
        saver.close()
        assert read(path) == large(number, count=1)
        reported = backup.read_text()
        assert "my own work" in reported if number == 1 else from_json(reported) == large(1, count=1)
    path.write_text("{")
    with pytest.raises(SessionFileError, match="before are in show.json~"):
        read(path)


def test_no_file_is_written_if_keeping_is_off(tmp_path: Path) -> None:
    path, played = tmp_path / "show.json", Played(None)
    saver = Autosave(path, played.collect, Said(), interval_s=0.01)
    saver.touch()
    saver.close()
    assert not path.exists()


# Models that come back


@pytest.fixture
def shelf(tmp_path: Path) -> Library:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "low.onnx").write_bytes(b"low" * 100_000)
    (tmp_path / "library" / "high.onnx").write_bytes(b"high")
    (tmp_path / "own.onnx").write_bytes(b"own")
    return Library(tmp_path / "library")


def entry_of(path: Path) -> DeckEntry:
    return DeckEntry(path.stem, str(path), sha256(path))


def test_a_digest_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(SessionFileError, match="Cannot read .*nowhere"):
        sha256(tmp_path / "nowhere")


def test_a_model_is_where_it_was(shelf: Library, tmp_path: Path) -> None:
    said = Said()
    for path in (tmp_path / "own.onnx", shelf.find("low")):
        assert find_model(entry_of(path), shelf, said) == path
    assert find_model(DeckEntry("own", str(tmp_path / "own.onnx")), shelf, said) == tmp_path / "own.onnx"
    assert find_model(DeckEntry(values={"/gain": 1.0}), shelf, said) is None  # it played nothing
    assert not said


def test_a_changed_model_is_played_and_reported(shelf: Library, tmp_path: Path) -> None:
    said, path = Said(), tmp_path / "own.onnx"
    entry = entry_of(path)
    path.write_bytes(b"trained on")
    assert find_model(entry, shelf, said) == path
    assert re.search(r"own\.onnx is another model", said.wait())


def test_a_model_that_has_moved_is_found_in_the_library(shelf: Library, tmp_path: Path) -> None:
    said, low = Said(), shelf.find("low")
    elsewhere = replace(entry_of(low), path=str(tmp_path / "gone" / "low.onnx"))
    assert find_model(elsewhere, shelf, said) == low
    assert not said
    assert find_model(replace(elsewhere, sha256="12ab"), shelf, said) == low
    assert "another model" in said.wait()
    low.rename(low.with_name("deep.onnx"))
    assert find_model(elsewhere, shelf, said) == shelf.find("deep")
    assert "'low' is called 'deep'" in said.wait()


def test_a_missing_model_is_reported(shelf: Library, tmp_path: Path) -> None:
    said = Said()
    for entry in (DeckEntry("gone", str(tmp_path / "gone.onnx"), "12ab"), DeckEntry("gone"), DeckEntry(sha256="12ab")):
        assert find_model(entry, shelf, said) is None
        assert "neither at" in said.wait()
        assert "\n" not in said[-1]


# The document


def test_the_example_of_the_document_is_read_whole() -> None:
    found = re.search(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found is not None
    file = from_json(found[1])
    assert not file.unknown
    assert len(file.snapshots) == len(file.corners) == 2
    reported = json.loads(found[1])
    assert reported == json.loads(to_json(file))


def test_every_key_is_explained() -> None:
    kinds = (SessionFile, DeckEntry, Snapshot, DeckSnapshot)
    for key in {"format", *(one.name for kind in kinds for one in fields(kind))} - {"unknown", "decks", "snapshots"}:
        assert f"`{key}`" in DOCUMENT, key
