"""`glitch-lab data pair`: two domains of sounds for style transfer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from models.commands.shared.process import command_line
from models.commands.shared.progress_bars import progress


def data_pair(
    out: Annotated[Path, typer.Argument(help="Folder to write the two domains to.")],
    kind: Annotated[str, typer.Option(help="plucked-brass or barks-horns.")] = "plucked-brass",
    minutes: Annotated[float, typer.Option(help="Minutes of each domain.")] = 8.0,
    rate: Annotated[int, typer.Option(help="Sample rate, Hz.")] = 48_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random choices.")] = 0,
    soundfont: Annotated[
        Path | None, typer.Option(help="A General MIDI soundfont. Default: the system's FluidR3.")
    ] = None,
) -> None:
    """Render two domains of sounds for style transfer: plucked strings and brass, or barks and car horns."""
    from typing import cast

    from models.data.rendered import pairs

    settings = pairs.Settings(cast(pairs.Kind, kind), minutes, rate, seed, soundfont)
    with progress("rendering") as on_sound:
        made = pairs.render(out, settings, command=command_line(), on_sound=on_sound)
    for domain in made:
        lasts = sum(sound.seconds for sound in domain.sounds) / 60
        held_out = len(domain.of_split("held-out"))
        print(f"{domain.folder}: {len(domain.sounds)} sounds, {lasts:.1f} min, {held_out} of them held out.")
    print(f"train on them: glitch-lab train travel {made[0].folder} {made[1].folder} OUT_DIR")
