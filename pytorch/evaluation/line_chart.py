"""Line charts for reports, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from pytorch.evaluation.html_report import render

# Size and margins in the units of the viewBox.
WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 12, 44
MOST_X_LABELS = 12
STYLES = 6  # of lines, defined in templates/page.html; a seventh line looks like the first

Points = Sequence[tuple[float, float]]


def line_chart(series: Mapping[str, Points], *, title: str, x_label: str) -> Markup:
    """Draw a chart of named series, with their last values in the legend.

    Args:
        series: The (x, y) points of each series. Points that are not finite are left out.
        title: Stands above the chart.
        x_label: Stands below the x axis.
    """
    finite = {
        name: [point for point in points if all(map(math.isfinite, point))]
        for name, points in series.items()
    }
    xs = sorted({x for points in finite.values() for x, _ in points})
    y_ticks = _ticks(*_span([y for points in finite.values() for _, y in points]))
    plane = _Plane(*_span(xs), y_ticks[0], y_ticks[-1])
    lines = [_line(plane, *item, number) for number, item in enumerate(finite.items())]
    return render(
        "line_chart.html",
        title=title,
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        grid=map(plane.down, y_ticks),
        labels=_labels(plane, xs, y_ticks, x_label),
        lines=lines,
    )


class _Plane(NamedTuple):
    """The values at the chart's edges, and where others lie between them."""

    left: float
    right: float
    bottom: float
    top: float

    def across(self, x: float) -> float:
        share = (x - self.left) / (self.right - self.left)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def down(self, y: float) -> float:
        share = (self.top - y) / (self.top - self.bottom)
        return round(TOP + share * (HEIGHT - TOP - BOTTOM), 1)


class _Label(NamedTuple):
    x: float
    y: float
    text: str
    anchor: str


class _Dot(NamedTuple):
    x: float
    y: float
    title: str


class _Line(NamedTuple):
    legend: str
    style: str
    dots: list[_Dot]


def _labels(
    plane: _Plane, xs: Sequence[float], y_ticks: Sequence[float], x_label: str
) -> list[_Label]:
    """Place the labels: one at each tick, at some of the x values, and one below these."""
    labels = [_Label(LEFT - 8, plane.down(tick) + 4, f"{tick:g}", "end") for tick in y_ticks]
    for x in xs[:: math.ceil(len(xs) / MOST_X_LABELS) or 1]:
        labels.append(_Label(plane.across(x), HEIGHT - BOTTOM + 18, f"{x:g}", "middle"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    return [*labels, _Label(middle, HEIGHT - 6, x_label, "middle")]


def _line(plane: _Plane, name: str, points: Points, number: int) -> _Line:
    dots = [_Dot(plane.across(x), plane.down(y), f"{name}, {x:g}: {y:.4g}") for x, y in points]
    legend = f"{name} {points[-1][1]:.4g}" if points else name
    return _Line(legend, f"series-{number % STYLES + 1}", dots)


def _span(values: Sequence[float]) -> tuple[float, float]:
    """Return the lowest and the highest value, or limits around a single value."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    margin = 0.0 if low < high else abs(low) / 10 or 0.5
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers at equal steps that enclose `low` and `high`."""
    rough = (high - low) / 5
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = magnitude * next(factor for factor in (1, 2, 5, 10) if factor * magnitude >= rough)
    return [number * step for number in range(math.floor(low / step), math.ceil(high / step) + 1)]
