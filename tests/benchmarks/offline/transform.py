"""transform: speed and memory of an hour of sound through the bundled transform, on one core.

`{"stereo": {"real_time", "memory_mb", "minute_memory_mb"}, "mono": {…}}`: `glitch-lab transform` in a process of its
own, kept to one core, on an hour of plucked strings at 48 kHz (in the quick form, three seconds of noise in the place
of both files). `real_time` is the file's duration over the time that the command takes, its start included. `memory_mb`
is the most memory that the process held, `minute_memory_mb` the same for a minute alone: a file of any length takes as
much.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import soundfile

from models import zoo
from models.data.features import load_audio
from models.data.rendered import pairs
from tests.benchmarks.support.job import Figures, Job

RATE = 48_000
QUICK_S, FULL_S = 9, 780
HOUR, MINUTE = 3600, 60
QUICK_SECONDS = 3
MODEL = Path(zoo.__file__).parent / "plucked-to-brass.onnx"
LOOK_S = 0.05


def run(job: Job) -> Figures:
    """Render phrases, and transform files of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job.progress("rendering the phrases")
        phrases = _noise() if job.quick else _plucked(folder / "sounds")
        result: Figures = {}
        for kind, channels in (("stereo", 2), ("mono", 1)):
            result[kind] = _measured(job, folder, phrases, channels)
            job.partial(result)
    return result


def describe(result: Figures) -> str:
    """Return a line for each file."""
    return "\n".join(
        f"{kind}: {found['real_time']:.1f} times real time, {found['memory_mb']:.0f} MB "
        f"(a minute: {found['minute_memory_mb']:.0f} MB)"
        for kind, found in result.items()
    )


def _measured(job: Job, folder: Path, phrases: list[np.ndarray], channels: int) -> dict[str, float]:
    seconds = job.choose(QUICK_SECONDS, MINUTE)
    job.progress(f"{channels} channels, {seconds} s")
    took, least = _through(_written(folder / "short.wav", phrases, channels, seconds))
    most = least
    if not job.quick:
        seconds = HOUR
        job.progress(f"{channels} channels, {seconds} s")
        took, most = _through(_written(folder / "long.wav", phrases, channels, seconds))
    return {
        "real_time": round(seconds / took, 2),
        "memory_mb": round(most / 1e6, 1),
        "minute_memory_mb": round(least / 1e6, 1),
    }


def _plucked(folder: Path) -> list[np.ndarray]:
    source, _ = pairs.render(folder, pairs.Settings(minutes=3, seed=1))
    return [load_audio(source.path_of(sound), RATE) for sound in source.sounds]


def _noise() -> list[np.ndarray]:
    return [0.1 * np.random.default_rng(0).standard_normal(RATE)]


def _written(path: Path, phrases: list[np.ndarray], channels: int, seconds: int) -> Path:
    """Write phrases end to end, each channel beginning with another one."""
    left, k = seconds * RATE, 0
    with soundfile.SoundFile(path, "w", RATE, channels, "PCM_16") as file:
        while left > 0:
            parts = [phrases[(k + 7 * channel) % len(phrases)] for channel in range(channels)]
            count = min(left, *(len(part) for part in parts))
            file.write(np.stack([part[:count] for part in parts], axis=1))
            left, k = left - count, k + 1
    return path


def _through(sound: Path) -> tuple[float, int]:
    """Transform a file on one core; return the seconds that it took, and the most bytes that it held."""
    made = sound.with_suffix(".flac")
    command = [sys.executable, "-m", "models.cli", "transform", str(MODEL), str(sound), str(made), "--force"]
    began, most = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        seen = psutil.Process(process.pid)
        seen.cpu_affinity(seen.cpu_affinity()[-1:])
        while process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended
                most = max(most, seen.memory_info().rss)
            time.sleep(LOOK_S)
        said = process.stdout.read() if process.stdout is not None else ""
    if process.returncode:
        raise RuntimeError(f"glitch-lab transform failed: {said.strip()}")
    return time.perf_counter() - began, most
