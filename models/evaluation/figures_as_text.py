"""The figures of a report as text, for the terminal and the page: models beside their ceilings."""

from __future__ import annotations

from models.evaluation.evaluate import Report, Row
from models.evaluation.latent_probe import Dimension

HEAD = (
    "split",
    "label",
    "sounds",
    "Δ log-mel dB",
    "worst",
    "spectral conv. dB",
    "multi-res.",
    "pitch error cents",
    "worst",
    "> 25 cents",
    "pre-onset dB",
)
DIMENSION_HEAD = ("latent", "name", "usage", "effect dB", "level leak dB", "pitch leak cents", "centroid Hz")


def lines(report: Report) -> list[tuple[tuple[str, ...], bool]]:
    """Return the rows of a report, each with whether it is a whole split's; ceilings follow the row of their split."""
    found = []
    for row in report.rows:
        whole = row.label == "all"
        found.append((_cells(row, row.label), whole))
        if whole:
            found += [(_cells(report.row(row.split, ceiling=name), f"({name})"), False) for name in report.ceilings]
    return found


def dimension_lines(report: Report) -> list[tuple[str, ...]]:
    """Return a row for each latent, under `DIMENSION_HEAD`."""
    return [(str(k + 1), *_dimension(one)) for k, one in enumerate(report.dimensions)]


def sentences(report: Report) -> list[str]:
    """Return the remaining figures as sentences."""
    found = [
        f"decode {report.decode_ms:.3f} ms a frame of {report.hop_ms:.2f} ms, inversion {report.invert_ms:.3f} ms: "
        f"{100 * report.load:.1f} % of one core, {report.real_time:.0f} times real time; "
        f"encode {report.encode_ms:.3f} ms."
    ]
    if report.ceilings:
        found.append("In brackets: the same sounds, analysed and resynthesised in that way, without a network.")
    if report.dimensions:
        leak = f"moving one over ±2 σ changes the level by at most {report.level_leak_db:.2f} dB"
        if report.pitch_leak_cents is not None:
            leak += f" and the pitch by at most {report.pitch_leak_cents:.1f} cents"
        found.append(f"{report.active_units} of {len(report.dimensions)} latents are active; {leak}.")
    if report.unknown_pitch:
        found.append(
            f"The manifest gives no pitch for {report.unknown_pitch} of these sounds, so their pitch error cannot be "
            "measured (–)."
        )
    return found


def _cells(row: Row, label: str) -> tuple[str, ...]:
    share = "–" if row.over_25_cents is None else f"{100 * row.over_25_cents:.1f} %"
    return (
        row.split,
        label,
        str(row.sounds),
        f"{row.log_mel_db:.2f}",
        f"{row.log_mel_worst_db:.2f}",
        f"{row.spectral_convergence_db:.1f}",
        f"{row.multi_resolution:.2f}",
        _figure(row.pitch_cents),
        _figure(row.pitch_worst_cents),
        share,
        _figure(row.pre_onset_db),
    )


def _dimension(one: Dimension) -> tuple[str, ...]:
    usage = f"{one.usage:.2f}{'' if one.active else ' (idle)'}"
    leaks = f"{one.level_leak_db:.2f}", _figure(one.pitch_leak_cents)
    return one.name, usage, f"{one.effect_db:.1f}", *leaks, f"{one.centroid_hz:.0f}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
