"""The report of a training: curves, sounds and their reconstructions, latent space, skipped files, settings."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.format.card import Card
from models.data import features
from models.data.trim_and_level import Preparation
from models.dsp import sound_distances
from models.files.atomic import write_whole
from models.report import embedded_media as pictures
from models.report import svg_charts
from models.report.single_file_page import figure, page, paragraph, section, table
from models.report.svg_charts import Curve, Point
from models.spectral_vae.frame_store import FrameStore
from models.spectral_vae.network import SpectralVae
from models.spectral_vae.previews import rebuild
from models.spectral_vae.train import Result
from models.training.frame_vae.sound_segments import evenly_spaced
from models.training.scheduled_module import HELD_OUT_LOSS
from realtime.dsp.rtpghi import invert

SOUNDS = 4
_MAX_SECONDS = 4.0
_USED_FRAMES = 4_000
_PICTURE_HEIGHT = 160


@dataclass(frozen=True)
class _Example:
    """A held-out sound, its reconstruction by the model, and its reconstruction without a network."""

    name: str
    original: NDArray[np.float32]
    made: NDArray[np.float32]
    ceiling: NDArray[np.float32]


def write(path: Path, result: Result, model: Path, card: Card) -> None:
    """Write the report of a training as one HTML file.

    Parameters
    ----------
    path
        The file to write.
    result
        The finished training.
    model, card
        The model file that was exported, and its card.
    """
    examples = [_reconstruct(result, k) for k in _chosen(result.frames.held_out)]
    rate = card.sample_rate
    parts = [
        _summary(result, model, card),
        section("How it went", *_curves(result)),
        section("Held-out sounds", _figures(examples, rate), *(_sound(one, rate) for one in examples)),
        section("Latents", *_latents(result)),
        section("What was left out", _skipped(result)),
        section("Settings", _settings(result)),
    ]
    write_whole(path, page(card.name, parts).encode())


def _summary(result: Result, model: Path, card: Card) -> str:
    sounds, provenance = result.sounds, card.provenance
    minutes = sum(sound.seconds for sound in sounds.sounds) / 60
    speed = {name: method.measured.real_time for name, method in card.methods.items() if method.measured}
    rows = [
        ("sounds", f"{len(sounds.sounds)}, {minutes:.1f} min, {len(sounds.labels)} labels"),
        ("held out", str(len(sounds.of_split("held-out")))),
        ("prepared", "trimmed, and brought to one loudness" if result.settings.prepare else "taken as they are"),
        ("steps", f"{result.steps:,}; the model is that of step {provenance.steps:,}, which did best"),
        ("training", f"{result.rows[-1]['seconds'] / 60:.1f} min" if result.rows else "–"),
        ("model file", f"{model.name}, {model.stat().st_size / 1e6:.1f} MB, {card.latent.size} latents"),
        ("speed", ", ".join(f"{name} {times:.0f} times real time" for name, times in speed.items() if times)),
        ("licence of the sounds", provenance.licence),
        ("date", provenance.date),
        ("command", provenance.command),
        ("play it", f"glitch-live {shlex.quote(model.name)}"),
    ]
    return table([row for row in rows if row[1]])


def _curves(result: Result) -> list[str]:
    """Plot the figures of the evaluations."""
    rows = result.rows
    drawn = []
    for title, y_label, names in (
        ("loss", "loss", {"train/loss": "trained", HELD_OUT_LOSS: "held out"}),
        ("difference of log-mel spectra", "dB", {"held_out/mel_db": "held out"}),
        ("spectral convergence", "dB", {"held_out/spectral_convergence_db": "held out"}),
        ("KL divergence", "nats a frame", {"train/kl": "trained", "held_out/kl": "held out"}),
    ):
        lines = []
        for key, name in names.items():
            known = [row for row in rows if key in row]
            lines.append(Curve(name, [row["step"] for row in known], [row[key] for row in known]))
        drawn.append(svg_charts.curves(lines, title=title, x_label="step", y_label=y_label))
    return drawn


def _chosen(store: FrameStore) -> list[int]:
    """Choose sounds evenly among those that are not silent."""
    sounding = np.unique(store.sound[store.active].numpy())
    return [int(sounding[int(k)]) for k in np.linspace(0, len(sounding) - 1, min(SOUNDS, len(sounding)))]


@torch.no_grad()
def _reconstruct(result: Result, k: int) -> _Example:
    """Encode and decode a held-out sound from its first active frame on."""
    store, shape = result.frames.held_out, result.settings.model
    mine = np.flatnonzero(store.sound.numpy() == k)
    first = int(np.flatnonzero(store.active.numpy()[mine])[0])
    most = round(_MAX_SECONDS * shape.sample_rate / shape.hop)
    index = torch.from_numpy(mine[first : first + most])
    sound = store.sounds[k]
    preparation = Preparation() if result.settings.prepare else None
    audio = features.load_sound(result.sounds, sound, shape.sample_rate, preparation)
    made, ceiling = (
        invert(np.ascontiguousarray(spectrum.exp().T.numpy(), np.float32), shape.n_fft, shape.hop)
        for spectrum in (rebuild(result.trained.model, store, index), store.log_magnitude[index].float())
    )
    original = audio[first * shape.hop :][: len(made)]
    name = sound.path if sound.start is None else f"{sound.path}, from {sound.start:.1f} s"
    return _Example(name, original, made[: len(original)], ceiling[: len(original)])


def _figures(examples: Sequence[_Example], rate: int) -> str:
    """Compare the reconstructed audio with the original, and with what phase inversion alone loses."""
    rows = [
        (
            one.name,
            sound_distances.log_mel_difference_db(one.original, one.made, rate),
            sound_distances.log_mel_difference_db(one.original, one.ceiling, rate),
            sound_distances.spectral_convergence_db(one.original, one.made),
            sound_distances.spectral_convergence_db(one.original, one.ceiling),
        )
        for one in examples
    ]
    heading = ("sound", "Δ log-mel, dB", "without a network", "spectral convergence, dB", "without a network")
    said = "The model never trained on these. Without a network: the true magnitudes, inverted as on stage."
    return paragraph(said) + table(rows, heading)


def _sound(one: _Example, rate: int) -> str:
    levels = {"original": pictures.mel_db(one.original, rate), "model": pictures.mel_db(one.made, rate)}
    loudest = max(float(level.max()) for level in levels.values())
    shown = []
    for kind, audio in (("original", one.original), ("model", one.made)):
        pixels = pictures.spectrogram(levels[kind], loudest)
        width = int(np.clip(pixels.shape[1], 160, 480))
        content = pictures.image(pixels, width, _PICTURE_HEIGHT, kind) + pictures.player(audio, rate)
        shown.append(figure(content, f"{kind}: {one.name}"))
    return f"<div>{''.join(shown)}</div>"


def _latents(result: Result) -> list[str]:
    latent = result.trained.latent
    labels = sorted(result.sounds.labels, key=len, reverse=True)
    at = [
        Point(p.x, p.y, next((name for name in labels if p.label.startswith(name)), ""), p.label) for p in latent.points
    ]
    order = list(latent.order)
    used = _used(result.trained.model, result.frames.held_out)
    x_label = "latent, in playing order"
    drawn = [
        svg_charts.points(
            at, title="map of the training sounds", x_label="first direction", y_label="second direction"
        ),
        svg_charts.bars([latent.effect_db[k] for k in order], title="effect of each", x_label=x_label, y_label="dB"),
        svg_charts.bars([used[k] for k in order], title="information in each", x_label=x_label, y_label="nats a frame"),
    ]
    said = (
        "Effect: the mean difference of the log-mel spectrum for a change by one standard deviation. Information: the "
        "KL divergence from the prior on held-out sounds; a latent without any is not used."
    )
    return [*drawn, paragraph(said)]


@torch.no_grad()
def _used(vae: SpectralVae, store: FrameStore) -> list[float]:
    """KL divergence of each dimension on held-out frames, nats, [latent]."""
    some = evenly_spaced(store, _USED_FRAMES)
    mean, log_variance = vae.encoder(store.take(some).shape)  # [frames, latent]
    divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean(dim=0)
    return [float(value) for value in divergence]


def _skipped(result: Result) -> str:
    skipped = result.sounds.skipped
    if not skipped:
        return paragraph("Nothing: every file could be used.")
    return table([(entry.path, entry.reason) for entry in skipped], ("file", "reason"))


def _settings(result: Result) -> str:
    plain = asdict(result.settings)
    model = plain.pop("model")
    rows = [*plain.items(), *((f"model.{name}", value) for name, value in model.items())]
    return table([(name, str(value) if isinstance(value, bool) else value) for name, value in rows])
