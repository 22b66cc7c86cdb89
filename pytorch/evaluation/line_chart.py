"""Line charts for reports, as SVG within the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pytorch.evaluation.html_report import Html, element, text

# Size and margins in the units of the viewBox.
WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 12, 44
MOST_X_LABELS = 12
STYLES = 6  # of lines, as html_report.html has them; a seventh line begins again with the first

Points = Sequence[tuple[float, float]]


def line_chart(series: Mapping[str, Points], *, title: str, x_label: str) -> Html:
    """A chart of named series of (x, y) points, with their last values in its legend.

    Points that are not finite are left out.
    """
    lines = {
        name: [point for point in points if all(map(math.isfinite, point))]
        for name, points in series.items()
    }
    xs = sorted({x for line in lines.values() for x, _ in line})
    y_ticks = _ticks(*_span([y for line in lines.values() for _, y in line]))
    plane = _Plane(*_span(xs), y_ticks[0], y_ticks[-1])
    styles = [f"series-{number % STYLES + 1}" for number in range(len(lines))]
    drawn = [
        *_axes(plane, xs, y_ticks, x_label),
        *(
            _line(plane, name, line, style)
            for (name, line), style in zip(lines.items(), styles, strict=True)
        ),
    ]
    legend = (
        _legend_item(f"{name} {line[-1][1]:.4g}" if line else name, style)
        for (name, line), style in zip(lines.items(), styles, strict=True)
    )
    return element(
        "figure",
        element("figcaption", text(title)),
        element("ul", *legend, class_="legend"),
        element("svg", *drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=title),
        class_="chart",
    )


class _Plane(NamedTuple):
    """The values at the chart's edges."""

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


def _axes(plane: _Plane, xs: Sequence[float], y_ticks: Sequence[float], x_label: str) -> list[Html]:
    """Lines across at the ticks, and labels at these, at some of the x values and below."""
    drawn = []
    for tick in y_ticks:
        y = plane.down(tick)
        drawn.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        drawn.append(_label(LEFT - 8, y + 4, f"{tick:g}", anchor="end"))
    for x in xs[:: math.ceil(len(xs) / MOST_X_LABELS) or 1]:
        drawn.append(_label(plane.across(x), HEIGHT - BOTTOM + 18, f"{x:g}", anchor="middle"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    return [*drawn, _label(middle, HEIGHT - 6, x_label, anchor="middle")]


def _label(x: float, y: float, value: str, *, anchor: str) -> Html:
    return element("text", text(value), x=x, y=y, text_anchor=anchor)


def _line(plane: _Plane, name: str, points: Points, style: str) -> Html:
    """A line with a dot at each point, which tells its values where the pointer rests on it."""
    places = [(plane.across(x), plane.down(y)) for x, y in points]
    path = " ".join(f"{across},{down}" for across, down in places)
    dots = (
        element(
            "g",
            element("title", text(f"{name}, {x:g}: {y:.4g}")),
            element("circle", cx=across, cy=down, r=2.5),
        )
        for (x, y), (across, down) in zip(points, places, strict=True)
    )
    return element("g", element("polyline", points=path), *dots, class_=style)


def _legend_item(name: str, style: str) -> Html:
    sample = element("line", x1=0, x2=28, y1=6, y2=6, stroke_width=2, class_=style)
    return element(
        "li", element("svg", sample, viewBox="0 0 28 12", aria_hidden="true"), text(name)
    )


def _span(values: Sequence[float]) -> tuple[float, float]:
    """The lowest and the highest value, some way apart in any case."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    margin = 0.0 if low < high else abs(low) / 10 or 0.5
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers at equal steps, from `low` or just below to `high` or above."""
    rough = (high - low) / 5
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = magnitude * next(factor for factor in (1, 2, 5, 10) if factor * magnitude >= rough)
    return [number * step for number in range(math.floor(low / step), math.ceil(high / step) + 1)]
