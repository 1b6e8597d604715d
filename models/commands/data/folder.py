"""`glitch-lab data folder`: a manifest of any folder of sounds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from export.errors import GlitchError
from models.commands.shared.process import command_line
from models.commands.shared.progress_bars import progress


def data_folder(
    folder: Annotated[Path, typer.Argument(metavar="IN", help="Folder of sounds, or with a subfolder per label.")],
    out: Annotated[Path, typer.Argument(metavar="OUT_MANIFEST", help="The manifest to write.")],
    held_out: Annotated[float, typer.Option(help="Share of the sounds to hold out.")] = 0.2,
    hold_out: Annotated[str, typer.Option(help="Unit to hold out: file, label or pitch.")] = "file",
    seed: Annotated[int, typer.Option(help="Seed of the choice.")] = 0,
    licence: Annotated[str, typer.Option(help="Licence of the sounds, for the model's card.")] = "",
) -> None:
    """Index any folder of WAV, FLAC, AIFF, OGG and MP3 files."""
    from models.data import folder as folders
    from models.data import held_out_split

    settings = folders.Settings(held_out=held_out, seed=seed, hold_out=held_out_split.known(hold_out))
    if folders.target(out).suffix == ".json" and folders.target(out).exists():
        raise GlitchError(f"{folders.target(out)} already exists and may have been edited; give another name.")
    with progress("reading") as on_file:
        made = folders.index(folder, out, settings, command=command_line(), licence=licence, on_file=on_file)
    for entry in made.skipped:
        print(f"skipped {entry.path}: {entry.reason}")
    minutes = sum(sound.seconds for sound in made.sounds) / 60
    held = len(made.of_split("held-out"))
    print(
        f"{len(made.sounds)} sounds, {minutes:.1f} min, {len(made.labels)} labels, {held} held out; "
        f"{len(made.skipped)} files skipped."
    )
