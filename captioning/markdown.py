"""Markdown to HTML."""

from __future__ import annotations

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

# Raw HTML in the text is shown as text, and links lead nowhere but to the usual schemes.
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


def render_markdown(text: str) -> SafeString:
    """Render CommonMark with tables as HTML."""
    html: str = _markdown.render(text)
    return mark_safe(html)  # noqa: S308, whatever HTML was in the text is escaped
