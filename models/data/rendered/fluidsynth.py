"""Rendering of MIDI files with FluidSynth and a General MIDI soundfont."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from models.data.manifest import Source
from models.files.errors import DataError

SOUNDFONTS = (
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    Path("/usr/share/soundfonts/FluidR3_GM.sf2"),
    Path("/usr/share/sounds/sf2/default-GM.sf2"),
)
"""Usual paths of a General MIDI soundfont; the first that exists is used."""

LICENCES = {
    "74594e8f4250680adf590507a306655a299935343583256f3b722c48a1bc1cb0": "MIT (FluidR3 GM, 2000-2002, 2008 Frank Wen)"
}
"""Licences of known soundfonts, by SHA-256."""

MIN_RATE, MAX_RATE = 8_000, 96_000


def find_soundfont(wanted: Path | None) -> Path:
    """Find the requested soundfont, or the system's.

    Returns
    -------
    soundfont : Path

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


def source_of(soundfont: Path, name: str = "", command: str = "") -> Source:
    """Describe the origin of sounds that are rendered from a soundfont, with the file's name and SHA-256.

    Returns
    -------
    source : Source
        The licence is that of `LICENCES`, or "that of the soundfont" if the file is unknown.

    Raises
    ------
    DataError
        FluidSynth is missing.
    """
    digest = hashlib.sha256(soundfont.read_bytes()).hexdigest()
    return Source(name, LICENCES.get(digest, "that of the soundfont"), command, version(), soundfont.name, digest)


def version() -> str:
    """Return the version line of FluidSynth.

    Returns
    -------
    version : str

    Raises
    ------
    DataError
        There is none.
    """
    if shutil.which("fluidsynth") is None:
        raise DataError("The program fluidsynth was not found; install the package fluidsynth.")
    lines = subprocess.run(["fluidsynth", "--version"], check=False, capture_output=True, text=True).stdout.splitlines()
    return lines[0] if lines else "FluidSynth"


def check_rate(rate: int) -> None:
    """Raise `DataError` for a sample rate that FluidSynth doesn't support."""
    if not MIN_RATE <= rate <= MAX_RATE:
        raise DataError(f"FluidSynth renders at {MIN_RATE} to {MAX_RATE} Hz, not {rate}.")


def play(score: bytes, soundfont: Path, rate: int, *, gain: float, reverb: bool = False) -> NDArray[np.float32]:
    """Render a MIDI file to the end of its last sound, faster than real time.

    Parameters
    ----------
    score
        The MIDI file.
    soundfont, rate
        General MIDI soundfont, and sample rate in Hz.
    gain
        FluidSynth's gain.
    reverb
        Whether to add reverb; there is no chorus.

    Returns
    -------
    audio : np.ndarray [shape=(samples,)]
        Mean of both channels.

    Raises
    ------
    DataError
        FluidSynth fails, or the file is no soundfont.
    """
    with tempfile.TemporaryDirectory() as scratch:
        notes, sound = Path(scratch, "notes.mid"), Path(scratch, "notes.wav")
        notes.write_bytes(score)
        options = ["-n", "-i", "-q", "-R", str(int(reverb)), "-C", "0", "-g", str(gain), "-r", str(rate)]
        command = ["fluidsynth", *options, "-O", "float", "-F", str(sound), str(soundfont), str(notes)]
        run = subprocess.run(command, check=False, capture_output=True, text=True)
        # If it cannot load the soundfont, it plays another one and exits with 0.
        if "Failed to load" in run.stderr or "not a SoundFont" in run.stderr:
            raise DataError(f"{soundfont} is no soundfont, or is cut short; give a General MIDI soundfont (.sf2).")
        if run.returncode or not sound.is_file():
            raise DataError(f"fluidsynth failed on {soundfont}: {run.stderr.strip() or 'it wrote no sound'}.")
        audio, _ = soundfile.read(sound, dtype="float32", always_2d=True)
    return np.asarray(audio.mean(axis=1), np.float32)
