"""The end of a training of a DCGAN: an animation of its epochs, its report, and of sound its model file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch

from models.dcgan import previews
from models.dcgan.checkpoint import TrainedDcgan
from models.dcgan.domains import PictureDomain, SpectrumDomain
from models.dcgan.export import streaming_notes, write
from models.dcgan.previews import SPEED, walk_audio, walk_latents, walk_spectrum, write_png
from models.dcgan.train import Result
from models.report.page_with_files import Page
from models.report.picture_grid import spectrum_grid
from models.training.finish import Finished
from models.training.run_config import RunConfig
from models.training.seeding import generator_for

PAGE, GRID = "index.html", "made.png"
WALKS = ((SPEED, "a walk"), (4 * SPEED, "four times as fast"), (0.0, "held still"))
WALK_S = 20.0
_REAL = 16


def finish(result: Result, run: RunConfig) -> Finished:
    """Write the report of a training into the folder of its run, and the model file of an endless generator.

    Returns
    -------
    finished : Finished
        Without a model file for a generator of pictures.

    Raises
    ------
    ContractError
        The model doesn't fulfil the format; no model file is written.
    """
    domain, trained, out = result.domain, result.trained, run.out
    page = Page(f"{run.name}: DCGAN of {domain.source.name or 'sounds'}")
    page.text(trained.provenance.notes)
    animation = previews.animate(out / previews.FOLDER, out / previews.ANIMATION)
    if isinstance(domain, SpectrumDomain):
        page.text(streaming_notes(trained))
        _show_sound(page, domain, trained, out)
    else:
        _show_pictures(page, domain, trained, out)
    if animation is not None:
        page.heading("The same latents, epoch by epoch")
        page.picture(animation.name, "from the first to the last")
    page.write(out / PAGE)
    if not isinstance(domain, SpectrumDomain):
        return Finished(out / PAGE)
    write(trained, run.model, run.name, scale=domain.scale)
    return Finished(out / PAGE, run.model)


@torch.no_grad()
def _show_pictures(page: Page, domain: PictureDomain, trained: TrainedDcgan, out: Path) -> None:
    random = generator_for(trained.settings.seed + 1, 0)
    made = domain.make(trained.generator, domain.draw(domain.shown(), random))
    write_png(out / GRID, domain.picture(made))
    write_png(out / "real.png", domain.picture(domain.real(domain.shown(), random)))
    page.heading("Made")
    page.picture(GRID, "pictures that nobody has drawn")
    page.heading("Real")
    page.picture("real.png", "what they were trained on")


@torch.no_grad()
def _show_sound(page: Page, domain: SpectrumDomain, trained: TrainedDcgan, out: Path) -> None:
    random = generator_for(trained.settings.seed + 1, 0)
    made = domain.make(trained.generator, domain.draw(_REAL, random))
    write_png(out / GRID, domain.picture(made))
    write_png(out / "real.png", domain.picture(domain.real(_REAL, random)))
    page.heading("Made")
    page.picture(GRID, f"made as in training, {domain.length * domain.scale.hop / domain.scale.sample_rate:.2f} s each")
    page.heading("Real")
    page.picture("real.png", "what the discriminator compares them with")
    page.heading("Walks")
    players = []
    for k, (speed, title) in enumerate(WALKS):
        latents = walk_latents(trained.settings.latent, domain.scale, WALK_S, speed=speed or SPEED)
        if not speed:
            latents = latents[:, :, -1:].expand_as(latents)
        spectrum = walk_spectrum(trained.generator, latents)
        write_png(out / f"walk-{k + 1}.png", spectrum_grid((spectrum[None] + 1) / 2, columns=1)[:, ::2, ::2])
        audio = np.clip(walk_audio(spectrum, domain.scale), -1, 1)
        soundfile.write(out / f"walk-{k + 1}.wav", audio, domain.scale.sample_rate, subtype="PCM_24")
        page.picture(f"walk-{k + 1}.png", f"{title}, {WALK_S:g} s")
        players.append((title, f"walk-{k + 1}.wav"))
    page.sounds([("walks", players)])
