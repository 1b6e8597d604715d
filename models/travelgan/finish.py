"""The end of a training: a model file that can be played, and a page to look at and listen to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import soundfile

from models.report.gallery import Page
from models.travelgan import export
from models.travelgan.previews import draw, pairs, sound, turned
from models.travelgan.settings import TravelSettings
from models.travelgan.style_evaluation import Verdict, judge
from models.travelgan.train import PICTURES, Trained

PAGE = "report.html"


@dataclass(frozen=True)
class Completed:
    """What a training leaves for others to play and to read."""

    model: Path
    page: Path
    verdict: Verdict


def complete(made: Trained, settings: TravelSettings, out: Path) -> Completed:
    """Export the model of a training into its folder, under the folder's name, judge it, and write its page.

    Parameters
    ----------
    made
        What came out of the training.
    settings
        How it was trained.
    out
        The training's folder.

    Raises
    ------
    ContractError
        The model doesn't hold what the format promises; nothing is written.
    """
    name, model = out.resolve().name, made.model
    file = out / f"{name}.onnx"
    export.write(model, file, name)
    pairs_held = [turned(model.generator, value) for value in made.held[0].values]
    verdict = judge(pairs_held, made.held[1].values, made.train, settings)
    shown = pairs(model.generator, made.held[0], model.scale)
    draw(out / f"{name}.png", shown, "made")
    page = Page(f"{name}: one sound turned into another")
    page.text(f"{model.provenance.command}; {model.provenance.data}. {model.provenance.notes} {export.notes(model)}")
    page.heading("Held-out sounds")
    page.table(("figure", "value"), rows(verdict))
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
    return Completed(file, out / PAGE, verdict)


def rows(verdict: Verdict) -> list[tuple[str, str]]:
    """Say a verdict in words and figures."""
    return [
        ("true clips that a classifier of its own puts where they belong", f"{100 * verdict.known:.0f} %"),
        ("turned clips that it puts into the target domain", f"{100 * verdict.target:.0f} %"),
        ("the same clips before they are turned", f"{100 * verdict.untouched:.0f} %"),
        ("onsets that are kept, F measure", f"{verdict.onsets:.2f}"),
    ]
