"""Takes are rendered to the same samples; so is the journal of a killed session."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Unpack

import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from export.errors import GlitchError
from realtime import Session
from realtime.ipc import rings
from realtime.ipc.memory_layout import EVENTS, HISTORY, PLUGGED, RING, Geometry
from realtime.ipc.segment_registry import SegmentRegistry
from realtime.ipc.segments import Segment
from realtime.library.library import Library, digest
from realtime.session.config import SessionOptions
from realtime.takes.deck_renderer import DeckRenderer
from realtime.takes.journal import CALLBACK, ENTRY, PARTS, POLL_S, Journal
from realtime.takes.leftover_journals import left_behind, locked, sweep
from realtime.takes.renderer import render, render_blocks
from realtime.takes.take import TakeError, open_take
from tests.eventually import eventually
from tests.jack import JackServer
from tests.realtime.sessions import wait

pytestmark = pytest.mark.plays

RATE = 48_000
ENDS = (":out_", ":in_")  # of the names of PortAudio's ports


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, models: dict[str, Path]) -> Path:
    """A library of small models: mono and stereo, audio and magnitudes, and one of another rate."""
    folder = tmp_path_factory.mktemp("library")
    for name in ("level", "stereo", "slow", "tone", "bundled"):
        shutil.copy(models[name], folder / f"{name}.onnx")
    return folder


def play(
    shelf: Path,
    folder: Path,
    perform: Callable[[Session], None],
    model: str = "level",
    **settings: Unpack[SessionOptions],
) -> float:
    """Perform with a recording and a take, render the take, and return the largest difference."""
    recording, take, again = (folder / name for name in ("played.wav", "played.take", "again.wav"))
    settings |= {"device": "null", "library": shelf, "record": recording, "take": take, "seed": 5}
    with Session(shelf / f"{model}.onnx", **settings) as session:
        perform(session)
    made = render(take, again, Library(shelf))
    assert made.lost == 0
    return difference(recording, again)


def difference(recording: Path, again: Path) -> float:
    received, rendered = (sf.read(path, dtype="float32", always_2d=True)[0] for path in (recording, again))
    assert len(received) == len(rendered) > RATE // 10
    assert np.abs(received).max() > 0.05, "there was nothing to hear"
    return float(np.abs(received - rendered).max())


def test_walks_faders_loops_morphs_and_resets_are_rendered_to_the_same_samples(shelf: Path, tmp_path: Path) -> None:
    def perform(session: Session) -> None:
        session.load("tone", letter="b").result(60)
        for k in range(12):
            session.set("/a/walk/kind", k % 3)
            session.set("/b/walk/kind", (k + 1) % 3)
            session.set("/a/walk/speed", 2.0 + k)
            session.set("/b/latent/2", k / 3.0)
            session.set("/crossfade", (k % 5) / 4)
            session.set("/gain", -(k % 4) * 2.0)
            soon = time.time() + 0.03
            session.set("/mute", k % 2, at=soon)
            session.set("/gain", 1.0, at=soon + 0.011)
            session.set("/crossfade", 0.4, at=soon + 0.023)
            session.set("/a/latent/1", -2.0, at=soon + 0.017)
            session.set("/a/loop/record", k in (1, 2))
            session.set("/a/loop/overdub", k in (5, 6))
            if k == 4:
                session.recall.save("one", 1)
            if k == 7:
                session.recall.save("two", 2)
                session.recall.snapshots.set_corners("one", "two")
            if k > 7:
                session.set("/morph/x", k / 12)
            session.set("/a/reset" if k % 2 else "/b/reset")
            wait(session, 0.08)
        session.set("/panic")
        wait(session, 0.2)

    assert play(shelf, tmp_path, perform) == 0.0


def test_snapshots_with_states_and_ramps_are_rendered_to_the_same_samples(shelf: Path, tmp_path: Path) -> None:
    def perform(session: Session) -> None:
        session.load("bundled", letter="b").result(60)
        session.set("/crossfade", 0.5)
        session.recall.save("one", 1)
        eventually(lambda: "b" in session.recall.snapshots.find("one").decks)
        eventually(lambda: session.recall.snapshots.find("one").decks["b"].state is not None)
        wait(session, 0.3)
        session.set("/b/latent/1", 3.0)
        session.recall.recall("one")
        wait(session, 0.2)
        session.load("bundled", letter="b").result(60)  # a deck that reads the state from its file
        session.set("/b/latent/1", -3.0)
        wait(session, 0.2)
        session.recall.recall("one")
        wait(session, 0.2)
        session.set("/b/latent/1", 4.0)
        session.recall.recall("one", 150.0)
        wait(session, 0.3)

    assert play(shelf, tmp_path, perform, "tone") == 0.0


def test_swaps_on_both_decks_are_rendered_to_the_same_samples(shelf: Path, tmp_path: Path) -> None:
    def perform(session: Session) -> None:
        session.set("/model/fade", 60)
        session.load("stereo", letter="b").result(60)
        for a, b in (("slow", "tone"), ("level", "slow")):
            loading = [session.load(a, letter="a"), session.load(b, letter="b")]
            for x in (0.2, 0.6, 0.4):
                session.set("/crossfade", x)
                session.set("/a/latent/1", 6 * x)
                wait(session, 0.05)
            for one in loading:
                one.result(60)
            wait(session, 0.1)

    assert play(shelf, tmp_path, perform, samplerate=RATE) == 0.0


def test_a_deck_that_dies_and_one_that_stalls_are_rendered_with_their_dropouts(shelf: Path, tmp_path: Path) -> None:
    def perform(session: Session) -> None:
        session.load("tone", letter="b").result(60)
        session.set("/crossfade", 0.5)
        session.set("/a/latent/1", 3.0)
        wait(session, 0.2)
        b = session.parts.rack.players["b"]
        assert b.process is not None
        before = b.underruns
        os.kill(b.process.pid, signal.SIGSTOP)
        eventually(lambda: b.underruns > before)
        os.kill(b.process.pid, signal.SIGCONT)
        wait(session, 0.2)
        os.kill(session.deck.pid, signal.SIGKILL)
        eventually(lambda: any("died" in note for note in session.notes))
        wait(session, 0.2)

    assert play(shelf, tmp_path, perform) == 0.0


def test_a_device_that_dies_and_returns_is_rendered_to_the_same_samples(shelf: Path, tmp_path: Path) -> None:
    def perform(session: Session) -> None:
        session.set("/latent/1", 3.0)
        wait(session, 0.3)
        device = session.parts.output.pid
        os.kill(device, signal.SIGKILL)
        eventually(lambda: session.parts.output.pid != device)
        wait(session, 0.4)

    assert play(shelf, tmp_path, perform, "bundled") == 0.0


def test_live_input_is_rendered_to_the_same_samples(
    shelf: Path, tmp_path: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output is connected to the input: a tone on deck A, which returns through the model of deck B."""
    shutil.copy(models["echo"], shelf / "echo.onnx")

    def perform(session: Session) -> None:
        session.set("/focus", 1)
        session.load("echo").result(60)
        session.set("/smoothing", 0)
        session.set("/input/amount", 1.0)
        session.set("/input/mix", 0.5)
        ports = subprocess.run(["jack_lsp"], capture_output=True, text=True, check=True).stdout.split()
        (out, *_), (into, *_) = ([port for port in ports if end in port and "system" not in port] for end in ENDS)
        subprocess.run(["jack_connect", out, into], check=True)
        session.set("/crossfade", 0.4)
        eventually(lambda: session.segment["input_meters"]["peak"][0] > 0.05)
        wait(session, 0.3)
        session.set("/take", 0)  # the take from the beginning is written while all goes on
        eventually(lambda: any("The take of" in note for note in session.notes))

    with JackServer() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        recording, take, again = (tmp_path / name for name in ("played.wav", "played.take", "again.wav"))
        with Session(shelf / "tone.onnx", library=shelf, input_device="", record=recording, take=take) as session:
            perform(session)
    render(take, again, Library(shelf))
    received, rendered = (sf.read(path, dtype="float32", always_2d=True)[0] for path in (recording, again))
    np.testing.assert_array_equal(received[: len(rendered)], rendered)


def test_a_take_from_the_middle_is_rendered_to_the_same_samples(shelf: Path, tmp_path: Path) -> None:
    with Session(shelf / "bundled.onnx", device="null", library=shelf, takes=tmp_path / "takes") as session:
        session.set("/record", 1)
        wait(session, 0.3)
        begin = session.clock
        session.set("/take", 1)
        wait(session, 0.3)
        session.set("/gain", -6)
        session.set("/latent/1", 2)
        wait(session, 0.2)
        session.set("/take", 0)
        session.set("/record", 0)
        eventually(lambda: sum(note.startswith(("The take of", "Recorded")) for note in session.notes) == 2)
        assert session.recorder is not None
        recording = session.recorder.path
        for _ in range(2):  # within the same second
            session.set("/take", 1)
            session.set("/take", 0)
        eventually(lambda: sum(note.startswith("The take of") for note in session.notes) == 3)
    takes = sorted((tmp_path / "takes").glob("*.take"))
    assert len(takes) == 3, "a take was written over another"
    with open_take(takes[0]) as read:
        assert read.begin >= begin
        rendered = np.concatenate(list(render_blocks(read, Library(shelf))))
    received, _ = sf.read(recording, dtype="float32")
    where = [
        k for k in range(len(received) - len(rendered) + 1) if np.array_equal(received[k : k + 512], rendered[:512])
    ]
    assert where, "the take is nowhere in the recording"
    np.testing.assert_array_equal(received[where[0] : where[0] + len(rendered)], rendered)


KILLED = """
import sys, time
from realtime import Session
with Session(sys.argv[1], device="null", record=sys.argv[2]) as session:
    session.set("/walk/speed", 5)
    session.set("/latent/1", 3)
    while session.recorder.written < 24_000:
        time.sleep(0.02)
    print(session.parts.journal.folder, flush=True)
    time.sleep(60)
"""


def killed(model: Path, recording: Path) -> Path:
    """Play a session and kill it; return its journal."""
    host = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(model), str(recording)], stdout=subprocess.PIPE, text=True
    )
    assert host.stdout is not None
    journal = Path(host.stdout.readline().strip())
    host.kill()
    host.wait()
    host.stdout.close()
    return journal


def test_the_journal_of_a_killed_session_is_reported_once_rendered_and_then_removed(
    shelf: Path, tmp_path: Path
) -> None:
    recording = tmp_path / "played.wav"
    journal = killed(shelf / "bundled.onnx", recording)
    assert left_behind(journal.parent) == [journal]
    with (journal / "events.bin").open("ab") as file:
        file.write(b"torn")  # as if killed within an entry
    with (journal / "decks.jsonl").open("a") as file:
        file.write('{"number": 7, "let')
    with Session(shelf / "level.onnx", device="null") as session:
        own = session.parts.journal.folder
        assert left_behind(journal.parent) == [journal], "the living are not left behind"
        (reported,) = (note for note in session.notes if str(journal) in note)
    assert f"glitch-lab render {journal} OUT.wav" in reported
    assert not own.exists(), "a session that ended well left its journal"
    render(journal, tmp_path / "again.wav", Library(shelf))
    assert sweep(journal.parent) == ""
    assert not journal.exists()
    received, rendered = (sf.read(tmp_path / name, dtype="float32")[0] for name in ("played.wav", "again.wav"))
    assert len(rendered) >= len(received) - RATE // 20 > 20_000
    np.testing.assert_array_equal(rendered[: len(received)], received[: len(rendered)])


def test_only_the_last_journal_left_behind_is_kept(tmp_path: Path) -> None:
    for k in range(3):
        folder = tmp_path / f"journal-{k}"
        folder.mkdir()
        for name in ("lock", "decks.jsonl", "clock"):
            (folder / name).touch()
        os.utime(folder / "clock", (k, k))
    assert str(tmp_path / "journal-2") in sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["journal-2"]
    with locked(tmp_path / "journal-2"):
        assert sweep(tmp_path) == ""
    assert (tmp_path / "journal-2").exists(), "it was being rendered"
    assert sweep(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def good(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short take."""
    path = tmp_path_factory.mktemp("takes") / "good.take"
    with Session(shelf / "level.onnx", device="null", library=shelf, take=path) as session:
        session.set("/latent/1", 2)
        session.set("/gain", -3)
        wait(session, 0.1)
    return path


def test_the_render_command_overwrites_only_if_asked(good: Path, shelf: Path, tmp_path: Path) -> None:
    (out := tmp_path / "precious.wav").write_bytes(b"mine")
    command = [sys.executable, "-m", "models.cli", "render", str(good), str(out), "--library", str(shelf)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "precious.wav is there already; give another name, or --force to replace it." in done.stderr
    assert out.read_bytes() == b"mine"
    subprocess.run([*command, "--force"], check=True, capture_output=True, timeout=60)
    assert sf.info(out).frames > 1000


def test_a_deck_that_dies_while_rendering_is_reported_and_leaves_nothing(good: Path, shelf: Path) -> None:
    with open_take(good) as take:
        (number,) = take.decks
        again = DeckRenderer(take, number, shelf / "level.onnx")
        try:
            assert again.read().shape[0] == take.decks[number]["channels"]
            again.kill()
            with pytest.raises(TakeError, match=r"level.onnx ended unexpectedly \(code"):
                [again.read() for _ in itertools.count()]  # earlier portions are still in the pipe
        finally:
            again.close()


def parts(take: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(take) as file:
        return {name: file.read(name) for name in file.namelist()}


def packed(path: Path, contents: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in contents.items():
            file.writestr(name, data)
    return path


def refused(path: Path, shelf: Path) -> str:
    """Return the error message for a refused take."""
    out = path.with_name("out.wav")
    with pytest.raises(TakeError) as caught:
        render(path, out, Library(shelf))
    assert not list(path.parent.glob("*out.wav")), "half a file was left"
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith((".", "?"))
    return text


def test_a_file_that_is_no_take_is_refused_in_one_sentence(good: Path, shelf: Path, tmp_path: Path) -> None:
    whole = parts(good)
    (tmp_path / "noise.take").write_bytes(b"nothing of the kind")
    (tmp_path / "short.take").write_bytes(good.read_bytes()[:-100])
    (tmp_path / "empty").mkdir()
    packed(tmp_path / "other.take", {"letter.txt": b"Dear all"})
    for name in ("nowhere.take", "noise.take", "short.take", "other.take", "empty"):
        assert name in refused(tmp_path / name, shelf)
    for name in ("head.json", "events.bin", "decks.jsonl"):
        left = {key: data for key, data in whole.items() if key != name}
        assert "is it complete?" in refused(packed(tmp_path / "left.take", left), shelf)
    for number, remedy in ((99, "update glitch-live"), (1, "the version that made it")):
        other = whole | {"head.json": whole["head.json"].replace(b'"format": 2', b'"format": %d' % number)}
        said = refused(packed(tmp_path / "other.take", other), shelf)
        assert f"format {number}" in said
        assert remedy in said


def test_a_take_of_another_table_is_rendered_by_its_addresses(good: Path, shelf: Path, tmp_path: Path) -> None:
    """A version with other indices of parameters, and one parameter that is gone today."""
    whole = parts(good)
    deck = json.loads(whole["decks.jsonl"])
    knobs = deck["knobs"]
    number = {address: k for k, address in enumerate(["/wobble", *reversed(knobs)])}
    values = [[number[knobs[k]], value] for k, value in deck["values"]] + [[number["/wobble"], 0.5]]
    entries = np.frombuffer(whole["events.bin"], ENTRY).copy()
    turned = (entries["source"] == deck["number"]) & (entries["kind"] >= 0)
    assert turned.any()
    entries["kind"][turned] = [number[knobs[k]] for k in entries["kind"][turned]]
    reported = {"decks.jsonl": json.dumps(deck | {"knobs": list(number), "values": values}).encode() + b"\n"}
    other = packed(tmp_path / "other.take", whole | reported | {"events.bin": entries.tobytes()})
    made = []
    for take in (good, other):
        with open_take(take) as read:
            made.append(np.concatenate(list(render_blocks(read, Library(shelf)))))
    assert np.abs(made[0]).max() > 0.01
    np.testing.assert_array_equal(made[0], made[1])


def changed(whole: dict[str, bytes], **values: float) -> dict[str, bytes]:
    """Change a field in every entry of the callback."""
    entries = np.frombuffer(whole["events.bin"], ENTRY).copy()
    for name, value in values.items():
        entries[name][entries["source"] == CALLBACK] = value
    return whole | {"events.bin": entries.tobytes()}


@pytest.mark.parametrize(
    "values",
    [
        {"kind": 99},
        {"kind": -3},
        {"slot": 4},
        {"slot": -1},
        {"kind": PLUGGED, "number": 1000},
        {"value": np.nan},
        {"over": np.inf},
        {"over": -1},
        {"sample": -5},
        {"number": 1 << 40},
    ],
)
def test_entries_out_of_range_are_refused(good: Path, shelf: Path, tmp_path: Path, values: dict[str, float]) -> None:
    refused(packed(tmp_path / "bad.take", changed(parts(good), **values)), shelf)


@pytest.mark.parametrize(
    ("key", "value"),
    [("end", 1 << 60), ("end", -1), ("begin", 1 << 50), ("channels", 0), ("channels", 99), ("sample_rate", 0)],
)
def test_a_head_out_of_range_is_refused(good: Path, shelf: Path, tmp_path: Path, key: str, value: float) -> None:
    whole = parts(good)
    head = json.dumps(json.loads(whole["head.json"]) | {key: value}).encode()
    assert "is it complete?" in refused(packed(tmp_path / "bad.take", whole | {"head.json": head}), shelf)


def test_a_missing_or_changed_model_is_reported_and_a_moved_one_is_found(
    good: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    model = tmp_path / "mine.onnx"
    (shelf := tmp_path / "shelf").mkdir()
    whole = parts(good)
    said = json.loads(whole["decks.jsonl"]) | {"model": str(model)}
    path = packed(tmp_path / "mine.take", whole | {"decks.jsonl": json.dumps(said).encode() + b"\n"})
    for there in (None, models["stereo"]):
        if there is not None:
            shutil.copy(there, model)
        assert "mine.onnx" in (text := refused(path, shelf))
        assert digest(models["level"])[:12] in text
    shutil.copy(models["level"], shelf / "renamed.onnx")
    render(path, tmp_path / "out.wav", Library(shelf))


@pytest.mark.parametrize(
    "name",
    ["../evil", "states/../../evil", "/tmp/evil", "states/..\\..\\evil", "..\\evil", "C:\\evil", "states/5.state/evil"],
)
def test_a_take_cannot_choose_where_it_is_extracted(good: Path, shelf: Path, tmp_path: Path, name: str) -> None:
    unpacked = tmp_path / "temp" / "deep"
    unpacked.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(unpacked))
        path = packed(tmp_path / "evil.take", parts(good) | {name: b"evil"})
        with open_take(path) as take:
            written = {str(found.relative_to(take.folder)) for found in take.folder.rglob("*") if found.is_file()}
            assert written <= {"head.json", *PARTS}
    assert not [found for found in tmp_path.rglob("*") if "evil" in found.name and found != path]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_corrupted_take_is_rendered_or_refused(good: Path, shelf: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Changed bytes of the archive, or of its contents, lead to no errors but our own."""
    whole = parts(good)
    name = data.draw(st.sampled_from([None, *whole]))
    raw = bytearray(good.read_bytes() if name is None else whole[name])
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "mutated.take"
    if name is None:
        path.write_bytes(raw)
    else:
        packed(path, whole | {name: bytes(raw)})
    try:
        with open_take(path) as take:
            for _ in itertools.islice(render_blocks(take, Library(shelf)), 10):  # the end may be far away now
                pass
    except GlitchError as error:
        assert str(error)


FULL = """
import resource, sys, time
from realtime import Session
from realtime.decks.deck_client import wait_for
with Session(sys.argv[1], device="null", takes=sys.argv[2]) as session:
    session.set("/take", 1)
    clock = session.clock
    written = session.parts.journal.folder.joinpath("events.bin").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (written + 100,) * 2)
    for k in range(40):
        session.set("/latent/1", k / 10)
    assert wait_for(lambda: session.parts.journal.error, 5)
    for k in range(40):
        session.set("/latent/1", k / 10)
    assert wait_for(lambda: session.clock > clock + 24_000 and session.latents[0] > 3.5, 5), "the sound stopped"
    session.set("/take", 0)
    assert wait_for(lambda: sum("no take" in note for note in session.notes) == 2, 5)
    session.set("/take", 1)
    assert session.get("/take") == 0
    folder = session.parts.journal.folder
print("\\n".join(session.notes))
print(folder.exists())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
def test_a_full_disk_stops_the_journal_and_nothing_else(shelf: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(shelf / "level.onnx"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    *notes, remains = done.stdout.splitlines()
    reported = "The journal stopped (File too large), so no take can be made from now on."
    assert notes == [reported] * 3  # when it happens, when the take ends, and when another is begun
    assert remains == "False"
    assert list(tmp_path.iterdir()) == []


def test_the_journal_logs_every_event_of_a_dense_performance(tmp_path: Path, registry: SegmentRegistry) -> None:
    """A deck's log holds several polls of 20,000 events a second, and is drained to its last entry at each."""
    assert EVENTS > 4 * 20_000 * POLL_S

    class LoggingDeck:
        """The part of a deck that the journal reads."""

        number = 0

        def __init__(self) -> None:
            self.segment = Segment.create(Geometry("deck", 1, RING), registry)
            self.state = self.segment["deck"][0]
            self.order = {"model": "", "sample_rate": RATE, "seed": 0, "inputs": 0, "effects": []}

        def applied_events(self) -> np.ndarray:
            into = np.zeros(rings.fill(self.segment["done_index"]), self.segment["done"].dtype)
            return into[: rings.pop_events(self.segment["done_index"], self.segment["done"], into)]

    stream = Segment.create(Geometry("stream", 1, HISTORY), registry)
    deck, journal = LoggingDeck(), Journal(tmp_path, pytest.fail)
    journal.start(stream, sample_rate=RATE, channels=1)
    journal.add_deck(deck, "a", "", [], [], [], None)
    pushed = 0
    for _ in range(8):
        for _ in range(EVENTS):
            assert rings.push_done(deck.segment["done_index"], deck.segment["done"], pushed, 0, 1, float(pushed))
            pushed += 1
        eventually(lambda: rings.fill(deck.segment["done_index"]) == 0)
    journal.take(tmp_path / "dense.take", 0, 1)
    kept = np.frombuffer(parts(tmp_path / "dense.take")["events.bin"], ENTRY)
    assert journal.lost() == 0
    np.testing.assert_array_equal(kept["value"], np.arange(pushed))
    journal.close()
    for segment in (stream, deck.segment):
        segment.close()
