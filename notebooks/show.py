"""Show parts of HTML reports in a notebook."""

from __future__ import annotations

from IPython.display import HTML
from markupsafe import Markup

from pytorch.evaluation.html_report import page

# A frame keeps the styles of the page and of the notebook apart.
FRAME = Markup(
    '<div><iframe srcdoc="{}" width="100%" height="{}" style="border: 0"></iframe></div>'
)


def show(title: str, *parts: Markup, height: int) -> HTML:
    """Show parts of a report, such as tables and figures, in a frame `height` pixels high."""
    return HTML(FRAME.format(page(title, *parts), height))
