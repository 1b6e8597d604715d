import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.report import svg_charts
from models.report.svg_charts import Curve, Point

SVG = "{http://www.w3.org/2000/svg}"
FINITE = st.floats(-1e6, 1e6)


def drawn(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def places(element: ET.Element) -> list[tuple[float, float]]:
    return [tuple(map(float, pair.split(","))) for pair in element.attrib["points"].split()]  # type: ignore[misc]


@given(st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=20))
def test_every_point_is_on_the_chart(values: list[tuple[float, float]]) -> None:
    svg = svg_charts.curves([Curve("a", *zip(*values, strict=True))], title="t", x_label="x", y_label="y")
    (line,) = drawn(svg).iter(f"{SVG}polyline")
    for x, y in places(line):
        assert 0 <= x <= svg_charts.WIDTH
        assert 0 <= y <= svg_charts.HEIGHT


def test_higher_values_are_higher_and_nonfinite_ones_are_left_out() -> None:
    curve = Curve("a", [1, 2, 3, 4], [0.0, 1.0, math.nan, 2.0])
    (line,) = drawn(svg_charts.curves([curve], title="t", x_label="x", y_label="y")).iter(f"{SVG}polyline")
    heights = [y for _, y in places(line)]
    assert len(heights) == 3
    assert heights == sorted(heights, reverse=True)


def test_groups_have_different_colours_and_names_are_escaped() -> None:
    made = svg_charts.points(
        [Point(0, 0, "<a>", "one & only"), Point(1, 1, "b", "two")], title="t", x_label="x", y_label="y"
    )
    root = drawn(made)
    colours = [circle.attrib["fill"] for circle in root.iter(f"{SVG}circle")]
    assert len(set(colours)) == 2
    assert "one & only" in [element.text for element in root.iter(f"{SVG}title")]
    assert "<a>" in [element.text for element in root.iter(f"{SVG}text")]


def test_a_bar_is_as_tall_as_its_value() -> None:
    bars = list(drawn(svg_charts.bars([1.0, 2.0, 0.0], title="t", x_label="x", y_label="y")).iter(f"{SVG}rect"))
    heights = [float(bar.attrib["height"]) for bar in bars]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    assert heights[2] == 0


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_round_and_within_the_range(low: float, width: float) -> None:
    found = svg_charts.ticks(low, low + width)
    assert 2 <= len(found) <= 7
    assert all(low - 1e-6 * width <= value <= low + width * (1 + 1e-6) for value in found)


def test_a_chart_without_data_is_empty() -> None:
    assert not list(drawn(svg_charts.points([], title="t", x_label="x", y_label="y")).iter(f"{SVG}circle"))
