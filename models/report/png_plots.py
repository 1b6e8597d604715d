"""Plots as PNG files: spectrograms, latent paths, bar charts and picture tiles."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from export.errors import GlitchError
from export.format.card import Latent
from models.report.long_spectrogram import RANGE_DB, LatentPath, LongSpectrogram
from realtime.latent.latent_map import places

GROUND, INK, LINE = "#111111", "#d8d8d8", "#555555"
TICKS_HZ = (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
DPI = 100
MAX_LINES = 8
MAX_LABELS = 24


class PictureError(GlitchError):
    """A picture cannot be written."""


def check_place(path: str | os.PathLike[str]) -> None:
    """Check that a picture can be written to a path.

    Raises
    ------
    PictureError
        It doesn't end in `.png`, its folder doesn't exist, or it is a folder.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise PictureError(f"A picture is a .png file, and {path} is none; call it {path.with_suffix('.png')}.")
    if not path.absolute().parent.is_dir() or path.is_dir():
        raise PictureError(f"Cannot write the picture {path}: its folder doesn't exist, or it is a folder itself.")


def plot_latent_path(
    path: str | os.PathLike[str], spectrogram: LongSpectrogram, latent_path: LatentPath, latent: Latent, title: str
) -> None:
    """Plot a sound and its path through the latent space: spectrogram, latents over time, and path on the map."""
    figure = _figure(13.0, 6.0)
    grid = figure.add_gridspec(2, 2, width_ratios=(2.4, 1.0), height_ratios=(2.0, 1.0))
    seconds = spectrogram.samples / spectrogram.rate
    spectrum = figure.add_subplot(grid[0, 0])
    _spectrogram(spectrum, spectrogram, title)
    lines = figure.add_subplot(grid[1, 0])
    scores = latent_path.scores
    time = np.linspace(0.0, seconds, len(scores))
    for k in range(min(scores.shape[1], MAX_LINES)):
        lines.plot(time, scores[:, k], linewidth=1.0, label=latent.names[latent.order[k]])
    lines.set_xlim(0.0, seconds)
    _style_axes(lines, "", "s", "standard deviations")
    lines.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=MAX_LINES, fontsize=7, frameon=False, labelcolor=INK)
    _map(figure.add_subplot(grid[:, 1]), scores, latent)
    _save(figure, path)


def sounds(path: str | os.PathLike[str], columns: Sequence[tuple[str, Sequence[tuple[str, LongSpectrogram]]]]) -> None:
    """Plot spectrograms in columns.

    Parameters
    ----------
    path
        PNG file to write.
    columns
        A title and the sounds of each column, each with a caption.
    """
    rows = max(len(column) for _, column in columns)
    figure = _figure(3.2 * len(columns) + 0.6, 2.5 * rows)
    axes = figure.subplots(rows, len(columns), squeeze=False)
    for x, (title, column) in enumerate(columns):
        for y in range(rows):
            if y < len(column):
                caption, spectrogram = column[y]
                _spectrogram(axes[y, x], spectrogram, f"{title}, {caption}" if title else caption)
            else:
                axes[y, x].set_axis_off()
    _save(figure, path)


def latent_bars(path: str | os.PathLike[str], bars: Sequence[tuple[str, Sequence[float]]]) -> None:
    """Plot bar charts with a bar per latent, one below the other.

    Parameters
    ----------
    path
        PNG file to write.
    bars
        For each chart its title and a value per latent, strongest latent first.
    """
    figure = _figure(10.0, 5.0)
    axes = figure.subplots(len(bars), 1, sharex=True)
    for axis, (title, values) in zip(axes, bars, strict=True):
        axis.bar(np.arange(1, len(values) + 1), values, color="#d8576b")
        _style_axes(axis, title, "", "")
    _style_axes(axes[-1], bars[-1][0], "latent, the strongest first", "")
    _save(figure, path)


def tiles(path: str | os.PathLike[str], rows: Sequence[tuple[str, NDArray[np.floating]]]) -> None:
    """Plot rows of small grey pictures.

    Parameters
    ----------
    path
        PNG file to write.
    rows
        For each row its caption and its pictures [shape=(count, height, width)], 0 black and 1 white.
    """
    columns = max(len(row) for _, row in rows)
    figure = _figure(0.6 * columns + 1.2, 0.62 * len(rows))
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for y, (caption, row) in enumerate(rows):
        for x in range(columns):
            axes[y, x].set_axis_off()
            if x < len(row):
                axes[y, x].imshow(row[x], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes[y, 0].text(
            -0.3, 0.5, caption, transform=axes[y, 0].transAxes, ha="right", va="center", color=INK, fontsize=7
        )
    _save(figure, path)


def _map(axis: Any, scores: NDArray[np.float64], latent: Latent) -> None:
    """Plot the path on the map of the training sounds or, without a map, on the two strongest latents."""
    if latent.map:
        ground = places(latent.map)  # [points, 2]
        own = np.array([point.latent for point in latent.map])
        standard = ((own - np.array(latent.mean)) / np.array(latent.std))[:, list(latent.order)]  # [points, latents]
        known = np.concatenate([standard, np.ones((len(standard), 1))], axis=1)
        onto = np.linalg.lstsq(known, ground, rcond=None)[0]  # the projection of the map
        way = np.concatenate([scores, np.ones((len(scores), 1))], axis=1) @ onto
        axis.scatter(ground[:, 0], ground[:, 1], s=5, color=LINE)
        for k in range(0, len(ground), -(-len(ground) // MAX_LABELS)):
            axis.annotate(latent.map[k].label, ground[k], fontsize=5, color="#999999")
        title = "on the map of the training sounds"
    else:
        way = np.stack([scores[:, 0], scores[:, 1] if scores.shape[1] > 1 else np.zeros(len(scores))], axis=1)
        title = "on the two strongest latents"
    axis.plot(way[:, 0], way[:, 1], color="#f0f0f0", linewidth=0.6, alpha=0.7)
    axis.scatter(way[:, 0], way[:, 1], c=np.arange(len(way)), cmap="magma", s=4, zorder=3)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.scatter(*way[0], marker="o", s=40, facecolors="none", edgecolors=INK, zorder=4)
    _style_axes(axis, f"{title}; the ring marks its beginning", "", "")


def _spectrogram(axis: Any, spectrogram: LongSpectrogram, title: str) -> None:
    decibels = spectrogram.decibels()
    seconds = spectrogram.samples / spectrogram.rate
    extent = (0.0, seconds, -0.5, decibels.shape[0] - 0.5)
    axis.imshow(
        decibels, origin="lower", aspect="auto", cmap="magma", extent=extent, vmin=-RANGE_DB, vmax=0, rasterized=True
    )
    ticks = [hz for hz in TICKS_HZ if hz < spectrogram.rate / 2]
    axis.set_yticks([spectrogram.place_of(hz) for hz in ticks], [f"{hz / 1000:g}" for hz in ticks])
    _style_axes(axis, title, "s", "kHz")


def _style_axes(axis: Any, title: str, along: str, up: str) -> None:
    axis.set_facecolor("#000000")
    axis.set_title(title, fontsize=8, color=INK)
    axis.set_xlabel(along, fontsize=7, color=INK)
    axis.set_ylabel(up, fontsize=7, color=INK)
    axis.tick_params(colors=INK, labelsize=6)
    for spine in axis.spines.values():
        spine.set_color(LINE)


def _figure(wide: float, high: float) -> Figure:
    """Create a figure of a size in inches, without global state."""
    return Figure(figsize=(wide, high), dpi=DPI, facecolor=GROUND, layout="constrained")


def _save(figure: Figure, path: str | os.PathLike[str]) -> None:
    try:
        figure.savefig(Path(path), format="png", facecolor=GROUND)
    except OSError as error:
        raise PictureError(
            f"Cannot write the picture {path}: {error.strerror or error}; choose another path."
        ) from None
