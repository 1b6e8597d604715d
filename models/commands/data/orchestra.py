"""`glitch-lab data orchestra`: single notes of orchestral instruments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from models.commands.shared.process import command_line
from models.commands.shared.progress_bars import progress
from models.commands.shared.velocities import velocities_of


def data_orchestra(
    out: Annotated[Path, typer.Argument(help="Folder to write the sounds and manifest.json to.")],
    soundfont: Annotated[
        Path | None, typer.Option(help="A General MIDI soundfont. Default: the system's FluidR3.")
    ] = None,
    rate: Annotated[int, typer.Option(help="Sample rate, Hz.")] = 48_000,
    step: Annotated[int, typer.Option(help="Semitones between notes.")] = 1,
    velocities: Annotated[str, typer.Option(help="MIDI velocities, with commas.")] = "45,80,115",
    instruments: Annotated[str | None, typer.Option(help="Names with commas. Default: all eleven.")] = None,
) -> None:
    """Render single notes of eleven orchestral instruments with FluidSynth."""
    from models.data.rendered import orchestra

    levels = velocities_of(velocities)
    names = tuple(part.strip() for part in instruments.split(",")) if instruments else tuple(orchestra.INSTRUMENTS)
    settings = orchestra.Settings(rate=rate, step=step, velocities=levels, instruments=names, soundfont=soundfont)
    with progress("rendering") as on_note:
        made = orchestra.render(out, settings, command=command_line(), on_note=on_note)
    held_out = len(made.of_split("held-out"))
    print(f"{len(made.sounds)} notes of {len(names)} instruments in {out}, {held_out} of them held out.")
