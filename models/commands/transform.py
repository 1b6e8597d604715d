"""`glitch-lab transform`: process a sound file with a model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from models.commands.shared.progress_bars import progress


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A model file that transforms, or that encodes.")],
    sound: Annotated[
        Path, typer.Argument(metavar="IN", help="A sound file: WAV, FLAC, AIFF, OGG, MP3; of any length.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The sound file to write: .wav, .flac, .aiff, .caf.")],
    mix: Annotated[float, typer.Option(help="Dry/wet mix: the input (0) to the model (1), at equal power.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of everything random.")] = 0,
    controls: Annotated[str, typer.Option(help="The model's controls and other knobs, as pitch=60,feedback=0.3.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Process a sound with a model: same length, rate and channels, with delay compensated."""
    from models.play_to_file.named_parameters import named
    from models.play_to_file.transform import TransformSettings, transform

    settings = TransformSettings(mix=mix, seed=seed, controls=named(controls), force=force)
    began = time.monotonic()
    with progress("transforming") as on_share:
        made = transform(model, sound, out, settings, on_share=lambda share: on_share(round(1000 * share), 1000))
    speed = made.seconds / (time.monotonic() - began)
    if not made.seconds:
        print(f"{out}: empty, as {sound} is.")
        return
    print(f"{out}: {made.seconds:.1f} s of sound at {made.rate} Hz, {speed:.1f} times as fast as it plays.")
    if made.over_db:
        print(
            f"It is up to {made.over_db:.1f} dB above full scale, and clipped there; softer: --controls input/gain=-6."
        )
    if made.nonfinite:
        print(f"The model gave values that are not finite in {made.nonfinite} frames; they are faded to silence.")
