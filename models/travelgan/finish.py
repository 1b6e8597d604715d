"""The end of a training of a TraVeLGAN: its model file, its evaluation, and its report with pictures and audio."""

from __future__ import annotations

import soundfile

from models.report.page_with_files import Page
from models.training.finish import Finished
from models.training.run_config import RunConfig
from models.travelgan import export
from models.travelgan.previews import draw, pairs, sound, transformed
from models.travelgan.settings import TravelSettings
from models.travelgan.style_evaluation import StyleEvaluation, evaluate_style
from models.travelgan.train import PICTURES, Trained

PAGE = "report.html"


def finish(made: Trained, settings: TravelSettings, run: RunConfig) -> tuple[Finished, StyleEvaluation]:
    """Export the trained model into the folder of its run, under the folder's name, evaluate it, and write its report.

    Returns
    -------
    finished : Finished
        The report, and the model file.
    evaluation : StyleEvaluation
        Figures of the held-out sounds.

    Raises
    ------
    ContractError
        The model doesn't fulfil the format; nothing is written.
    """
    name, model, out = run.name, made.model, run.out
    export.write(model, run.model, name)
    held_out = [transformed(model.generator, value) for value in made.held_out[0].values]
    evaluation = evaluate_style(held_out, made.held_out[1].values, made.train, settings)
    shown = pairs(model.generator, made.held_out[0], model.scale)
    draw(out / f"{name}.png", shown, "made")
    page = Page(f"{name}: one sound turned into another")
    page.text(f"{model.provenance.command}; {model.provenance.data}. {model.provenance.notes} {export.notes(model)}")
    page.heading("Held-out sounds")
    page.table(("figure", "value"), rows(evaluation))
    page.picture(f"{name}.png", "Held-out sounds of the source domain, and below what they are turned into.")
    folder = out / "sounds"
    folder.mkdir(exist_ok=True)
    players = []
    for number, (title, source, other) in enumerate(shown, 1):
        files = []
        for kind, spectrum in (("source", source), ("made", other)):
            soundfile.write(folder / f"{number}-{kind}.wav", sound(spectrum, model.scale), model.scale.sample_rate)
            files.append((kind, f"sounds/{number}-{kind}.wav"))
        players.append((title, files))
    page.sounds(players)
    page.text("Sources, too, are made of their mel bands, as live.")
    page.heading("How it went")
    for picture in sorted((out / PICTURES).glob("step-*.png")):
        page.picture(f"{PICTURES}/{picture.name}", f"After {int(picture.stem.partition('-')[2])} steps.")
    page.write(out / PAGE)
    return Finished(out / PAGE, run.model), evaluation


def rows(evaluation: StyleEvaluation) -> list[tuple[str, str]]:
    """Describe the figures of an evaluation, as pairs of text and value."""
    return [
        ("true clips that a classifier of its own puts where they belong", f"{100 * evaluation.known:.0f} %"),
        ("turned clips that it puts into the target domain", f"{100 * evaluation.target:.0f} %"),
        ("the same clips before they are turned", f"{100 * evaluation.untouched:.0f} %"),
        ("onsets that are kept, F measure", f"{evaluation.onsets:.2f}"),
    ]
