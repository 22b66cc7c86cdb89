"""Reports as single HTML files: images are inside, and nothing is run or loaded.

Jinja2 fills in the templates in `templates/`. It escapes every value that is not `Markup`, so text
from a data set or a model cannot become markup. The functions here return `Markup`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

TEMPLATES = Path(__file__).parent / "templates"
PICTURE_SIZE = 480  # pixels of the longer side
JPEG_QUALITY = 80


def render(template: str, **values: Any) -> Markup:
    """Fill in a template of `templates/`; write a whole page as UTF-8."""
    return _encodable(_environment().get_template(template).render(values))


def page(title: str, *parts: Markup) -> str:
    """Make a page of a heading and some parts."""
    return str(render("page.html", title=title, parts=parts))


def note(text: str) -> Markup:
    """Make a paragraph that is smaller and paler than others."""
    return _piece("note", text)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """Make a table of texts."""
    return _piece("table", header, rows)


def bullets(items: Sequence[str], *, class_: str) -> Markup:
    """Make a list of texts."""
    return _piece("bullets", items, class_)


def picture(image: Image.Image, alt: str, *, longest: int = PICTURE_SIZE) -> Markup:
    """Embed an RGB image as JPEG, its longer side at most `longest` pixels."""
    return _piece("picture", image, alt, longest)


def figure(image: Image.Image, caption: str) -> Markup:
    """Embed an RGB image with a caption below it."""
    return _piece("figure", image, caption, PICTURE_SIZE)


def side_by_side(*parts: Markup) -> Markup:
    """Arrange parts in as many columns as there is room for."""
    return _piece("side_by_side", parts)


def _piece(name: str, *values: Any) -> Markup:
    """Call a macro of `pieces.html`."""
    macro = getattr(_environment().get_template("pieces.html").module, name)
    return _encodable(macro(*values))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"thumbnail": _thumbnail, "jpeg_url": _jpeg_url}
    return environment


def _thumbnail(image: Image.Image, longest: int) -> Image.Image:
    small = image.copy()
    small.thumbnail((longest, longest))
    return small


def _jpeg_url(image: Image.Image) -> str:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _encodable(markup: str) -> Markup:
    """Replace lone surrogates, which file names may have but UTF-8 may not."""
    return Markup(markup.encode("utf-8", "replace").decode())  # noqa: S704  # from a template
