"""Rendering Markdown as HTML."""

from __future__ import annotations

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

# Raw HTML is shown as text, and only links of the usual schemes work.
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


def render_markdown(text: str) -> SafeString:
    """Render CommonMark with tables; any HTML in the text is escaped."""
    html: str = _markdown.render(text)
    return mark_safe(html)  # noqa: S308
