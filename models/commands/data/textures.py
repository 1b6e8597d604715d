"""`glitch-lab data textures`: endless music to train generators on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from models.commands.shared.process import command_line
from models.commands.shared.progress_bars import progress


def data_textures(
    out: Annotated[Path, typer.Argument(help="Folder to write the sounds and manifest.json to.")],
    minutes: Annotated[float, typer.Option(help="Minutes of each texture.")] = 2.5,
    textures: Annotated[
        str | None, typer.Option(help="Names with commas. Default: choir, glass, bells, drops.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the notes.")] = 0,
    rate: Annotated[int, typer.Option(help="Sample rate, Hz.")] = 48_000,
    soundfont: Annotated[
        Path | None, typer.Option(help="A General MIDI soundfont. Default: the system's FluidR3.")
    ] = None,
) -> None:
    """Render textures with FluidSynth: random notes of one scale, of any duration."""
    from models.data.rendered import textures as played

    names = tuple(part.strip() for part in textures.split(",")) if textures else tuple(played.TEXTURES)
    settings = played.Settings(rate=rate, minutes=minutes, textures=names, seed=seed, soundfont=soundfont)
    with progress("rendering") as on_piece:
        made = played.render(out, settings, command=command_line(), on_piece=on_piece)
    total = sum(sound.seconds for sound in made.sounds) / 60
    held_out = len(made.of_split("held-out"))
    print(f"{len(made.sounds)} pieces, {total:.1f} min of {', '.join(names)} in {out}, {held_out} of them held out.")
