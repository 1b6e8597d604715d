"""The plan of a layout as a TouchOSC file (`.tosc`, TouchOSC of 2021 and later).

A `.tosc` file is XML compressed by zlib: nodes with properties, values, messages and children. Values of controls are 0
to 1; messages scale them to the parameter's range. Source: TouchOSC's manual, and files written by it.
"""

from __future__ import annotations

import math
import uuid
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

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

REPLY_PORT = 9001  # port that TouchOSC listens on; its sending port is unknown

Color = tuple[float, float, float, float]
Frame = tuple[int, int, int, int]  # x, y, width, height

WIDTH, STRIP_HEIGHT, TAB_HEIGHT, PAGE_HEIGHT = 1280, 96, 48, 656
TITLE_HEIGHT, LABEL_HEIGHT, GAP = 18, 18, 6
CONTENT_HEIGHT = STRIP_HEIGHT + TAB_HEIGHT + PAGE_HEIGHT
DARK: Color = (0.06, 0.07, 0.08, 1)
GREY: Color = (0.6, 0.6, 0.62, 1)
RED: Color = (0.9, 0.2, 0.2, 1)
DECK_COLORS: dict[str, Color] = {"": (0.6, 0.62, 0.66, 1), "a": (0.25, 0.62, 0.95, 1), "b": (0.95, 0.62, 0.25, 1)}
IDS = uuid.UUID("5e0d7f0c-1c0a-5b0e-9d0e-3a7c8f2b6d41")  # names of nodes → their IDs, the same each time

# What the editor writes for every control, and for each kind of them.
LOOKS: dict[str, dict[str, Any]] = {
    "": {
        "background": True,
        "cornerRadius": 2.0,
        "grabFocus": True,
        "interactive": True,
        "locked": False,
        "orientation": 0,
        "outline": True,
        "outlineStyle": 1,
        "pointerPriority": 0,
        "shape": 1,
        "visible": True,
    },
    "BUTTON": {"valuePosition": False},
    "FADER": {
        "bar": True,
        "barDisplay": 0,
        "cursor": True,
        "cursorDisplay": 0,
        "gridColor": (0.0, 0.0, 0.0, 0.25),
        "responseFactor": 100,
    },
    "GROUP": {"grabFocus": False, "interactive": False, "outline": False, "outlineStyle": 0},
    "LABEL": {"background": False, "font": 0, "interactive": False, "outline": False, "textAlignH": 2, "textAlignV": 2}
    | {"textClip": True, "textLength": 0},
    "PAGER": {"grabFocus": False, "outline": False, "outlineStyle": 0},
    "XY": {
        "cursor": True,
        "cursorDisplay": 0,
        "gridColor": (0.0, 0.0, 0.0, 0.25),
        "gridStepsX": 10,
        "gridStepsY": 10,
        "gridX": True,
        "gridY": True,
        "lines": True,
        "linesDisplay": 0,
        "lockX": False,
        "lockY": False,
        "response": 0,
        "responseFactor": 100,
    },
}

SCRIPT = f"""
local asked = -{RENEW_MS}

function update()
  local now = getMillis()
  if now - asked >= {RENEW_MS} then
    asked = now
    sendOSC('/subscribe', '/', {RATE_HZ}, {REPLY_PORT})
  end
end

function onReceiveOSC(message, connections)
  if message[1] ~= '/meter/rms' then return false end
  local levels = message[2]
  for k = 1, 2 do
    local meter = self:findByName('meter ' .. k, true)
    local level = levels[math.min(k, #levels)]
    if meter and level then
      meter.values.x = math.max(0, 1 + 20 * math.log10(math.max(level.value, 0.001)) / 60)
    end
  end
  return true
end
"""


def touchosc(table: Table) -> bytes:
    """Make a TouchOSC layout (`.tosc`, TouchOSC of 2021 and later).

    Where glitch-live listens is set in TouchOSC's connections, with its own port for answers, 9001.

    Parameters
    ----------
    table
        The parameters of the model that will be played.

    Returns
    -------
    bytes
        The file: XML, compressed by zlib.

    See Also
    --------
    write_layout : Write it to a file.
    """
    frame = (0, STRIP_HEIGHT, WIDTH, TAB_HEIGHT + PAGE_HEIGHT)
    sheets = [_page(page) for page in pages(table)]
    bar = {"tabbar": True, "tabbarSize": TAB_HEIGHT, "tabLabels": True, "tabbarDoubleTap": False}
    sizes = {"textSizeOff": 18, "textSizeOn": 18}
    pager = _node("PAGER", "pages", frame, DARK, {**bar, **sizes}, values={"page": 0.0}, children=sheets)
    whole = (0, 0, WIDTH, CONTENT_HEIGHT)
    root = _node("GROUP", "glitch-live", whole, DARK, {"script": SCRIPT.strip()}, children=[_strip(table), pager])
    document = ElementTree.Element("lexml", version="3")
    document.append(root)
    return zlib.compress(ElementTree.tostring(document, encoding="UTF-8", xml_declaration=True))


def _strip(table: Table) -> ElementTree.Element:
    rows = strip(table)
    frame: Frame = (0, 0, WIDTH, STRIP_HEIGHT)
    meters, cells = [], []
    for k in (1, 2):
        place: Frame = (GAP + (k - 1) * 22, GAP, 18, STRIP_HEIGHT - 2 * GAP)
        meters.append(_node("FADER", f"meter {k}", place, (0.2, 0.7, 0.4, 1), {"interactive": False}, {"x": 0.0}))
    for row, (x, width) in zip(rows, _spread([weight_of(row) for row in rows], 60, WIDTH - GAP), strict=True):
        color = RED if row.address == "/panic" else DECK_COLORS[""]
        cells += _cell(row, (x, GAP, width, STRIP_HEIGHT - 2 * GAP), color, lying=True)
    return _node("GROUP", "strip", frame, DARK, children=[*meters, *cells])


def _page(page: Page) -> ElementTree.Element:
    color, nodes = DECK_COLORS[page.letter], []
    for line, (y, height) in zip(page.lines, _spread([1] * len(page.lines), GAP, PAGE_HEIGHT - GAP), strict=True):
        places = _spread([max(group.columns, 1) for group in line], GAP, WIDTH - GAP)
        for group, (x, width) in zip(line, places, strict=True):
            nodes += _group(group, (x, y, width, height), color)
    frame: Frame = (0, TAB_HEIGHT, WIDTH, PAGE_HEIGHT)
    tab = {"tabLabel": page.title, "tabColorOn": color, "tabColorOff": (0.15, 0.16, 0.18, 1.0)}
    return _node("GROUP", page.title, frame, DARK, tab, children=nodes)


def _group(group: Group, frame: Frame, color: Color) -> list[ElementTree.Element]:
    x, y, width, height = frame
    name = f"{group.rows[0].address} title"
    nodes = [_label(name, group.title, (x, y, width, TITLE_HEIGHT), 13, GREY)]
    y, height = y + TITLE_HEIGHT, height - TITLE_HEIGHT
    singles = [row for row in group.singles if row not in group.pad]
    weights = [4] * bool(group.pad) + [8] * bool(group.buttons) + [1] * len(singles)
    places = iter(_spread(weights, x, x + width))
    if group.pad:
        left, wide = next(places)
        nodes.append(_pad(group.pad, (left, y, wide, height - GAP), color))
    if group.buttons:
        left, wide = next(places)
        lines = math.ceil(len(group.buttons) / 8)
        for k, row in enumerate(group.buttons):
            tall = (height - GAP) // lines
            at: Frame = (left + k % 8 * (wide // 8), y + k // 8 * tall, wide // 8 - GAP, tall - GAP)
            nodes += _cell(row, at, color, group.title)
    for row, (left, wide) in zip(singles, places, strict=True):
        nodes += _cell(row, (left, y, wide, height - GAP), color, group.title)
    return nodes


def _cell(
    row: Parameter, frame: Frame, color: Color, title: str = "", *, lying: bool = False
) -> list[ElementTree.Element]:
    """Return a control with its label below it, or on it for a button."""
    x, y, width, height = frame
    label, shape = label_of(row, title), shape_of(row)
    if shape in ("button", "switch"):
        kind = {"buttonType": 0 if shape == "button" else 2, "press": True, "release": shape == "switch"}
        condition = "RISE" if shape == "button" else "ANY"
        message = _message(row, "x", condition)
        start = {"x": float(row.default)}
        button = _node("BUTTON", row.address, frame, color, kind, start, [message])
        return [button, _label(f"{row.address} label", label, frame, 14, (1, 1, 1, 1))]
    steps = len(choices(row)) if shape == "choice" else 13
    look = {"orientation": 1 if lying else 0, "gridSteps": steps, "grid": shape == "choice", "response": 1}
    if row.minimum < 0 < row.maximum and row.minimum == -row.maximum:
        look["centered"] = True
    tall = height - LABEL_HEIGHT
    fader = _node("FADER", row.address, (x, y, width, tall), color, look, {"x": _share(row)}, [_message(row, "x")])
    return [fader, _label(f"{row.address} label", label, (x, y + tall, width, LABEL_HEIGHT), 12, GREY)]


def _pad(pad: Sequence[Parameter], frame: Frame, color: Color) -> ElementTree.Element:
    axes = dict(zip("xy", pad, strict=True))
    start = {axis: _share(row) for axis, row in axes.items()}
    messages = [_message(row, axis) for axis, row in axes.items()]
    return _node("XY", pad_name(pad), frame, color, {}, start, messages)


def _label(name: str, text: str, frame: Frame, size: int, color: Color) -> ElementTree.Element:
    return _node("LABEL", name, frame, DARK, {"textColor": color, "textSize": size}, {"text": text})


def _share(row: Parameter) -> float:
    """Return the position of a parameter's default in its range, 0 to 1."""
    return (row.default - row.minimum) / (row.maximum - row.minimum)


def _spread(weights: Sequence[int], start: int, end: int) -> list[tuple[int, int]]:
    """Divide a length by weights, with gaps between; return start and length of each part."""
    total, passed, parts = sum(weights), 0, []
    for weight in weights:
        first, passed = passed, passed + weight
        left, right = (start + (end - start) * mark // total for mark in (first, passed))
        parts.append((left, right - left - GAP))
    return parts


def _node(
    kind: str,
    name: str,
    frame: Frame,
    color: Color,
    properties: Mapping[str, Any] | None = None,
    values: Mapping[str, float | str] | None = None,
    messages: Iterable[ElementTree.Element] = (),
    children: Iterable[ElementTree.Element] = (),
) -> ElementTree.Element:
    node = ElementTree.Element("node", ID=str(uuid.uuid5(IDS, f"{kind} {name}")), type=kind)
    look = {**LOOKS[""], **LOOKS[kind], "name": name, "frame": frame, "color": color, **(properties or {})}
    holder = ElementTree.SubElement(node, "properties")
    for key, value in sorted(look.items()):
        holder.append(_property(key, value))
    holder = ElementTree.SubElement(node, "values")
    for key, start in {"touch": "false", **(values or {})}.items():
        holder.append(_fields("value", key=key, locked=0, lockedDefaultCurrent=0, default=start, defaultPull=0))
    for tag, parts in (("messages", messages), ("children", children)):
        ElementTree.SubElement(node, tag).extend(parts)
    return node


def _property(key: str, value: Any) -> ElementTree.Element:
    """Write a property with the type of its value; four numbers are a frame or a colour."""
    if isinstance(value, tuple):
        kind, fields = ("r", "xywh") if key == "frame" else ("c", "rgba")
    else:
        kind, fields = {bool: "b", int: "i", float: "f", str: "s"}[type(value)], ""
    made = ElementTree.Element("property", type=kind)
    ElementTree.SubElement(made, "key").text = key
    holder = ElementTree.SubElement(made, "value")
    if fields:
        for field, number in zip(fields, value, strict=True):
            ElementTree.SubElement(holder, field).text = f"{number:g}"
    else:
        holder.text = str(int(value)) if isinstance(value, bool) else str(value)
    return made


def _message(row: Parameter, axis: str, condition: str = "ANY") -> ElementTree.Element:
    """Write the message that a control sends when an axis moves, and that it follows when received."""
    receives = int(row.kind != "trigger")
    message = _fields("osc", enabled=1, send=1, receive=receives, feedback=0, connections="11111")
    ElementTree.SubElement(message, "triggers").append(_fields("trigger", var=axis, condition=condition))
    path = _fields("partial", type="CONSTANT", conversion="STRING", value=row.address, scaleMin=0, scaleMax=1)
    ElementTree.SubElement(message, "path").append(path)
    low, high = f"{row.minimum:g}", f"{row.maximum:.10g}"
    value = _fields("partial", type="VALUE", conversion="FLOAT", value=axis, scaleMin=low, scaleMax=high)
    ElementTree.SubElement(message, "arguments").append(value)
    return message


def _fields(tag: str, **fields: object) -> ElementTree.Element:
    made = ElementTree.Element(tag)
    for name, value in fields.items():
        ElementTree.SubElement(made, name).text = f"{value:g}" if isinstance(value, float) else str(value)
    return made
