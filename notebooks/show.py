"""Shows pieces of `pytorch/evaluation/html_report.py` in a notebook."""

from __future__ import annotations

from IPython.display import HTML

from pytorch.evaluation.html_report import Html, element, page


def show(title: str, *parts: Html, height: int) -> HTML:
    """The parts as a page, in a frame of so many pixels that keeps the two styles apart."""
    frame = element(
        "iframe", srcdoc=page(title, *parts), width="100%", height=height, style="border: 0"
    )
    return HTML(element("div", frame))
