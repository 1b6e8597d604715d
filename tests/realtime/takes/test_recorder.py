"""Recording: exact samples, whatever happens to the disk or the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.ipc.memory_layout import HISTORY, Geometry
from realtime.ipc.segment_registry import SegmentRegistry
from realtime.ipc.segments import Segment
from realtime.takes import soundfile_writer as growing
from realtime.takes.recorder import HOLD_S, Recorder, RecordError, recording_path, timestamped_path
from realtime.takes.soundfile_writer import SoundFileWriter
from tests.eventually import eventually

RATE = 48_000
HOLD = round(HOLD_S * RATE)
FLAC_BLOCK = 4096
ENDINGS = [".wav", ".flac", ".aiff", ".caf"]
PARTS = ("output", "input", "a", "b")
CHANNELS = {"output": 2, "input": 3, "a": 2, "b": 2}


@pytest.fixture
def segment(registry: SegmentRegistry) -> Iterator[Segment]:
    with stage(registry) as made:
        yield made


def stage(registry: SegmentRegistry, *, inputs: int = 3, capacity: int = HISTORY, channels: int = 2) -> Segment:
    made = Segment.create(Geometry("stream", channels, capacity, inputs), registry)
    made["stream"][0]["sample_rate"] = RATE
    return made


def sound(part: str, begin: int, end: int) -> np.ndarray:
    """Return the noise of a part, never zero and exact in 24 bits [shape=(frames, channels)]."""
    at = np.arange(begin, end)[:, None] * 11 + np.arange(CHANNELS[part]) + 4 * PARTS.index(part)
    return ((at * 2_654_435_761 >> 7 & 0x7FFFFF | 1) / 0x800000 - (at % 2)).astype(np.float32)


def play(segment: Segment, frames: int, block: int = 512) -> int:
    """Write the history as the callback does; return the clock after it."""
    stream, capacity = segment["stream"][0], segment.geometry.capacity
    stream["largest_block"] = max(int(stream["largest_block"]), block)
    goal = int(stream["clock"]) + frames
    while (clock := int(stream["clock"])) < goal:
        end = min(clock + block, goal)
        at = np.arange(clock, end) % capacity
        segment["history"][at] = sound("output", clock, end)
        segment["stems"][at, 0], segment["stems"][at, 1] = sound("a", clock, end), sound("b", clock, end)
        segment["input"][at] = sound("input", clock, end)[:, : segment.geometry.inputs]
        stream["clock"] = end
    return goal


def read(path: Path) -> np.ndarray:
    audio, rate = sf.read(path, dtype="float32", always_2d=True)
    assert rate == RATE
    return audio


# Contents


@pytest.mark.parametrize("ending", ENDINGS)
def test_all_parts_hold_the_exact_samples_from_first_to_last(tmp_path: Path, segment: Segment, ending: str) -> None:
    play(segment, 30_000)
    recorder = Recorder(tmp_path / f"take{ending}", segment, parts=PARTS)
    recorder.start(12_345)
    clock = play(segment, HISTORY - 30_000)  # past the end of the ring
    eventually(lambda: recorder.written > 200_000)
    clock = play(segment, 33_333)
    recorder.close()
    assert recorder.paths == {
        "output": tmp_path / f"take{ending}",
        "input": tmp_path / f"take.input{ending}",
        "a": tmp_path / f"take.a{ending}",
        "b": tmp_path / f"take.b{ending}",
    }
    for part, path in recorder.paths.items():
        np.testing.assert_array_equal(read(path), sound(part, 12_345, clock))
    assert (recorder.written, recorder.lost, recorder.error, recorder.done) == (clock - 12_345, 0, None, True)


def test_a_part_can_be_recorded_alone(tmp_path: Path, segment: Segment) -> None:
    recorder = Recorder(tmp_path / "take.wav", segment, parts=("b",))
    recorder.start(0)
    play(segment, 5000)
    recorder.close()
    assert [p.name for p in tmp_path.glob("*.wav")] == ["take.b.wav"]
    np.testing.assert_array_equal(read(tmp_path / "take.b.wav"), sound("b", 0, 5000))


def test_a_recording_of_a_given_length_ends_by_itself(tmp_path: Path, segment: Segment) -> None:
    recorder = Recorder(tmp_path / "take.wav", segment, 10_000, parts=("output", "a"))
    play(segment, 1000)
    recorder.start(1000)
    play(segment, 10_100)
    eventually(lambda: recorder.done)
    for part, path in recorder.paths.items():
        np.testing.assert_array_equal(read(path), sound(part, 1000, 11_000))
    recorder.close()
    assert recorder.written == 10_000


@pytest.mark.parametrize("ago", [0, 1, 511, HOLD - 1])
def test_a_recording_ends_at_a_given_sample_position(tmp_path: Path, segment: Segment, ago: int) -> None:
    recorder = Recorder(tmp_path / "take.wav", segment)
    recorder.start(0)
    clock = play(segment, 100_000)
    eventually(lambda: recorder.written == clock - HOLD)
    recorder.close(clock - ago)
    assert recorder.written == clock - ago
    np.testing.assert_array_equal(read(recorder.path), sound("output", 0, clock - ago))


def test_an_end_in_the_future_is_taken_as_now(tmp_path: Path, segment: Segment) -> None:
    recorder = Recorder(tmp_path / "take.wav", segment)
    recorder.start(0)
    clock = play(segment, 9000)
    recorder.close(clock + 10_000)
    recorder.close()
    assert len(read(recorder.path)) == clock


def test_a_recorder_that_never_started_leaves_an_empty_file(tmp_path: Path, segment: Segment) -> None:
    recorder = Recorder(tmp_path / "take.wav", segment)
    recorder.close()
    assert len(read(recorder.path)) == 0
    assert recorder.done


def test_flac_clips_at_full_scale_and_accepts_nan(tmp_path: Path, segment: Segment) -> None:
    loud = np.array([[2.0, -2.0], [1.0, -1.0], [1.0000001, -7e9], [np.inf, -np.inf], [np.nan, 0.5]], np.float32)
    segment["history"][: len(loud)] = loud
    recorder = Recorder(tmp_path / "take.flac", segment)
    recorder.start(0)
    segment["stream"][0]["clock"] = len(loud)
    recorder.close()
    expected = np.array([[1, -1], [1, -1], [1, -1], [1, -1], [0, 0.5]])
    np.testing.assert_allclose(read(recorder.path), expected, atol=2**-23)
    assert recorder.error is None


# Names


def test_files_of_a_recording_share_a_number_and_overwrite_nothing(tmp_path: Path, segment: Segment) -> None:
    (tmp_path / "take.a.wav").write_text("mine")
    (tmp_path / "take-3.input.wav").symlink_to(tmp_path / "nowhere")
    names = []
    for _ in range(3):
        recorder = Recorder(tmp_path / "take.wav", segment, parts=("output", "b"))
        names.append([path.name for path in recorder.paths.values()])
        assert recorder.path == recorder.paths["output"]
        recorder.close()
    assert names == [[f"take-{n}.wav", f"take-{n}.b.wav"] for n in (2, 4, 5)]
    assert (tmp_path / "take.a.wav").read_text() == "mine"


def test_recorders_that_begin_at_the_same_time_share_no_file(tmp_path: Path, segment: Segment) -> None:
    recorders: list[Recorder] = []
    begin = threading.Barrier(8)

    def make() -> None:
        begin.wait()
        recorders.append(Recorder(tmp_path / "take.wav", segment, parts=PARTS))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    paths = [path for recorder in recorders for path in recorder.paths.values()]
    assert len(set(paths)) == 32
    assert sorted(tmp_path.glob("*.wav")) == sorted(paths)
    for recorder in recorders:
        recorder.close()


@pytest.mark.parametrize("name", ["take.mp9", "take", "no/folder/take.wav", f"{'x' * 252}.wav"])
def test_a_file_that_cannot_be_made_is_refused_and_leaves_nothing(tmp_path: Path, segment: Segment, name: str) -> None:
    before = list(tmp_path.iterdir())
    with pytest.raises(RecordError, match="Cannot record to"):
        Recorder(tmp_path / name, segment, parts=PARTS)
    assert list(tmp_path.iterdir()) == before


def test_a_recording_of_which_one_file_cannot_be_made_leaves_nothing(tmp_path: Path, segment: Segment) -> None:
    name = f"{'x' * 249}.wav"  # fits by itself, but not with a part's name added
    with pytest.raises(RecordError, match="File name too long"):
        Recorder(tmp_path / name, segment, parts=PARTS)
    assert list(tmp_path.glob("*.wav")) == []


@pytest.mark.parametrize("parts", [(), ("c",), ("a", "a"), ("output", "Input")])
def test_unknown_parts_are_refused(tmp_path: Path, segment: Segment, parts: tuple[str, ...]) -> None:
    with pytest.raises(RecordError, match="name one or more of output, input, a, b"):
        Recorder(tmp_path / "take.wav", segment, parts=parts)


def test_a_missing_input_is_refused(tmp_path: Path, registry: SegmentRegistry) -> None:
    with stage(registry, inputs=0) as deaf, pytest.raises(RecordError, match="Cannot record the input"):
        Recorder(tmp_path / "take.wav", deaf, parts=("output", "input"))
    assert list(tmp_path.glob("*.wav")) == []


@given(moments=st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1)), min_size=2, max_size=8))
def test_names_of_recordings_sort_by_time(tmp_path_factory: pytest.TempPathFactory, moments: list[datetime]) -> None:
    folder = tmp_path_factory.mktemp("takes")
    moments = sorted(m.replace(microsecond=0) for m in moments)
    names = []
    for moment in [moments[0], *moments, moments[-1] + timedelta(seconds=1)]:
        names.append(timestamped_path(folder, now=moment))
        names[-1].touch()
    assert len(set(names)) == len(names)
    if len(names) < 9:
        assert names == sorted(names)


def test_the_name_of_a_recording_has_its_date_and_time(tmp_path: Path) -> None:
    moment = datetime(2026, 11, 20, 20, 15, 3)
    assert timestamped_path(tmp_path, now=moment) == tmp_path / "2026-11-20 20-15-03.wav"
    (tmp_path / "2026-11-20 20-15-03.flac").touch()
    assert timestamped_path(tmp_path, ".flac", moment) == tmp_path / "2026-11-20 20-15-03_2.flac"
    assert timestamped_path(tmp_path).name[:4] == str(datetime.now().year)


NAMES = st.one_of(
    st.text(max_size=80),
    st.text("./\\ :ab\0\n~%", max_size=12),
    st.lists(st.sampled_from(["..", ".", "/", "\\", "C:", "take", ".wav", "CON", "nul", " ", "\u202e", "é"])).map(
        "".join
    ),
    st.builds("{}{}".format, st.text(max_size=300), st.sampled_from(ENDINGS)),
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=NAMES)
def test_a_name_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "takes"
    folder.mkdir(exist_ok=True)
    try:
        path = recording_path(folder, name)
    except RecordError as error:
        assert str(error).isprintable()
        return
    assert path.parent == folder
    assert path.resolve().parent == folder.resolve()
    windows = PureWindowsPath("C:/takes") / path.name
    assert windows.parent == PureWindowsPath("C:/takes")
    assert windows.name == path.name
    assert not windows.is_reserved()
    assert path.suffix.lower() in growing.FORMATS
    path.open("xb").close()
    assert list(folder.iterdir()) == [path]
    path.unlink()


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("take", "take.wav"),
        ("take.flac", "take.flac"),
        ("Take 1.AIFF", "Take 1.AIFF"),
        ("né-à 3.caf", "né-à 3.caf"),
        ("a.b.wav", "a.b.wav"),
        ("console", "console.wav"),
    ],
)
def test_a_plain_name_is_accepted(tmp_path: Path, name: str, becomes: str) -> None:
    assert recording_path(tmp_path, name) == tmp_path / becomes


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "/", "../x.wav", "/tmp/x.wav", "a/b.wav", "a\\b.wav", "C:x.wav", ".wav", ".x.wav", "x.wav ",
     "x.", "x\n.wav", "x\0.wav", "x\u202e.wav", "\ud800.wav", "con", "NUL.wav", "com1.take.wav", "LPT¹.wav", "x.exe",
     "x.wav.sh", "x" * 300, "é" * 100, "x?.wav", 'x".wav', "x|y"],
)  # fmt: skip
def test_a_name_that_is_no_plain_file_name_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordError, match=r"^Cannot record to .*\.$"):
        recording_path(tmp_path, name)


# When the disk is slow, full, or the process dies


def test_a_disk_too_slow_for_the_history_records_silence_of_the_right_length(tmp_path: Path, segment: Segment) -> None:
    recorder = Recorder(tmp_path / "take.wav", segment, parts=("output", "input"))
    recorder.start(0)
    clock = play(segment, 50_000)
    eventually(lambda: recorder.written == clock - HOLD)
    late = clock - HOLD
    segment["stream"][0]["clock"] = clock = 3 * HISTORY  # as after a disk that was too slow
    clock = play(segment, HISTORY)
    recorder.close()
    assert recorder.written == clock
    for part, path in recorder.paths.items():
        audio, expected = read(path), sound(part, 0, clock)
        silent = int((audio[:, 0] == 0).sum())
        assert silent == recorder.lost
        assert 2 * HISTORY < silent <= clock - HISTORY // 2 - late
        expected[late : late + silent] = 0
        np.testing.assert_array_equal(audio, expected)


@pytest.mark.parametrize("late", [0, 1])
def test_the_history_is_read_as_far_as_it_reaches(tmp_path: Path, segment: Segment, late: int) -> None:
    block = 512  # the callback may be overwriting this block
    clock = play(segment, HISTORY + 10_000, block)
    recorder = Recorder(tmp_path / "take.wav", segment)
    recorder.start(clock + block - HISTORY - late)
    recorder.close()
    assert recorder.written == HISTORY - block + late
    assert recorder.lost == late * (HISTORY // 2 - block + late)
    audible = read(recorder.path)[recorder.lost :]
    np.testing.assert_array_equal(audible, sound("output", clock - len(audible), clock))


def test_every_frame_is_exact_or_counted_as_lost(tmp_path: Path, registry: SegmentRegistry) -> None:
    with stage(registry, capacity=1 << 15) as short:  # a stage that runs as fast as it can
        recorder = Recorder(tmp_path / "take.wav", short, parts=PARTS)
        recorder.start(0)
        clock = play(short, 3_000_000, block=256)
        recorder.close()
        assert recorder.written == clock
        for part, path in recorder.paths.items():
            audio, expected = read(path), sound(part, 0, clock)
            lost = (audio == 0).all(axis=1)
            assert lost.sum() == recorder.lost
            np.testing.assert_array_equal(audio[~lost], expected[~lost])


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process that records the output of this one."""
    command = [sys.executable, "-c", CHILD + code, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "recording\n"
    return process


def the_rest(process: subprocess.Popen[str]) -> str:
    """Read the output of the process until it ends."""
    assert process.stdout is not None
    reported = process.stdout.read()
    assert process.wait() == 0
    return reported


CHILD = """
import os, resource, sys, threading, time
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()  # ends with its parent
from realtime.ipc.segments import Segment
from realtime.takes.recorder import Recorder, RecordError
segment = Segment.attach(sys.argv[1])
"""
RECORDS = """
recorder = Recorder(sys.argv[2], segment, parts=sys.argv[4:])
if limit := int(sys.argv[3]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # Python ignores SIGXFSZ
recorder.start(0)
print("recording", flush=True)
while not recorder.done:
    segment["values"][0] = recorder.written
    time.sleep(0.005)
print(recorder.error, recorder.written, recorder.lost, sep="|", flush=True)
recorder.close()
segment.close()
"""


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_recording_of_a_killed_process_can_be_read(tmp_path: Path, segment: Segment, ending: str) -> None:
    process = child(RECORDS, segment.name, tmp_path / f"take{ending}", 0, *PARTS)
    paths = [tmp_path / f"take{part}{ending}" for part in ("", ".input", ".a", ".b")]
    missing = HOLD + (FLAC_BLOCK if ending == ".flac" else 0)
    for _ in range(5):
        clock = play(segment, 100_000)
        eventually(lambda: segment["values"][0] == clock - HOLD)  # noqa: B023
        for path in paths:  # it can be read while it grows
            assert clock - missing <= sf.info(path).frames <= clock
        if ending == ".wav":  # libsndfile uses the length of the file; other readers use its header
            head = paths[0].read_bytes()
            assert int.from_bytes(head[4:8], "little") + 8 == len(head)
    clock = play(segment, 20_000)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    for part, path in zip(PARTS, paths, strict=True):
        audio = read(path)
        assert clock - 20_000 - missing <= len(audio) <= clock
        np.testing.assert_array_equal(audio, sound(part, 0, len(audio)))
        blocks = np.concatenate(list(sf.blocks(path, 1000, dtype="float32", always_2d=True)))
        np.testing.assert_array_equal(blocks, audio)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("after", [1_500_000, 1_700_001, 2_100_100])
def test_a_recording_can_be_read_whenever_its_process_was_killed(
    tmp_path: Path, registry: SegmentRegistry, ending: str, after: int
) -> None:
    with stage(registry) as segment:
        path = tmp_path / f"take{ending}"
        process = child(RECORDS, segment.name, path, 0, "output")
        while not path.exists() or path.stat().st_size < after:  # wait until it is writing
            play(segment, 4096)
        process.kill()
        process.wait()
    audio = read(path)
    assert len(audio) > 100_000
    audible = (audio != 0).all(axis=1)  # the stage may have been faster than the disk
    np.testing.assert_array_equal(audio[audible], sound("output", 0, len(audio))[audible])


def assert_it_filled(segment: Segment, folder: Path, ending: str, limit: int, reason: str) -> None:
    """Record until the disk is full, and check the files."""
    process = child(RECORDS, segment.name, folder / f"take{ending}", limit, "output", "input")
    recorded = {part: folder / f"take{mark}{ending}" for part, mark in (("output", ""), ("input", ".input"))}
    while process.poll() is None:
        clock = play(segment, 50_000)
        eventually(lambda: segment["values"][0] == clock - HOLD or process.poll() is not None)  # noqa: B023
    reported = the_rest(process)
    error, written, lost = reported.strip().split("|")
    assert lost == "0"
    assert error.startswith(f"Recording to '{folder / 'take'}")
    assert f" s, which are kept: {reason}; " in error
    assert error.endswith(".")
    lengths = []
    for part, path in recorded.items():
        audio = read(path)
        np.testing.assert_array_equal(audio, sound(part, 0, len(audio)))
        lengths.append(len(audio))
    assert int(written) == min(lengths) > 60_000
    assert max(lengths) - min(lengths) <= 2 * FLAC_BLOCK, "the other file went on"


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("limit", [1_000_000, 1_234_567])
def test_a_file_at_its_size_limit_keeps_its_sound(tmp_path: Path, segment: Segment, ending: str, limit: int) -> None:
    assert_it_filled(segment, tmp_path, ending, limit, "File too large")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_recording_on_a_full_disk_keeps_its_sound(tmp_path: Path, segment: Segment, ending: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        return  # only root can mount a small disk; the test of the size limit covers the same code
    try:
        assert_it_filled(segment, disk, ending, 0, "No space left on device")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_refuses_a_recording_in_one_sentence_and_leaves_nothing(tmp_path: Path, segment: Segment) -> None:
    code = """
resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
print("recording", flush=True)
try:
    Recorder(sys.argv[2], segment, parts=["output", "a"])
except RecordError as error:
    print(error, flush=True)
segment.close()
"""
    process = child(code, segment.name, tmp_path / "take.wav")
    reported = the_rest(process)
    assert reported == f"Cannot record to '{tmp_path / 'take.wav'}': File too large.\n"
    assert list(tmp_path.glob("*.wav")) == []


def far(path: Path, frames: int) -> SoundFileWriter:
    """Make a file that is already long, most of it a hole without disk space."""
    file = SoundFileWriter(path, RATE, 2)
    file.write(sound("output", 0, 1000))
    file.update()
    file._sound.seek(frames)
    return file


@pytest.mark.parametrize("ending", [".wav", ".caf"])
def test_a_file_beyond_4_gb_can_be_read_before_and_after_it_is_closed(tmp_path: Path, ending: str) -> None:
    path, edge = tmp_path / f"long{ending}", 1 << 29  # frames of 8 bytes
    file = far(path, edge - 4000)
    for begin, end in ((0, 3000), (3000, 6000), (6000, 9000)):
        file.write(sound("a", begin, end))
        file.update()
        with sf.SoundFile(path) as half:
            assert half.frames == edge - 4000 + end
            np.testing.assert_array_equal(half.read(1000, dtype="float32"), sound("output", 0, 1000))
            half.seek(edge - 4000)
            np.testing.assert_array_equal(half.read(dtype="float32"), sound("a", 0, end))
    file.close()
    assert sf.info(path).frames == edge + 5000


def test_a_wav_is_plain_until_it_exceeds_4_gb(tmp_path: Path) -> None:
    file = far(tmp_path / "short.wav", 1000)
    assert (tmp_path / "short.wav").read_bytes()[:4] == b"RIFF"
    file.close()
    assert (tmp_path / "short.wav").read_bytes()[:4] == b"RIFF"


def test_an_aiff_ends_before_its_32_bit_sizes_overflow(tmp_path: Path) -> None:
    path, edge = tmp_path / "long.aiff", 1 << 29
    file = far(path, edge - 4000)
    file.write(sound("a", 0, 3000))
    with pytest.raises(OSError, match="An AIFF file holds no more than 4 GB"):
        file.write(sound("a", 3000, 6000))
    assert file.closed
    with sf.SoundFile(path) as whole:
        assert whole.frames == edge - 1000
        whole.seek(edge - 4000)
        np.testing.assert_array_equal(whole.read(dtype="float32"), sound("a", 0, 3000))


def test_a_libsndfile_without_the_command_records_nevertheless(
    tmp_path: Path, segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ending in ENDINGS:
        with monkeypatch.context() as patch:
            file = sf.SoundFile
            patch.setattr(growing, "sf", SimpleNamespace(SoundFile=file, LibsndfileError=sf.LibsndfileError))
            recorder = Recorder(tmp_path / f"take{ending}", segment)
            recorder.start(0)
            clock = play(segment, 10_000)
            recorder.close()
        np.testing.assert_array_equal(read(recorder.path), sound("output", 0, clock))
