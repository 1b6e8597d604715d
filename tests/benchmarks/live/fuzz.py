"""fuzz: crashes, underruns and files touched outside the library under a million malformed packets and random MIDI.

`{"packets", "midi", "underruns", "device_underruns", "silent_device_underruns", "capture_holes", "crashes",
"outside_files", "unanswered", "osc_messages", "osc_bad", "osc_unknown", "midi_messages", "watched", "problems",
"outside"}`

`FUZZ_PACKETS` (default 1,000,000) OSC packets over UDP, some over TCP: good ones mutated, random bytes, and what
hypothesis makes of the grammar; among them names of models that point out of the library. A tenth as
many MIDI messages arrive through a port on JACK. The session plays on JACK's dummy driver at 48 kHz, blocks of 64,
beside a silent stream that counts the machine's own underruns. After every 64 packets a `/ping` has to be answered
within seconds; `unanswered` counts those that weren't.

`crashes` counts processes of the program that died, threads that ended in an exception, and handlers that failed;
`problems` lists them. `outside_files` counts files that the program opened, made, moved or removed outside its own code
and data while it was fuzzed, and not already when it started; `outside` lists them. They are found by Python's audit
hook in the host, and in a second, shorter run of the full form (where strace is installed) in every process of the
program; strace slows down the processes that it traces, so that run's underruns don't count. `watched` names the means
that were used. `/ahead/lock`, which allows underruns, is reset as soon as a packet sets it. `FUZZ_SEED` sends other
packets, `FUZZ_RATE` limits the packets a second (default 10,000).
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.support.chord_model import chord_model
from tests.benchmarks.support.job import Figures, Job
from tests.benchmarks.support.session_probe import RATE, deck_pid
from tests.benchmarks.support.silent_stream import SilentStream
from tests.jack import JackServer

QUICK_S, FULL_S = 14, 300
LENGTHS = ("FUZZ_PACKETS", "FUZZ_RATE")
QUICK_PACKETS = 2000
BLOCK, PACKETS, SEED, PACKETS_PER_S, MIDI_PER_S = 64, 1_000_000, 1, 10_000, 1000
WINDOW, TCP_EVERY, LOAD_EVERY = 64, 100, 20_000
REPORT_EVERY = 20_000
HYPOTHESIS_SHARE = 0.02
WATCHED_SHARE = 10  # one packet in so many is sent under strace
CAPTURE_S = 900.0  # the rest is not captured
PONG_S = 5.0
DEVICE = "Fuzz"
FILE_CALLS = (
    "open,openat,openat2,creat,unlink,unlinkat,rename,renameat,renameat2,"
    "mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,truncate"
)
CALL = re.compile(r"(\d+) +([\d.]+) (?:<\.\.\. )?(\w+)(.*?)(?: = (-?\d+)(?:<(.*?)>)?(?: .*)?)?$")
UNFINISHED, RESUMED = "<unfinished ...>", " resumed>"
TARGETS = ("/latent/1", "/latent/2", "/smoothing", "/walk/speed", "/walk/kind", "/crossfade", "/gain", "/reset")
OUTSIDE = "secret"


def run(job: Job) -> Figures:
    """Fuzz once for the sound, and once more, shorter, under strace, which slows everything down."""
    packets = int(job.number("FUZZ_PACKETS", quick=QUICK_PACKETS, full=PACKETS))
    result = _fuzz(job, packets, strace=False)
    job.partial(result)
    watched = ["audit hook"]
    if shutil.which("strace") and not job.quick:
        again = _fuzz(job, max(packets // WATCHED_SHARE, 1000), strace=True)
        watched.append(f"strace, for {again['packets']} packets more")
        result["outside"] = sorted({*result["outside"], *again["outside"]})
        result["problems"] += again["problems"]
    return {
        **result,
        "crashes": len(result["problems"]),
        "outside_files": len(result["outside"]),
        "watched": watched,
    }


def _fuzz(job: Job, packets: int, *, strace: bool) -> Figures:
    """Start the session, the capture and the senders, and return the counts."""
    from tests.benchmarks.support.jack_capture import Capture

    with tempfile.TemporaryDirectory() as name, JackServer(rate=RATE, block=BLOCK) as server:
        os.environ.update(server.environment)
        folder = Path(name)
        library = folder / "home" / "data" / "glitch-live" / "models"
        library.mkdir(parents=True)
        chord_model(library / "chord.onnx", (220.0, 277.2, 330.1))
        chord_model(folder / "home" / f"{OUTSIDE}.onnx", (440.0,))
        with SilentStream() as silence, _Player(folder, strace=strace) as player:
            player.ask("begin")
            silence.begin()
            began = time.time()
            with Capture(folder, CAPTURE_S, channels=1).open() as capture:
                senders = [_sender("osc", player.port, packets, folder), _sender("midi", 0, packets // 10, folder)]
                sent = [_result(job, process) for process in senders]
                time.sleep(1.0)
                sound = capture.save()
            ended, silent = time.time(), silence.since()
            counts = player.ask("end")
        outside = _outside(folder, began, ended, counts.pop("opened"))
    return {
        "packets": sent[0]["sent"],
        "midi": sent[1]["sent"],
        "underruns": counts["underruns"],
        "device_underruns": counts["device_underruns"],
        "silent_device_underruns": silent,
        "capture_holes": sound.holes,
        "unanswered": sent[0]["unanswered"],
        **{key: counts[key] for key in ("osc_messages", "osc_bad", "osc_unknown", "midi_messages", "problems")},
        "outside": outside,
    }


def describe(result: Figures) -> str:
    """Return the counts."""
    return (
        f"{result['packets']} packets and {result['midi']} MIDI messages: {result['underruns']} underruns, "
        f"{result['device_underruns']} of the device ({result['silent_device_underruns']} of a silent stream beside "
        f"it), {result['crashes']} crashes, {result['outside_files']} files outside ({'; '.join(result['watched'])}), "
        f"{result['unanswered']} pings unanswered"
    )


class _Player:
    """The session, in a process that is watched."""

    def __init__(self, folder: Path, *, strace: bool) -> None:
        watch: list[str | Path] = [
            "strace",
            "-f",
            "-y",
            "-ttt",
            "--seccomp-bpf",
            "-e",
            f"trace={FILE_CALLS}",
            "-o",
            folder / "strace",
        ]
        home = folder / "home"
        self._process = subprocess.Popen(
            [*(watch if strace else []), sys.executable, "-m", "tests.benchmarks.live.fuzz", "play", home],
            env={**os.environ, "HOME": str(home), "XDG_DATA_HOME": str(home / "data")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "stderr").open("w"),
            text=True,
        )
        self._folder = folder
        self.port = int(self._answer()["port"])

    def ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the session ended: {(self._folder / 'stderr').read_text()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> _Player:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def play(home: Path) -> None:
    """Play, and print the counts when asked."""
    from realtime import Session
    from realtime.midi import Mapping, Source

    problems: list[str] = []
    opened: set[str] = set()
    usual: set[str] = set()
    watching = threading.Event()

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and watching.is_set() and isinstance(arguments[0], str | bytes | os.PathLike):
            opened.add(os.path.realpath(os.fsdecode(arguments[0])))
        elif event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            usual.add(os.path.realpath(os.fsdecode(arguments[0])))

    threading.excepthook = lambda hook: problems.append(f"thread {hook.thread}: {hook.exc_value!r}")
    sys.addaudithook(audit)
    model = home / "data" / "glitch-live" / "models" / "chord.onnx"
    with Session(model, osc=("127.0.0.1", 0), midi=[DEVICE]) as session:
        assert session.osc is not None
        assert session.midi is not None
        for k, target in enumerate(TARGETS):
            session.midi.map(Mapping(Source("cc", 20 + k), target, pickup=False))
        print(json.dumps({"port": session.osc.port}), flush=True)
        sys.stdin.readline()
        before, notes = session.status(), len(session.notes)
        watching.set()
        threading.Thread(target=_unlock, args=(session, watching), daemon=True).start()
        print(json.dumps({}), flush=True)
        sys.stdin.readline()
        watching.clear()
        status, counts = session.status(), session.osc.counts
        problems += [note for note in session.notes[notes:] if re.search(r"died|is gone;|system has gone", note)]
        problems += [f"{counts.failed} handlers failed: {counts.last_bad}"] * (counts.failed > 0)
        problems += ["deck A is gone"] * (deck_pid(session, "a") == 0)
        print(
            json.dumps(
                {
                    "underruns": status.underruns - before.underruns,
                    "device_underruns": status.device_underruns - before.device_underruns,
                    "osc_messages": status.osc_messages - before.osc_messages,
                    "osc_bad": status.osc_bad - before.osc_bad,
                    "osc_unknown": status.osc_unknown - before.osc_unknown,
                    "midi_messages": session.midi.counts.messages,
                    "problems": problems,
                    "opened": sorted(opened - usual),
                }
            ),
            flush=True,
        )
        sys.stdin.readline()


def _unlock(session: Any, watching: threading.Event) -> None:
    while watching.is_set():
        if session.get("/ahead/lock"):
            session.set("/ahead/lock", 0)
        time.sleep(0.01)


def _sender(kind: str, port: int, count: int, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.live.fuzz", kind, str(port), str(count), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )


def _result(job: Job, process: subprocess.Popen[str]) -> Figures:
    """Wait for a sender, which prints its counts as it goes on, and return the last."""
    assert process.stdout is not None
    counts: Figures = {}
    for line in process.stdout:
        counts = json.loads(line)
        job.progress(f"{counts['sent']} messages sent")
    if process.wait() != 0:
        raise RuntimeError("a sender failed; its error is above")
    return counts


def send_osc(port: int, count: int, folder: Path) -> dict[str, int]:
    """Send packets, a window at a time, with a ping after each window."""
    from realtime.osc.codec import write_message
    from tests.realtime.osc.test_fuzz import mutate

    rng = random.Random(int(os.environ.get("FUZZ_SEED", SEED)))
    shaped = _from_hypothesis(max(int(count * HYPOTHESIS_SHARE), 100))
    named = [
        write_message(f"{deck}/model/load", [name]) for deck in ("", "/a", "/b") for name in _hostile_names(folder)
    ]
    good = [write_message("/model/load", [name]) for name in ("chord", "orchestra")]
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.connect(("127.0.0.1", port))
    udp.settimeout(PONG_S)
    tcp: socket.socket | None = None
    sent = unanswered = 0
    began = time.perf_counter()
    rate = float(os.environ.get("FUZZ_RATE", PACKETS_PER_S))
    while sent < count:
        for _ in range(min(WINDOW, count - sent)):
            draw = rng.random()
            if sent % LOAD_EVERY == LOAD_EVERY - 1:
                data = good[sent // LOAD_EVERY % 2]
            elif draw < 0.02:
                data = rng.choice(named)
            elif draw < 0.04:
                data = next(shaped)
            elif draw < 0.08:
                data = rng.randbytes(rng.randrange(1, 64))
            else:
                data = mutate(rng)
            sent += 1
            try:
                if sent % TCP_EVERY == 0:
                    tcp = tcp or socket.create_connection(("127.0.0.1", port), 1.0)
                    tcp.sendall(struct.pack(">i", len(data)) + data)
                    if rng.random() < 0.05:
                        tcp.sendall(rng.randbytes(16))  # and out of step
                else:
                    udp.send(data[:9000] or b"\0")
            except OSError:
                if tcp is not None:
                    tcp.close()
                tcp = None
        unanswered += not _answers(udp, sent)
        if sent % REPORT_EVERY < WINDOW:
            print(json.dumps({"sent": sent, "unanswered": unanswered}), flush=True)
        if unanswered > 20:
            break
        time.sleep(max(0.0, sent / rate - (time.perf_counter() - began)))
    return {"sent": sent, "unanswered": unanswered}


def _answers(udp: socket.socket, number_of: int) -> bool:
    from realtime.osc.codec import messages, write_message

    udp.send(write_message("/ping", [number_of]))
    until = time.monotonic() + PONG_S
    while time.monotonic() < until:
        try:
            answer = udp.recv(1 << 16)
            if any(address == "/pong" and number_of in values for (address, values), _ in messages(answer)):
                return True
        except (OSError, ValueError, IndexError):
            continue
        except Exception:  # an answer to garbage can be anything
            continue
    return False


def _hostile_names(folder: Path) -> list[str]:
    outside = folder / "home" / OUTSIDE
    up = "../" * 2
    return [
        f"{up}{OUTSIDE}", f"{up}../{OUTSIDE}.onnx", str(outside), f"{outside}.onnx", f"chord/{up}../{OUTSIDE}",
        "/etc/passwd", "../../../../../../etc/passwd", "/dev/zero", "/proc/self/mem", "..", ".", "", "~", "*",
        f"file://{outside}.onnx", "..\\..\\secret", "\\\\host\\share", "C:\\secret",
        "a" * 5000, "/dev/stdin", "%2e%2e/secret",
    ]  # fmt: skip


def _from_hypothesis(count: int) -> Iterator[bytes]:
    """Yield packets of the grammar's shape, over and over."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    from realtime.osc.codec import write_bundle, write_message
    from tests.realtime.osc.test_fuzz import addresses, arguments

    made: list[bytes] = []
    message = st.builds(write_message, addresses, arguments)

    @settings(
        max_examples=max(count // 10, 10),
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(message, min_size=1, max_size=8), st.booleans())
    def keep(packets: list[bytes], together: bool) -> None:
        made.extend([write_bundle(packets)] if together else packets)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keep()
    while True:
        yield from made


def send_midi(count: int) -> dict[str, int]:
    """Send MIDI messages of every kind, and invalid bytes."""
    import rtmidi

    rng = random.Random(int(os.environ.get("FUZZ_SEED", SEED)) + 1)
    out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name=DEVICE)
    out.open_virtual_port("out")
    time.sleep(2.0)  # until the session finds the port
    sent = 0
    began = time.perf_counter()
    while sent < count:
        draw = rng.random()
        if draw < 0.5:
            message = bytes((rng.randrange(0x80, 0xF0), rng.randrange(128), rng.randrange(128)))
        elif draw < 0.7:
            message = bytes((0xB0 | rng.randrange(16), rng.randrange(20, 28), rng.randrange(128)))
        elif draw < 0.8:
            message = b"\xf0" + bytes(rng.randrange(128) for _ in range(rng.randrange(24))) + b"\xf7"
        else:
            message = rng.randbytes(rng.randrange(1, 4))
        try:
            out.send_message(message)
        except ValueError:  # rejected by rtmidi itself
            continue
        sent += 1
        time.sleep(max(0.0, sent / MIDI_PER_S - (time.perf_counter() - began)))
    time.sleep(0.5)
    return {"sent": sent}


def _outside(folder: Path, began: float, ended: float, opened: list[str]) -> list[str]:
    """Return the paths opened, made, moved or removed outside of the program's own files."""
    trace = folder / "strace"
    if not trace.exists():
        return [path for path in opened if not _ours(folder, path, False)]
    usual = set(_calls(trace, 0.0, began))  # of the start, a deck's included
    return sorted({call[0] for call in _calls(trace, began, ended) if call not in usual and not _ours(folder, *call)})


def _calls(trace: Path, began: float, ended: float) -> Iterator[tuple[str, bool]]:
    """Read a trace: paths that a call succeeded on, and whether it could change them."""
    waiting: dict[str, tuple[str, str]] = {}  # by thread: calls that have not returned yet
    with trace.open(errors="replace") as lines:
        for line in lines:
            found = CALL.match(line.rstrip())
            if not found:
                continue
            thread, at, call, text, result, opened = found.groups()
            if text.endswith(UNFINISHED):
                waiting[thread] = call, text.removesuffix(UNFINISHED)
                continue
            if RESUMED in text and thread in waiting:
                text = waiting.pop(thread)[1] + text
            if began <= float(at) <= ended and not (result or "0").startswith("-"):
                yield from _path(call, text, opened)
    for call, text in waiting.values():
        yield from _path(call, text, None)


def _path(call: str, text: str, opened: str | None) -> Iterator[tuple[str, bool]]:
    """Read the path off a call, and whether it could change what is there."""
    writes = not call.startswith("open") or bool(re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", text))
    quoted = re.search(r'"((?:[^"\\]|\\.)*)"', text)
    if opened and opened.startswith("/"):
        yield opened, writes
    elif quoted:
        where = re.search(r"<(/[^>]*)>, \"", text)
        yield os.path.realpath(os.path.join(where[1] if where else os.getcwd(), quoted[1])), writes


def _ours(folder: Path, path: str, writes: bool) -> bool:
    """Return whether the program may open a path: read its own and the system's code, change its own data."""
    from realtime.ipc.segment_registry import registry_folder

    data, here = folder / "home" / "data" / "glitch-live", Path(__file__).parents[3]
    own = [str(data), str(registry_folder()), "/dev/shm", "/dev/null", "/proc/self", "/dev/cpu_dma_latency"]
    code = [str(here / part) for part in ("realtime", "export", "tests", "models", "gui")]
    code += [sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64", "/proc", "/sys", "/dev/urandom", "/etc/ld.so.cache"]
    inside = any(path == top or path.startswith(top + "/") for top in own + ([] if writes else code))
    compiled = "__pycache__" in path and any(path.startswith(top + "/") for top in code)
    return inside or compiled


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["play", home]:
            play(Path(home))
        case ["osc", port, count, folder]:
            print(json.dumps(send_osc(int(port), int(count), Path(folder))))
        case ["midi", _, count, _]:
            print(json.dumps(send_midi(int(count))))
