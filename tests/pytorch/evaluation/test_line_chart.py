import math
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytorch.evaluation.line_chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, line_chart

values = st.floats(-1e9, 1e9).map(lambda value: round(value, 3))
points = st.lists(st.tuples(values, values), max_size=20)


def draw(series):
    return ElementTree.fromstring(line_chart(series, title="Loss & more", x_label="epoch"))


def dots(chart):
    return [(float(dot.get("cx")), float(dot.get("cy"))) for dot in chart.iter("circle")]


def labels(chart, anchor):
    return [each.text for each in chart.iter("text") if each.get("text-anchor") == anchor]


def test_points_lie_where_their_values_belong():
    across, down = zip(*dots(draw({"loss": [(1, 4.0), (2, 3.0), (5, 2.0)]})), strict=True)
    assert across == (LEFT, pytest.approx(LEFT + (WIDTH - RIGHT - LEFT) / 4), WIDTH - RIGHT)
    middle = (TOP + HEIGHT - BOTTOM) / 2
    assert down == (TOP, pytest.approx(middle), HEIGHT - BOTTOM)


def test_a_line_joins_the_points_in_their_order():
    chart = draw({"loss": [(1, 1.0), (2, 3.0), (3, 2.0)]})
    assert chart.find(".//polyline").get("points") == " ".join(f"{x},{y}" for x, y in dots(chart))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), points))
def test_every_point_is_within_the_chart(series):
    chart = draw(series)
    drawn = dots(chart)
    assert len(drawn) == sum(map(len, series.values()))
    for x, y in drawn:
        assert LEFT <= x <= WIDTH - RIGHT
        assert TOP <= y <= HEIGHT - BOTTOM
    assert 2 <= len(labels(chart, "end")) <= 8


@settings(deadline=None)
@given(values, st.floats(1e-3, 1e6))
def test_the_values_at_the_side_have_equal_steps_and_span_the_points(low, width):
    ticks = list(map(float, labels(draw({"a": [(0, low), (1, low + width)]}), "end")))
    if len(set(ticks)) == len(ticks) and width > abs(low) / 100:  # enough digits are written
        steps = [second - first for first, second in pairwise(ticks)]
        assert steps == pytest.approx([steps[0]] * len(steps), rel=0.05)
        assert ticks[0] <= low + steps[0] / 100
        assert ticks[-1] >= low + width - steps[0] / 100


def test_epochs_are_written_below():
    chart = draw({"loss": [(epoch, 1 / epoch) for epoch in range(1, 6)]})
    assert labels(chart, "middle") == ["1", "2", "3", "4", "5", "epoch"]


def test_many_epochs_are_not_all_written():
    chart = draw({"loss": [(epoch, 1 / epoch) for epoch in range(1, 101)]})
    assert 8 <= len(labels(chart, "middle")) <= 13


def test_points_that_are_not_finite_are_left_out():
    series = {"loss": [(1, 2.0), (2, math.nan), (3, math.inf), (math.nan, 1.0), (4, 1.0)]}
    assert dots(draw(series)) == dots(draw({"loss": [(1, 2.0), (4, 1.0)]}))


@pytest.mark.parametrize("series", [{}, {"loss": []}, {"loss": [(1, math.nan)]}])
def test_a_chart_of_nothing_has_axes(series):
    chart = draw(series)
    assert dots(chart) == []
    assert labels(chart, "end")[0] == "0"
    assert labels(chart, "end")[-1] == "1"


def test_the_legend_has_the_last_value_of_each_series():
    chart = draw({"train <loss>": [(1, 2.5), (2, 2.25)], "dev": []})
    assert ["".join(item.itertext()) for item in chart.iter("li")] == ["train <loss> 2.25", "dev"]


def test_series_differ_in_style_and_a_seventh_repeats_the_first():
    chart = draw({str(number): [(1, number)] for number in range(7)})
    styles = [line.get("class") for line in chart.findall(".//g[polyline]")]
    assert len(set(styles)) == 6
    assert styles[6] == styles[0]


def test_a_chart_has_its_title_for_all_readers():
    chart = draw({})
    assert chart.find("figcaption").text == "Loss & more"
    assert chart.find("svg").get("aria-label") == "Loss & more"
