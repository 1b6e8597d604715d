"""SVG charts without a plotting library: curves, points and bars."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 480, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 26, 40
_GOLDEN_ANGLE = 137.508
_MAX_LEGEND = 16
_MAX_DOTS = 24


@dataclass(frozen=True)
class Curve:
    """A named line through points."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Point:
    """A point of a group, with a tooltip."""

    x: float
    y: float
    group: str
    text: str


@dataclass(frozen=True)
class _Frame:
    """Mapping from values to positions on the chart."""

    low: tuple[float, float]
    high: tuple[float, float]

    def x(self, value: float) -> float:
        return _LEFT + (value - self.low[0]) / (self.high[0] - self.low[0]) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - _BOTTOM - (value - self.low[1]) / (self.high[1] - self.low[1]) * (HEIGHT - _TOP - _BOTTOM)


def curves(lines: Sequence[Curve], *, title: str, x_label: str, y_label: str) -> str:
    """Draw curves in one chart as SVG; values that are not finite are left out."""
    kept = [
        (line.name, [(x, y) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(x) and math.isfinite(y)])
        for line in lines
    ]
    frame = _frame([point for _, points in kept for point in points])
    drawn = []
    for k, (_, points) in enumerate(kept):
        path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour(k)}" stroke-width="1.6"/>')
        if len(points) <= _MAX_DOTS:
            drawn += [
                f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="2.5" fill="{colour(k)}"/>' for x, y in points
            ]
    return _svg(title, [*_axes(frame, x_label, y_label), *drawn, *_legend([name for name, _ in kept])])


def points(given: Sequence[Point], *, title: str, x_label: str, y_label: str) -> str:
    """Draw points as SVG, each group in its own colour."""
    groups = list(dict.fromkeys(point.group for point in given))
    number = {group: k for k, group in enumerate(groups)}
    frame = _frame([(point.x, point.y) for point in given])
    drawn = [
        f'<circle cx="{frame.x(point.x):.1f}" cy="{frame.y(point.y):.1f}" r="3.2" fill="{colour(number[point.group])}" '
        f'fill-opacity=".75"><title>{escape(point.text)}</title></circle>'
        for point in given
    ]
    return _svg(title, [*_axes(frame, x_label, y_label), *drawn, *_legend(groups)])


def bars(values: Sequence[float], *, title: str, x_label: str, y_label: str) -> str:
    """Draw a bar for each value as SVG, numbered from 1."""
    frame = _Frame((0.5, 0.0), (len(values) + 0.5, max([*values, 1e-9]) * 1.05))
    wide = 0.8 * (frame.x(1) - frame.x(0))
    drawn = [
        f'<rect x="{frame.x(k) - wide / 2:.1f}" y="{frame.y(value):.1f}" width="{wide:.1f}" '
        f'height="{frame.y(0) - frame.y(value):.1f}" fill="{colour(0)}"><title>{k}: {value:.3g}</title></rect>'
        for k, value in enumerate(values, 1)
    ]
    return _svg(title, [*_axes(frame, x_label, y_label), *drawn])


def colour(number: int) -> str:
    """Return a colour that differs from those of lower numbers, as #rrggbb."""
    red, green, blue = colorsys.hls_to_rgb((210 + number * _GOLDEN_ANGLE) % 360 / 360, 0.45, 0.65)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers between two."""
    rough = (high - low) / max(1, count)
    unit = 10 ** math.floor(math.log10(rough))
    step = unit * next(nice for nice in (1, 2, 5, 10) if nice * unit >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _frame(points: Sequence[tuple[float, float]]) -> _Frame:
    """Enclose points with a margin."""
    if not points:
        return _Frame((0.0, 0.0), (1.0, 1.0))
    (x_low, x_high), (y_low, y_high) = ((min(values), max(values)) for values in zip(*points, strict=True))
    x_room = 0.02 * (x_high - x_low) or max(1e-6, 0.05 * abs(x_low))
    y_room = 0.05 * (y_high - y_low) or max(1e-6, 0.05 * abs(y_low))
    return _Frame((x_low - x_room, y_low - y_room), (x_high + x_room, y_high + y_room))


def _axes(frame: _Frame, x_label: str, y_label: str) -> list[str]:
    left, right, top, bottom = _LEFT, WIDTH - _RIGHT, _TOP, HEIGHT - _BOTTOM
    drawn = [f'<path d="M{left},{top}V{bottom}H{right}" fill="none" stroke="#888"/>']
    across, up = ticks(frame.low[0], frame.high[0]), ticks(frame.low[1], frame.high[1])
    drawn += [_text(frame.x(value), bottom + 15, f"{value:.6g}", "middle") for value in across]
    for value in up:
        y = frame.y(value)
        drawn.append(f'<path d="M{left},{y:.1f}H{right}" stroke="#8884" stroke-width=".5"/>')
        drawn.append(_text(left - 5, y + 4, f"{value:.6g}", "end"))
    drawn.append(_text((left + right) / 2, HEIGHT - 6, x_label, "middle"))
    turned = f'transform="rotate(-90 12 {(top + bottom) / 2:.0f})"'
    drawn.append(_text(12, (top + bottom) / 2, y_label, "middle", turned))
    return drawn


def _legend(names: Sequence[str]) -> list[str]:
    if len(names) < 2 or len(names) > _MAX_LEGEND:
        return []
    return [
        _text(WIDTH - _RIGHT - 4, _TOP + 12 + 14 * k, name, "end", f'style="fill:{colour(k)}"')
        for k, name in enumerate(names)
    ]


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'


def _svg(title: str, drawn: Sequence[str]) -> str:
    style = 'font-family="system-ui,sans-serif" font-size="11" fill="#777"'
    heading = f'<text x="{_LEFT}" y="15" font-size="13">{escape(title)}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f"{style}>{heading}{''.join(drawn)}</svg>"
    )
