"""The end of a training: an animation of its epochs, a page, and of sound a model file that is played."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch

from models.dcgan import previews as media
from models.dcgan.adversarial import seeded
from models.dcgan.domains import Pictures, Spectra, panel
from models.dcgan.export import streaming_notes, write
from models.dcgan.previews import animate, write_png
from models.dcgan.train import Result
from models.dcgan.walks import SPEED, sounding, spectrum_of, stroll
from models.report.gallery import Page

PAGE, GRID = "index.html", "made.png"
WALKS = ((SPEED, "a walk"), (4 * SPEED, "four times as fast"), (0.0, "held still"))
WALK_S = 20.0
_REAL = 16


@dataclass(frozen=True)
class Completed:
    """What a training leaves to look at, and of sound to play."""

    page: Path
    animation: Path | None
    model: Path | None


def complete(result: Result, out: Path) -> Completed:
    """Write the page of a training into its folder, and the model file of an endless generator.

    Raises
    ------
    ContractError
        The model doesn't hold what the format promises; nothing is written of it.
    """
    form, trained = result.form, result.trained
    name = out.resolve().name
    page = Page(f"{name}: DCGAN of {form.source.name or 'sounds'}")
    page.text(trained.provenance.notes)
    animation = animate(out / media.FOLDER, out / media.ANIMATION)
    if isinstance(form, Spectra):
        page.text(streaming_notes(trained))
        _show_sound(page, result, out)
    else:
        _show_pictures(page, result, out)
    if animation is not None:
        page.heading("The same latents, epoch by epoch")
        page.picture(animation.name, "from the first to the last")
    page.write(out / PAGE)
    model = None
    if isinstance(form, Spectra):
        model = out / f"{name}.onnx"
        write(trained, model, name, scale=form.scale)
    return Completed(out / PAGE, animation, model)


@torch.no_grad()
def _show_pictures(page: Page, result: Result, out: Path) -> None:
    form, trained = result.form, result.trained
    assert isinstance(form, Pictures)
    random = seeded(trained.settings.seed + 1, 0)
    made = form.make(trained.generator, form.draw(form.shown(), random))
    write_png(out / GRID, form.picture(made))
    write_png(out / "real.png", form.picture(form.real(form.shown(), random)))
    page.heading("Made")
    page.picture(GRID, "pictures that nobody has drawn")
    page.heading("Real")
    page.picture("real.png", "what they were trained on")


@torch.no_grad()
def _show_sound(page: Page, result: Result, out: Path) -> None:
    form, trained = result.form, result.trained
    assert isinstance(form, Spectra)
    random = seeded(trained.settings.seed + 1, 0)
    made = form.make(trained.generator, form.draw(_REAL, random))
    write_png(out / GRID, form.picture(made))
    write_png(out / "real.png", form.picture(form.real(_REAL, random)))
    page.heading("Made")
    page.picture(GRID, f"made as in training, {form.length * form.scale.hop / form.scale.sample_rate:.2f} s each")
    page.heading("Real")
    page.picture("real.png", "what the judge compares them with")
    page.heading("Walks")
    players = []
    for k, (speed, title) in enumerate(WALKS):
        way = stroll(trained.settings.latent, form.scale, WALK_S, speed=speed or SPEED)
        if not speed:
            way = way[:, :, -1:].expand_as(way)
        spectrum = spectrum_of(trained.generator, way)
        write_png(out / f"walk-{k + 1}.png", panel((spectrum[None] + 1) / 2, columns=1)[:, ::2, ::2])
        audio = np.clip(sounding(spectrum, form.scale), -1, 1)
        soundfile.write(out / f"walk-{k + 1}.wav", audio, form.scale.sample_rate, subtype="PCM_24")
        page.picture(f"walk-{k + 1}.png", f"{title}, {WALK_S:g} s")
        players.append((title, f"walk-{k + 1}.wav"))
    page.sounds([("walks", players)])
