"""General MIDI soundfonts: where they are, what they may be used for, and how FluidSynth plays a score with them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from models.data import midi
from models.data.manifest import DataError
from models.data.midi import Event

SOUNDFONTS = (
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    Path("/usr/share/soundfonts/FluidR3_GM.sf2"),
    Path("/usr/share/sounds/sf2/default-GM.sf2"),
)
"""Where systems keep a General MIDI soundfont; the first that is there is used."""

LICENCES = {
    "74594e8f4250680adf590507a306655a299935343583256f3b722c48a1bc1cb0": "MIT (FluidR3 GM, 2000-2002, 2008 Frank Wen)"
}
"""Licences of soundfonts that are known by their SHA-256."""


def find(wanted: Path | None = None) -> Path:
    """Find the soundfont that was asked for, or one of the system's.

    Raises
    ------
    DataError
        There is none.
    """
    for path in (wanted,) if wanted else SOUNDFONTS:
        if path.is_file():
            return path
    if wanted:
        raise DataError(f"There is no soundfont {wanted}; check the path.")
    raise DataError("No General MIDI soundfont was found; install the package fluid-soundfont-gm or give --soundfont.")


def licence(soundfont: Path) -> tuple[str, str]:
    """Give a soundfont's licence, as far as it is known, and its SHA-256."""
    digest = hashlib.sha256(soundfont.read_bytes()).hexdigest()
    return LICENCES.get(digest, "that of the soundfont"), digest


def version() -> str:
    """Say which FluidSynth there is.

    Raises
    ------
    DataError
        There is none.
    """
    if shutil.which("fluidsynth") is None:
        raise DataError("The program fluidsynth was not found; install the package fluidsynth.")
    lines = subprocess.run(["fluidsynth", "--version"], check=False, capture_output=True, text=True).stdout.splitlines()
    return lines[0] if lines else "FluidSynth"


def play(events: Sequence[Event], end: int, soundfont: Path, *, rate: int, gain: float) -> NDArray[np.float32]:
    """Play a score without reverb and chorus; nothing depends on the machine's speed.

    Parameters
    ----------
    events, end
        The score, and the tick at which it ends.
    soundfont
        What it is played with.
    rate, gain
        Hz, and FluidSynth's own level.

    Returns
    -------
    audio : np.ndarray [shape=(samples,)]
        Mono.

    Raises
    ------
    DataError
        FluidSynth failed, or cannot read the soundfont.
    """
    with tempfile.TemporaryDirectory() as scratch:
        score, sound = Path(scratch, "notes.mid"), Path(scratch, "notes.wav")
        score.write_bytes(midi.encode(events, end=end))
        options = ["-n", "-i", "-q", "-R", "0", "-C", "0", "-g", str(gain), "-r", str(rate)]
        command = ["fluidsynth", *options, "-O", "float", "-F", str(sound), str(soundfont), str(score)]
        run = subprocess.run(command, check=False, capture_output=True, text=True)
        # It exits with 0 after playing another soundfont than the one it could not load.
        if "Failed to load" in run.stderr or "not a SoundFont" in run.stderr:
            raise DataError(f"{soundfont} is no soundfont, or is cut short; give a General MIDI soundfont (.sf2).")
        if run.returncode or not sound.is_file():
            raise DataError(f"fluidsynth failed on {soundfont}: {run.stderr.strip() or 'it wrote no sound'}.")
        audio, _ = soundfile.read(sound, dtype="float32", always_2d=True)
    return np.asarray(audio.mean(axis=1), np.float32)
