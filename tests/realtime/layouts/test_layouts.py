"""A layout shows every parameter once, as the table has it, and nothing that the table hasn't."""

from __future__ import annotations

import json
import re
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from export.errors import GlitchError
from export.format.io import load
from realtime import Session
from realtime.layouts.layout_file import LayoutError, open_stage_control, touchosc, write_layout
from realtime.layouts.plan import COLUMNS, choices, label_of, pages, strip
from realtime.library.library import bundled_model
from realtime.params.table import Parameter, Table, row, table
from tests import reference
from tests.eventually import eventually

READINGS = {"/meter/rms", "/load", "/underruns"}
FX = (
    row("/fx/delay/time", "float", 1, 2000, 300, "ms", "deck", "Time of the echo.", curve="log"),
    row("/fx/delay/mix", "float", 0, 1, 0, "", "deck", 'How much of it <is> "mixed" & sent.'),
    row("/fx/delay/x", "float", 0, 1, 0, "", "deck", "A place."),
    row("/fx/delay/y", "float", 0, 1, 0, "", "deck", "A place."),
    row("/unheard/of", "int", 0, 5, 1, "", "host", "Something that nobody has thought of."),
)


def tables() -> dict[str, Table]:
    return {"bare": table(), "bundled": table(load(bundled_model())[1]), "fx": table(load(bundled_model())[1], FX)}


@pytest.fixture(scope="module", params=["bare", "bundled", "fx", "many"])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Table:
    if request.param == "many":
        model = reference.level_model(tmp_path_factory.mktemp("many") / "many.onnx", latents=40)
        return table(load(model)[1])
    return tables()[request.param]


def wanted(played: Table) -> dict[str, Parameter]:
    """Give what a controller can play, by its address on every deck."""
    rows = [entry for entry in played.by_index if entry.kind != "list"]
    decks = {f"/{letter}{entry.address}": entry for letter in "ab" for entry in rows if entry.where == "deck"}
    return decks | {entry.address: entry for entry in rows if entry.where != "deck"}


# The plan


def test_every_parameter_is_in_the_plan_once(played: Table) -> None:
    found = [entry.address for page in pages(played) for line in page.lines for group in line for entry in group.rows]
    found += [entry.address for entry in strip(played)]
    assert sorted(found) == sorted(wanted(played))


def test_no_line_is_wider_than_the_page(played: Table) -> None:
    for page in pages(played):
        assert all(0 < sum(group.columns for group in line) <= COLUMNS for line in page.lines)


def test_the_strongest_latents_come_first() -> None:
    first = pages(tables()["bundled"])[0].lines[0][0]
    assert [entry.address for entry in first.rows] == [f"/a/latent/{n}" for n in range(1, 9)]


def test_a_choice_has_the_names_that_its_text_gives() -> None:
    played = table()
    assert choices(played["/walk/kind"]) == {"linear": 0, "spherical": 1, "Brownian": 2}
    assert choices(played["/focus"]) == {"A": 0, "B": 1}
    assert list(choices(row("/n", "int", 0, 2, 0, "", "deck", "Nothing."))) == ["0 ", "1 ", "2 "]


def test_labels_omit_the_name_of_their_group() -> None:
    played = tables()["bundled"]
    assert label_of(played["/latent/3"]) == "timbre 3"
    assert label_of(played["/walk/speed"], "walk") == "speed"
    assert label_of(played["/gain"]) == "gain"


# Open Stage Control


def widgets(session: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give every widget of a session, containers included."""
    waiting = [session["content"]]
    while waiting:
        widget = waiting.pop()
        yield widget
        waiting += [*widget.get("widgets", []), *widget.get("tabs", [])]


def playing(session: dict[str, Any]) -> list[dict[str, Any]]:
    return [widget for widget in widgets(session) if widget.get("target")]


def test_open_stage_control_has_one_widget_for_each_parameter(played: Table) -> None:
    found = [widget["address"] for widget in playing(open_stage_control(played))]
    assert sorted(found) == sorted([*wanted(played), "/subscribe"])


def test_open_stage_controls_widgets_have_the_ranges_of_the_table(played: Table) -> None:
    rows = wanted(played)
    for widget in playing(open_stage_control(played)):
        if widget["address"] == "/subscribe":
            continue
        entry = rows[widget["address"]]
        assert widget["comments"] == entry.text
        if widget["type"] == "fader":
            assert (widget["range"], widget["default"]) == (
                {"min": entry.minimum, "max": entry.maximum},
                entry.default,
            )
            assert widget["logScale"] == (entry.curve == "log")
            assert round(entry.default, widget["decimals"]) == entry.default
        elif widget["type"] == "switch":
            assert list(widget["values"].values()) == list(range(int(entry.minimum), int(entry.maximum) + 1))
        elif widget["type"] == "input":
            assert re.fullmatch(widget["validation"], str(int(entry.maximum)))
            assert not re.fullmatch(widget["validation"], "-1")
        else:
            assert (widget["type"], widget["mode"]) == (
                "button",
                {"trigger": "momentary", "bool": "toggle"}[entry.kind],
            )


def test_open_stage_control_sends_nothing_but_parameters(played: Table) -> None:
    for widget in widgets(open_stage_control(played)):
        assert widget.get("bypass") or widget.get("target"), widget["id"]


def test_open_stage_control_uses_exactly_the_addresses_of_the_stage(played: Table) -> None:
    output = {widget["address"] for widget in widgets(open_stage_control(played)) if "address" in widget}
    assert output - READINGS - {"/subscribe"} == wanted(played).keys()


def test_open_stage_control_ids_are_unique_and_its_scripts_name_widgets_that_there_are(played: Table) -> None:
    found = list(widgets(open_stage_control(played)))
    ids = [widget["id"] for widget in found]
    assert len(set(ids)) == len(ids)
    for widget in found:
        assert set(re.findall(r"[sg]et\('([^']+)'", widget.get("onValue", ""))) <= set(ids)


def test_open_stage_control_sends_to_the_given_host_and_port(played: Table) -> None:
    session = open_stage_control(played, "192.168.1.20", 9100)
    assert {widget["target"] for widget in playing(session)} == {"192.168.1.20:9100"}
    assert "send('192.168.1.20:9100', '/subscribe', '/', 20)" in session["content"]["onCreate"]


def test_open_stage_control_has_containers_with_either_widgets_or_tabs(played: Table) -> None:
    for widget in widgets(open_stage_control(played)):
        inside = {"widgets", "tabs"} & widget.keys()
        assert len(inside) == (widget["type"] in ("root", "panel", "tab"))
        assert all(tab["type"] == "tab" for tab in widget.get("tabs", []))


def test_open_stage_control_round_trips_as_json(played: Table) -> None:
    session = open_stage_control(played)
    assert json.loads(json.dumps(session)) == session


def test_open_stage_controls_scripts_run_and_work(tmp_path: Path) -> None:
    """Run them with Node: following sends, a pad moves its faders, a fader its pad, and levels become decibels."""
    scripts = {w["id"]: w.get("onValue", "") for w in widgets(open_stage_control(table()))}
    scripts["root"] = open_stage_control(table())["content"]["onCreate"]
    check = tmp_path / "check.js"
    check.write_text(f"""
        const scripts = {json.dumps(scripts)}
        const run = (id, value) => {{
            const did = [], set = (...all) => did.push(all), send = (...all) => did.push(all), get = () => 0.25
            const later = (_id, call, _delay) => call()
            new Function('value', 'set', 'get', 'send', 'setTimeout', 'setInterval', scripts[id])(
                value, set, get, send, later, later)
            return did
        }}
        console.log(JSON.stringify([run('root'), run('a/xy/pad', [0.5, 1]), run('b/xy/x', 0.75), run('levels', [1, 0.1])
            , run('levels', 0)]))
    """)
    said = subprocess.run(["node", str(check)], capture_output=True, text=True, check=True, timeout=30).stdout
    follow, pad, fader, levels, silence = json.loads(said)
    assert follow == [["127.0.0.1:9000", "/subscribe", "/", 20]] * 2
    assert pad == [["a/xy/x", 0.5], ["a/xy/y", 1]]
    assert fader == [["b/xy/pad", [0.75, 0.25], {"send": False, "script": False}]]
    assert levels == [["meter/1", 0], ["meter/2", -20]]
    assert silence == [["meter/1", -60], ["meter/2", -60]]


# TouchOSC


def nodes(file: bytes) -> list[ElementTree.Element]:
    document = ElementTree.fromstring(zlib.decompress(file))
    assert (document.tag, document.get("version")) == ("lexml", "3")
    return list(document.iter("node"))


def sent(found: list[ElementTree.Element]) -> list[tuple[str, float, float, float]]:
    """Give what the controls send: address, range, and the value that they start with."""
    messages = []
    for node in found:
        start = {value.findtext("key"): value.findtext("default") for value in node.iterfind("values/value")}
        for message in node.iterfind("messages/osc"):
            address = message.findtext("path/partial/value")
            argument = message.find("arguments/partial")
            assert address is not None
            assert argument is not None
            low, high = float(argument.findtext("scaleMin") or ""), float(argument.findtext("scaleMax") or "")
            place = float(start[argument.findtext("value")] or "")
            messages.append((address, low, high, low + place * (high - low)))
    return messages


def test_touchosc_sends_each_parameter_from_one_control_in_its_range(played: Table) -> None:
    found = sent(nodes(touchosc(played)))
    rows = wanted(played)
    assert sorted(address for address, *_ in found) == sorted(rows)
    for address, low, high, start in found:
        entry = rows[address]
        assert (low, high) == (entry.minimum, entry.maximum)
        assert start == pytest.approx(entry.default, abs=1e-5 * (high - low))


def test_touchosc_ids_are_unique_and_stay_the_same(played: Table) -> None:
    ids = [node.get("ID") for node in nodes(touchosc(played))]
    assert len(set(ids)) == len(ids)
    assert touchosc(played) == touchosc(played)


def test_touchosc_controls_are_inside_their_parents_and_not_on_each_other(played: Table) -> None:
    for node in nodes(touchosc(played)):
        _, _, wide, tall = frame(node)
        children = [child for child in node.iterfind("children/node") if child.get("type") != "LABEL"]
        places = [frame(child) for child in children]
        assert all(x >= 0 and y >= 0 and x + w <= wide and y + h <= tall for x, y, w, h in places)
        assert all(w > 0 and h > 0 for _, _, w, h in places)
        if node.get("type") == "PAGER":  # its pages lie on each other
            continue
        for k, (x, y, w, h) in enumerate(places):
            for x2, y2, w2, h2 in places[:k]:
                assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def frame(node: ElementTree.Element) -> tuple[float, ...]:
    for entry in node.iterfind("properties/property"):
        if entry.findtext("key") == "frame":
            return tuple(float(entry.findtext(f"value/{field}") or "") for field in "xywh")
    raise AssertionError("a control without a place")


# Against the stage


@pytest.mark.plays
def test_the_stage_plays_every_address_of_a_layout_on_both_decks(models: dict[str, Path]) -> None:
    with Session(models["level"], device="null", library=models["level"].parent) as session:
        session.load("level", letter="b").result(60)
        eventually(lambda: "/b/latent/1" in session.addresses)
        played = table(load(models["level"])[1])
        for address, entry in wanted(played).items():
            assert session.addresses[address].kind == entry.kind
            if entry.where == "deck" and entry.kind != "trigger":
                session.set(address, entry.maximum)
                assert session.get(address) == entry.maximum


# Files


@pytest.mark.parametrize("kind", ["open-stage-control", "touchosc"])
def test_a_layout_is_written(tmp_path: Path, kind: str) -> None:
    write_layout(kind, table(), tmp_path / "layout")
    data = (tmp_path / "layout").read_bytes()
    assert json.loads(data) if kind == "open-stage-control" else nodes(data)


def test_an_unknown_kind_and_a_missing_folder_give_errors(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="no layout for 'lemur'; there are open-stage-control and touchosc"):
        write_layout("lemur", table(), tmp_path / "layout")
    with pytest.raises(GlitchError, match="cannot be written to .*layout: No such file"):
        write_layout("touchosc", table(), tmp_path / "nowhere" / "layout")
