"""transform: an hour of sound through the bundled transformation, on one core.

`{"stereo": {"real_time", "memory_mb", "minute_memory_mb"}, "mono": {…}}`: `glitch-lab transform` in a process of its
own, kept to one core, on an hour of plucked strings at 48 kHz. `real_time` is how many times as fast as it plays the
file is done, with all that the command takes to start; `memory_mb` the most memory that the process held, beside what
it held for the first minute alone: a file of any length takes as much.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]
import soundfile

from models import zoo
from models.data.features import load_audio
from models.data.rendered import pairs

RATE = 48_000
HOUR, MINUTE = 3600, 60
MODEL = Path(zoo.__file__).parent / "plucked-to-brass.onnx"
LOOK_S = 0.05


def run() -> dict[str, Any]:
    """Render, and send both files through."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, _ = pairs.render(folder / "sounds", pairs.Settings(minutes=3, seed=1))
        phrases = [load_audio(source.path_of(sound), RATE) for sound in source.sounds]
        return {kind: _measured(folder, phrases, channels) for kind, channels in (("stereo", 2), ("mono", 1))}


def describe(result: dict[str, Any]) -> str:
    """Say it in a line for each file."""
    return "\n".join(
        f"an hour, {kind}: {found['real_time']:.1f} times as fast as it plays, {found['memory_mb']:.0f} MB "
        f"(a minute: {found['minute_memory_mb']:.0f} MB)"
        for kind, found in result.items()
    )


def _measured(folder: Path, phrases: list[np.ndarray], channels: int) -> dict[str, float]:
    hour, minute = folder / "hour.wav", folder / "minute.wav"
    _write(hour, phrases, channels, HOUR)
    _write(minute, phrases, channels, MINUTE)
    _, least = _through(minute)
    took, most = _through(hour)
    return {
        "real_time": round(HOUR / took, 2),
        "memory_mb": round(most / 1e6, 1),
        "minute_memory_mb": round(least / 1e6, 1),
    }


def _write(path: Path, phrases: list[np.ndarray], channels: int, seconds: int) -> None:
    """Set phrases end to end, in each channel from another one on."""
    left, k = seconds * RATE, 0
    with soundfile.SoundFile(path, "w", RATE, channels, "PCM_16") as file:
        while left > 0:
            parts = [phrases[(k + 7 * channel) % len(phrases)] for channel in range(channels)]
            count = min(left, *(len(part) for part in parts))
            file.write(np.stack([part[:count] for part in parts], axis=1))
            left, k = left - count, k + 1


def _through(sound: Path) -> tuple[float, int]:
    """Transform a file on one core; give the seconds that it took, and the most bytes that were held."""
    made = sound.with_suffix(".flac")
    command = [sys.executable, "-m", "models.cli", "transform", str(MODEL), str(sound), str(made), "--force"]
    began, most = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        seen = psutil.Process(process.pid)
        seen.cpu_affinity(seen.cpu_affinity()[-1:])
        while process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
                most = max(most, seen.memory_info().rss)
            time.sleep(LOOK_S)
        said = process.stdout.read() if process.stdout is not None else ""
    if process.returncode:
        raise RuntimeError(f"glitch-lab transform failed: {said.strip()}")
    return time.perf_counter() - began, most


if __name__ == "__main__":
    print(run())
