"""The plan of a layout as a session of Open Stage Control (1.24 and later).

The session is JSON: widgets within panels within tabs, each with the properties of its type; omitted ones have their
defaults. Source: the widgets' declarations in Open Stage Control's own code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from realtime.layouts.plan import (
    RATE_HZ,
    RENEW_MS,
    Group,
    Page,
    choices,
    label_of,
    pad_name,
    pages,
    shape_of,
    strip,
    weight_of,
)
from realtime.params.table import Parameter, Table

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 9000

Widget = dict[str, Any]  # its properties

DECK_COLORS = {"": "#c8c8c8", "a": "#4fb3ff", "b": "#ffb04f"}
STYLE = """
.html {line-height: 15rem; font-size: 11rem; white-space: nowrap; pointer-events: auto; opacity: 0.85}
.panel-container > .html {text-align: left; padding: 0 6rem; opacity: 0.6}
"""


def open_stage_control(table: Table, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> dict[str, Any]:
    """Make a session of Open Stage Control.

    Parameters
    ----------
    table
        Parameters of the model to play.
    host, port
        Address of glitch-live, as seen from the computer that runs Open Stage Control.

    Returns
    -------
    dict
        The session, to be written as JSON.

    See Also
    --------
    write_layout : Write it to a file.
    """
    target = f"{host}:{port}"
    tabs = [_page(page, target, number) for number, page in enumerate(pages(table))]
    body = _panel("pages", "vertical", expand=True, tabs=tabs)
    root: Widget = {
        "type": "root",
        "id": "root",
        "colorBg": "#101214",
        "colorText": "#d8d8d8",
        "layout": "vertical",
        "padding": 4,
        "scroll": False,
        "bypass": True,
        "css": STYLE,
        "onCreate": _following(target),
        "widgets": [_strip(table, target), body],
    }
    return {"createdWith": "Open Stage Control", "version": "1.30.0", "type": "session", "content": root}


def _following(target: str) -> str:
    return (
        f"var follow = () => send('{target}', '/subscribe', '/', {RATE_HZ})\n"
        "setTimeout('first', follow, 500)\n"
        f"setInterval('again', follow, {RENEW_MS})\n"
    )


def _strip(table: Table, target: str) -> Widget:
    """Return the strip: parameters for every page, and readings."""
    shown = [_widget(row, target, horizontal=shape_of(row) == "fader", expand=weight_of(row)) for row in strip(table)]
    for widget in shown:
        if widget["address"] == "/panic":
            widget |= {"colorWidget": "#ff4040", "alphaFillOff": 0.5}
    follow: Widget = {
        "type": "button",
        "id": "follow",
        "label": "follow",
        "mode": "momentary",
        "address": "/subscribe",
        "preArgs": ["/", RATE_HZ],
        "typeTags": "si",
        "target": target,
        "ignoreDefaults": True,
        "expand": 1,
        "comments": "Ask for all values once more; this happens by itself every 20 seconds.",
    }
    readings = [
        {"type": "text", "id": name, "address": f"/{name}", "bypass": True, "html": name, "expand": 1, "decimals": 2}
        for name in ("load", "underruns")
    ]
    return _panel("strip", "horizontal", height=84, widgets=[*_meters(), *shown, *readings, follow])


def _meters() -> list[Widget]:
    """Return two meters in dB, and the script that receives the levels."""
    names = ("meter/1", "meter/2")
    levels = "var levels = [].concat(value)\n" + "".join(
        f"set('{name}', 20 * Math.log10(Math.max(levels[Math.min({k}, levels.length - 1)] || 0, 0.001)))\n"
        for k, name in enumerate(names)
    )
    meters: list[Widget] = [
        {
            "type": "fader",
            "id": name,
            "design": "compact",
            "interaction": False,
            "bypass": True,
            "width": 22,
            "range": {"min": -60, "max": 0},
            "default": -60,
            "gradient": {"0": "#2fae62", "0.75": "#d8c34a", "1": "#ff4040"},
            "alphaFillOn": 0.9,
            "knobSize": 1,
        }
        for name in names
    ]
    return [{"type": "variable", "id": "levels", "address": "/meter/rms", "bypass": True, "onValue": levels}, *meters]


def _page(page: Page, target: str, number: int) -> Widget:
    lines = []
    for k, line in enumerate(page.lines):
        groups = [_group(group, target, f"page {number} line {k} group {j}") for j, group in enumerate(line)]
        height: Widget = {"expand": True} if len(page.lines) <= 4 else {"height": 200}
        lines.append(_panel(f"page {number} line {k}", "horizontal", widgets=groups, alphaStroke=0, **height))
    return {
        **_panel(f"page {number}", "vertical", widgets=lines, contain=len(lines) <= 4, scroll=len(lines) > 4),
        "type": "tab",
        "label": page.title,
        "colorWidget": DECK_COLORS[page.letter],
    }


def _group(group: Group, target: str, name: str) -> Widget:
    cells = [_widget(row, target, group.title, expand=1) for row in group.singles]
    if group.buttons:
        grid = [_widget(row, target, group.title) for row in group.buttons]
        cells.insert(0, _panel(f"{name} buttons", "grid", widgets=grid, gridTemplate=8, expand=8, alphaStroke=0))
    if group.pad:
        cells.insert(0, _pad(group.pad))
        ids = [row.address.strip("/") for row in group.pad]
        for widget in cells:
            if widget["id"] in ids:  # what the pad follows, and is followed by
                values = ", ".join("value" if own == widget["id"] else f"get('{own}')" for own in ids)
                widget["onValue"] = f"set('{pad_name(group.pad)}', [{values}], {{send: false, script: false}})"
    return _panel(name, "horizontal", widgets=cells, html=escape(group.title), expand=max(group.columns, 1))


def _pad(pad: Sequence[Parameter]) -> Widget:
    """Return a pad that moves the two faders beside it, which send."""
    x, y = pad
    moves = "\n".join(f"set('{row.address.strip('/')}', value[{k}])" for k, row in enumerate(pad))
    return {
        "type": "xy",
        "id": pad_name(pad),
        "bypass": True,
        "rangeX": {"min": _plain(x.minimum), "max": _plain(x.maximum)},
        "rangeY": {"min": _plain(y.minimum), "max": _plain(y.maximum)},
        "default": [_plain(x.default), _plain(y.default)],
        "decimals": _decimals(x),
        "pips": False,
        "pointSize": 24,
        "snap": True,
        "expand": 4,
        "onValue": moves,
        "comments": f"{x.text} {y.text}",
    }


def _widget(row: Parameter, target: str, title: str = "", **more: Any) -> Widget:
    """Return the widget of a parameter."""
    label, shape = label_of(row, title), shape_of(row)
    unit = f" {row.unit}" if row.unit else ""
    tip = f'<div title="{escape(row.text)}">{escape(label)}'
    widget: Widget = {
        "id": row.address.strip("/"),
        "address": row.address,
        "target": target,
        "ignoreDefaults": True,
        "typeTags": "f" if row.kind == "float" else "i",
        "decimals": _decimals(row),
        "comments": row.text,
        **more,
    }
    if shape == "button":
        return widget | {"type": "button", "mode": "momentary", "label": label, "wrap": "soft", "typeTags": ""}
    if shape == "switch":
        return (
            widget
            | {"type": "button", "mode": "toggle", "label": label, "wrap": "soft", "on": 1, "off": 0}
            | {"default": _plain(row.default)}
        )
    widget |= {"default": _plain(row.default), "html": f"{tip}</div>"}
    if shape == "choice":
        return widget | {"type": "switch", "values": choices(row), "layout": "vertical", "mode": "tap"}
    if shape == "number":
        digits = len(str(round(row.maximum)))
        return widget | {"type": "input", "numeric": True, "validation": f"[0-9]{{1,{digits}}}", "unit": row.unit}
    return widget | {
        "type": "fader",
        "design": "compact",
        "range": {"min": _plain(row.minimum), "max": _plain(row.maximum)},
        "origin": _plain(min(max(0.0, row.minimum), row.maximum)),
        "logScale": row.curve == "log",
        "doubleTap": True,
        "html": f"{tip}<br>@{{this}}{escape(unit)}</div>",
    }


def _panel(name: str, layout: str, **more: Any) -> Widget:
    return {"type": "panel", "id": name, "layout": layout, "padding": 4, "scroll": False, "bypass": True} | more


def _decimals(row: Parameter) -> int:
    """Return the number of decimals for about four thousand steps, the resolution of a finger."""
    if row.kind != "float":
        return 0
    return max(0, math.ceil(math.log10(4000 / (row.maximum - row.minimum))))


def _plain(value: float) -> float | int:
    return int(value) if value == int(value) else value
