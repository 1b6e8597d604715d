"""Index of any folder of sounds as a data set; the files themselves are left in place."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from models.data import features, held_out_split, manifest
from models.data.features import Analysis
from models.data.held_out_split import HoldOut
from models.data.manifest import Manifest, Skipped, Sound, Source
from models.dsp.pitch import steady_note
from models.files.errors import DataError

EXTENSIONS = (".wav", ".flac", ".aif", ".aiff", ".ogg", ".mp3")

MIN_SECONDS = Analysis().n_fft / Analysis().sample_rate
"""Shortest usable sound: one frame of the analysis."""

LONE_PIECES = 5
"""Smallest number of pieces for a folder with a single file, so that some can be held out."""

_MIN_PIECE_SECONDS = 0.5
_PITCH_SECONDS = 5.0


@dataclass(frozen=True)
class Settings:
    """How a folder is split, and how long files are divided.

    `held_out` is the share to hold out, `hold_out` what is held out (files, labels or pitches), `seed` the seed of the
    choice. Files longer than `longest_seconds` are listed as pieces of equal length.
    """

    held_out: float = 0.2
    seed: int = 0
    hold_out: HoldOut = "file"
    longest_seconds: float = 30.0


def index(
    folder: Path,
    out: Path,
    settings: Settings,
    *,
    command: str = "",
    licence: str = "",
    on_file: Callable[[int, int], None] = lambda done, total: None,
) -> Manifest:
    """List the sounds in a folder and its subfolders, and write their manifest.

    The label of a sound is the first folder of its relative path, or the name of `folder` for files directly in it. The
    choice of held-out sounds depends on relative paths and the seed: adding a file to a label of three or more moves at
    most one other file of that label across the split, and none of another such label. If pitches are held out, the
    pitch of each sound with a single note is estimated and recorded.

    Parameters
    ----------
    folder
        Folder of WAV, FLAC, AIFF, OGG or MP3 files of any rate and channel count.
    out
        The manifest to write; in a folder, `manifest.json`.
    settings
        How to split.
    command, licence
        Command line to record in the manifest, and licence of the sounds.
    on_file
        Called after each file with the number done and the total.

    Returns
    -------
    Manifest
        Its `skipped` lists unusable files (unreadable, silent, shorter than a frame), each with the reason.

    Raises
    ------
    DataError
        There is no such folder, it has no usable sound, or `out` is no name for a manifest.
    """
    if folder.is_file():
        raise DataError(f"{folder} is a file, and a folder was expected; give the folder of the sounds.")
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; check the path.")
    if not 0 < settings.held_out < 1:
        raise DataError(f"The held-out share must be between 0 and 1, not {settings.held_out:g}.")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS and p.is_file())
    out = target(out)
    if out.suffix != ".json":
        raise DataError(f"A manifest is a .json file, and {out} is none; call it {out.with_suffix('.json')}.")
    files: list[Sound] = []
    places: dict[str, str] = {}
    skipped: list[Skipped] = []
    for done, path in enumerate(paths, 1):
        relative = path.relative_to(folder)
        listed = Path(os.path.relpath(path, out.parent)).as_posix()
        label = relative.parts[0] if len(relative.parts) > 1 else folder.resolve().name
        try:
            files.append(_sound(path, listed, label))
            places[listed] = relative.as_posix()
        except (soundfile.LibsndfileError, OSError, RuntimeError, ValueError) as error:
            skipped.append(Skipped(listed, _reason(error)))
        on_file(done, len(paths))
    if not files:
        first = skipped[0] if skipped else None
        if first is None:
            raise DataError(
                f"There are no sounds ({', '.join(EXTENSIONS)}) in {folder}; give the folder of the sounds."
            )
        reason = first.reason.removesuffix(".")
        unusable = os.path.normpath(out.parent / first.path)  # from the working folder, not from the manifest's
        raise DataError(f"None of the sounds in {folder} can be used; of {unusable}: {reason}.")
    least = LONE_PIECES if len(files) == 1 else 1
    sounds = [piece for sound in files for piece in _pieces(sound, settings.longest_seconds, least)]
    if settings.hold_out == "pitch":
        sounds = [_with_pitch(sound, out.parent / sound.path) for sound in sounds]
    made = Manifest(
        folder=out.parent,
        source=Source(name=folder.resolve().name, licence=licence, command=command),
        sounds=held_out_split.hold_out(
            sounds,
            by=settings.hold_out,
            share=settings.held_out,
            seed=settings.seed,
            names=[places[sound.path] for sound in sounds],
        ),
        skipped=tuple(skipped),
    )
    manifest.write(made, out)
    return made


def target(out: Path) -> Path:
    """Return the path of a manifest: `manifest.json` in a folder."""
    return out / manifest.FILE_NAME if out.is_dir() or not out.suffix else out


def _reason(error: Exception) -> str:
    """Return the reason without the file name, which is reported separately."""
    reason = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return reason.strip() or type(error).__name__


def _sound(path: Path, listed: str, label: str) -> Sound:
    """Read a whole file, so that a broken one is found now and not during training."""
    if not path.stat().st_size:
        raise ValueError("It is empty.")
    frames, peak = 0, 0.0
    with soundfile.SoundFile(path) as file:
        rate, channels = file.samplerate, file.channels
        for block in file.blocks(blocksize=1 << 16, dtype="float32"):
            frames += len(block)
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
    if not frames:
        raise ValueError("It holds no samples.")
    if not np.isfinite(peak):
        raise ValueError("It holds values that are not finite.")
    if peak == 0:
        raise ValueError("It holds nothing but silence.")
    if frames / rate < MIN_SECONDS:
        lasts, least = 1000 * frames / rate, 1000 * MIN_SECONDS
        raise ValueError(f"It lasts {lasts:.1f} ms and is shorter than a frame ({least:.1f} ms).")
    return Sound(path=listed, label=label, seconds=frames / rate, sample_rate=rate, channels=channels, split="train")


def _pieces(sound: Sound, longest_seconds: float, least: int) -> list[Sound]:
    """Cut a sound into pieces of equal length, none too long, and at least `least` if the sound is long enough."""
    most = max(1, int(sound.seconds / _MIN_PIECE_SECONDS))
    count = max(int(np.ceil(sound.seconds / longest_seconds)), min(least, most))
    if count == 1:
        return [sound]
    length = sound.seconds / count
    return [replace(sound, start=round(k * length, 6), seconds=length) for k in range(count)]


def _with_pitch(sound: Sound, path: Path) -> Sound:
    """Add the pitch of a sound with a single note, estimated from its beginning."""
    rate = Analysis().sample_rate
    audio = features.load_audio(path, rate, start=sound.start or 0.0, seconds=min(sound.seconds, _PITCH_SECONDS))
    return replace(sound, pitch=steady_note(audio, rate))
