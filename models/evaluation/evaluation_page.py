"""The page of an evaluation: a folder with sounds, pictures and figures, and an HTML page that shows them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile

from export.errors import GlitchError
from export.format.card import Control
from export.format.io import load
from models.data import features, manifest
from models.data.manifest import Manifest, Sound
from models.encoding.roundtrip import Floats, RoundTrip
from models.evaluation import figures_as_text
from models.evaluation import latent_probe as probe
from models.evaluation.ceilings import true_magnitudes
from models.evaluation.evaluate import Report
from models.play_to_file.explore import ExploreSettings, explore
from models.report import png_plots as pictures
from models.report.long_spectrogram import LongSpectrogram, spectrogram_of
from models.report.page_with_files import Page

PAGE, FIGURES = "index.html", "report.json"
SOUNDS, SWEEPS = 4, 8
MORPH_S, WALK_S, GLIDE_S = 4.0, 10.0, 4.0
GLIDE_SEMITONES = 24.0


class ExhibitError(GlitchError):
    """The folder cannot be written to."""


def exhibit(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    report: Report,
    folder: str | os.PathLike[str],
    *,
    on_part: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write the folder of an evaluation.

    Parameters
    ----------
    model, data
        The evaluated model file, and its manifest or folder.
    report
        Result of `evaluate`.
    folder
        Folder to write to; created if missing.
    on_part
        Called after each part with the number done and the total.

    Returns
    -------
    page : Path
        The HTML page.

    Raises
    ------
    ExhibitError
        The folder cannot be written to.
    """
    folder = Path(folder)
    roundtrip = RoundTrip(*load(model))
    sounds = manifest.read(data)
    page = Page(f"{report.name}, after {report.inversion}")
    parts: Sequence[Callable[[], None]] = (
        lambda: _figures(page, report, folder),
        lambda: _reconstructions(page, roundtrip, sounds, folder),
        lambda: _latents(page, roundtrip, report, folder),
        lambda: _paths(page, Path(model), roundtrip, sounds, folder),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for done, part in enumerate(parts, 1):
            part()
            on_part(done, len(parts))
        page.write(folder / PAGE)
    except (OSError, soundfile.LibsndfileError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
        raise ExhibitError(f"Cannot write to {folder}: {reason}; choose another folder.") from None
    return folder / PAGE


def _figures(page: Page, report: Report, folder: Path) -> None:
    (folder / FIGURES).write_text(report.to_json() + "\n", encoding="utf-8")
    rows = figures_as_text.lines(report)
    page.table(figures_as_text.HEAD, [cells for cells, _ in rows], [whole for _, whole in rows])
    for sentence in figures_as_text.sentences(report):
        page.text(sentence)


def _reconstructions(page: Page, roundtrip: RoundTrip, sounds: Manifest, folder: Path) -> None:
    """Add some held-out sounds: original, reconstruction and ceiling."""
    name, ceiling = true_magnitudes(roundtrip)
    rate = roundtrip.card.sample_rate
    columns, rows = [], []
    for k, sound in enumerate(chosen(sounds, SOUNDS), 1):
        audio = features.load_audio(sounds.path_of(sound), rate)
        made = {"original": audio, "model": roundtrip(audio, sound.pitch), "ceiling": ceiling(audio, sound.pitch)}
        title = sound.label if sound.pitch is None else f"{sound.label} {sound.pitch:g}"
        files = [(kind, _write(folder / f"sound-{k}-{kind}.wav", one, rate)) for kind, one in made.items()]
        rows.append((f"{title} ({sound.split})", files))
        columns.append((title, [(kind, spectrogram_of(one, rate)) for kind, one in made.items()]))
    pictures.sounds(folder / "sounds.png", columns)
    page.heading("Reconstructions")
    page.picture("sounds.png", f"original, model and ceiling ({name})")
    page.sounds(rows)


def _latents(page: Page, roundtrip: RoundTrip, report: Report, folder: Path) -> None:
    """Add usage, effect and sweep of each latent."""
    rate = roundtrip.card.sample_rate
    pictures.latent_bars(
        folder / "latents.png",
        (
            ("usage: variance of the encoder's means", [one.usage for one in report.dimensions]),
            ("effect of ±2 σ: |Δ log-mel|, dB", [one.effect_db for one in report.dimensions]),
            ("level leakage, dB", [one.level_leak_db for one in report.dimensions]),
        ),
    )
    columns: list[tuple[str, list[tuple[str, LongSpectrogram]]]] = []
    players = []
    for k, number in enumerate(roundtrip.card.latent.order[:SWEEPS], 1):
        audio = probe.sweep(roundtrip, number)
        name = roundtrip.card.latent.names[number]
        caption = (f"{k}: {name}", spectrogram_of(audio, rate))
        if k % 2:
            columns.append(("", [caption]))
        else:
            columns[-1][1].append(caption)
        players.append((f"{k}: {name}", _write(folder / f"sweep-{k}.wav", audio, rate)))
    pictures.sounds(folder / "sweeps.png", columns)
    page.heading("Latents")
    page.table(figures_as_text.DIMENSION_HEAD, figures_as_text.dimension_lines(report))
    page.picture("latents.png", "usage of each latent by the encoder, and its effect on the sound")
    page.picture("sweeps.png", f"each latent from −{probe.REACH:g} to {probe.REACH:g} standard deviations")
    page.sounds([("sweeps", players)])


def _paths(page: Page, model: Path, roundtrip: RoundTrip, sounds: Manifest, folder: Path) -> None:
    """Add a morph, a glide and a walk."""
    page.heading("Paths")
    players = []
    pair = different(chosen(sounds, SOUNDS))
    if pair is not None:
        paths = tuple(sounds.path_of(sound) for sound in pair)
        settings = ExploreSettings("spherical", sounds=paths, seconds=MORPH_S)
        explore(model, folder / "morph.wav", settings, picture=folder / "morph.png")
        page.picture("morph.png", f"from {pair[0].label} to {pair[1].label}")
        players.append(("morph", "morph.wav"))
    pitch = next((c for c in roundtrip.decode.controls if c.name == "pitch" and c.per_frame), None)
    if pitch is not None:
        audio, rate = glide(roundtrip, pitch), roundtrip.card.sample_rate
        pictures.sounds(folder / "glide.png", [("", [("glide", spectrogram_of(audio, rate))])])
        page.picture("glide.png", f"a glide over {GLIDE_SEMITONES:g} semitones")
        players.append(("glide", _write(folder / "glide.wav", audio, rate)))
    explore(model, folder / "walk.wav", ExploreSettings(seconds=WALK_S, speed=0.5), picture=folder / "walk.png")
    page.picture("walk.png", "a linear walk")
    players.append(("walk", "walk.wav"))
    page.sounds([("", players)])


def chosen(sounds: Manifest, count: int) -> list[Sound]:
    """Choose sounds to show: held-out ones if there are any, from as many labels as possible."""
    pool = sounds.of_split("held-out") or sounds.of_split("train")
    first = {label: next((s for s in pool if s.label == label), None) for label in sounds.labels}
    found = [sound for sound in first.values() if sound is not None]
    more = [sound for sound in pool if sound not in found]
    spread = [found[int(k)] for k in np.linspace(0, len(found) - 1, min(count, len(found)))]
    return (spread + more)[:count]


def different(sounds: Sequence[Sound]) -> tuple[Sound, Sound] | None:
    """Choose the two ends of the morph, of different labels if possible; None for fewer than two sounds."""
    if len(sounds) < 2:
        return None
    return sounds[0], next((sound for sound in sounds[1:] if sound.label != sounds[0].label), sounds[1])


def glide(roundtrip: RoundTrip, control: Control) -> Floats:
    """Play the mean latent with a pitch that rises through its default, [samples]."""
    hop, rate = roundtrip.hop, roundtrip.card.sample_rate
    frames = round(GLIDE_S * rate / hop)
    latents = np.tile(np.array(roundtrip.card.latent.mean, np.float32)[:, None], (1, frames))
    pitch = control.default + np.linspace(-GLIDE_SEMITONES / 2, GLIDE_SEMITONES / 2, frames)
    return roundtrip.play(latents, {"pitch": pitch}, frames * hop)


def _write(path: Path, audio: Floats, rate: int) -> str:
    """Write a sound for the page and return its file name."""
    soundfile.write(path, np.clip(audio, -1.0, 1.0), rate, subtype="PCM_24")
    return path.name
