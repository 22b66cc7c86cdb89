"""Filters for the pages of the library."""

from __future__ import annotations

import re

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from captioning.library.queries import MATCH_START, MATCH_STOP
from captioning.tags import unsaid

register = template.Library()


@register.filter
def highlight(marked: str) -> SafeString:
    """Escape a description whose matches the database marked, with `<mark>` around each match."""
    html = escape(marked).replace(MATCH_START, "<mark>").replace(MATCH_STOP, "</mark>")
    return mark_safe(html)  # noqa: S308


@register.filter
def matches_beyond(marked_keywords: str, description: str) -> list[str]:
    """List the keywords that a search marked and the description does not say."""
    marked = re.findall(f"{MATCH_START}(.+?){MATCH_STOP}", marked_keywords)
    return unsaid(" ".join(marked).split(), description)
