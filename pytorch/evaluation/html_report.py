"""Pieces of reports as single HTML files: pictures within, no scripts, nothing loaded.

`Html` is markup and `str` is text: `text` makes the one of the other by escaping it, so that the
type checker finds what was not escaped. `html_report.html` is the page around the pieces.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from string import Template
from typing import NewType

from PIL import Image

Html = NewType("Html", str)

TEMPLATE = Path(__file__).with_suffix(".html")
VOID = ("img", "line", "polyline", "circle")  # elements without content
JPEG_QUALITY = 80


def text(value: str) -> Html:
    """Text as markup that shows it."""
    # Half of a surrogate pair, as file names can have, cannot be written as UTF-8.
    return Html(html.escape(value.encode("utf-8", "replace").decode()))


def element(name: str, *children: Html, **attributes: str | float) -> Html:
    """An element; attributes that are Python keywords end in `_`, and `_` within becomes `-`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(str(value))}"'
        for key, value in attributes.items()
    )
    if name in VOID:
        return Html(f"<{name}{written}/>")
    return Html(f"<{name}{written}>{''.join(children)}</{name}>")


def page(title: str, *parts: Html) -> str:
    """A whole page; write it as UTF-8."""
    template = Template(TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(title=text(title), body="\n".join(parts))


def section(heading: str, *parts: Html) -> Html:
    """Parts under a heading."""
    return element("section", element("h2", text(heading)), *parts)


def paragraph(value: str, *, class_: str = "") -> Html:
    """A paragraph of text; of class "note" it is smaller and paler."""
    return element("p", text(value), **({"class": class_} if class_ else {}))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Html:
    """A table of text."""
    head = element("tr", *(element("th", text(cell), scope="col") for cell in header))
    body = (element("tr", *(element("td", text(cell)) for cell in row)) for row in rows)
    whole = element("table", element("thead", head), element("tbody", *body))
    return element("div", whole, class_="scroll")


def bullets(items: Sequence[str], *, class_: str) -> Html:
    """A list of texts."""
    return element("ul", *(element("li", text(item)) for item in items), class_=class_)


def picture(image: Image.Image, alt: str, *, longest: int = 480) -> Html:
    """An RGB image as JPEG within the page, its longer side at most `longest` pixels."""
    small = image.copy()
    small.thumbnail((longest, longest))
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    source = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return element("img", src=source, alt=alt, width=small.width, height=small.height)


def figure(image: Image.Image, caption: str) -> Html:
    """A picture with a caption below it."""
    return element("figure", picture(image, caption), element("figcaption", text(caption)))


def side_by_side(*figures: Html) -> Html:
    """Figures in as many columns as there is room for."""
    return element("div", *figures, class_="pictures")
