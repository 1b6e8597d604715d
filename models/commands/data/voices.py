"""`glitch-lab data voices`: single notes of singing voices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from models.commands.shared.process import command_line
from models.commands.shared.progress_bars import progress
from models.commands.shared.velocities import velocities_of


def data_voices(
    out: Annotated[Path, typer.Argument(help="Folder to write the sounds and manifest.json to.")],
    rate: Annotated[int, typer.Option(help="Sample rate, Hz.")] = 48_000,
    step: Annotated[int, typer.Option(help="Semitones between notes.")] = 1,
    velocities: Annotated[str, typer.Option(help="MIDI velocities, with commas.")] = "45,80,115",
    voices: Annotated[str | None, typer.Option(help="Names with commas. Default: all four.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of breath noise and of the variation between notes.")] = 0,
) -> None:
    """Synthesise single notes of four voices singing five vowels."""
    from models.data.rendered import voices as singers

    names = tuple(part.strip() for part in voices.split(",")) if voices else tuple(singers.VOICES)
    settings = singers.Settings(rate=rate, step=step, velocities=velocities_of(velocities), voices=names, seed=seed)
    with progress("singing") as on_note:
        made = singers.render(out, settings, command=command_line(), on_note=on_note)
    held_out = len(made.of_split("held-out"))
    print(f"{len(made.sounds)} notes of {len(made.labels)} voices and vowels in {out}, {held_out} of them held out.")
