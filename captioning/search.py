"""Full-text search over what is said of pictures, in the database's own index.

Words are found in all their forms: "running" finds "runs". SQLite keeps an FTS5 index, which
triggers hold in step with the rows; PostgreSQL indexes the rows themselves. The migration
`0002_search` makes both.
"""

from __future__ import annotations

import re

from django.db import connection
from django.db.models import BooleanField, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from captioning.models import Picture

MAX_QUERY = 200  # characters

# What the databases put around a match: no caption and no correction has these characters.
START, STOP = "\x02", "\x03"

# Words that are in so many captions that they tell none apart; a picture need not have them.
# PostgreSQL has such a list of its own and SQLite has none, so this one holds for both.
STOP_WORDS = frozenset(
    """
    a an and are as at be been being but by did do does for from had has have he her his i in into
    is it its my of off on onto or our she so that the their them there these they this those
    through to up was we were while who with you your
    """.split()  # noqa: SIM905
)

# Conditions on a picture, and its description with the matches marked; each takes the words.
MATCHES = {
    "sqlite": """
        captioning_picture.id IN
        (SELECT rowid FROM captioning_search WHERE captioning_search MATCH %s)
    """,
    "postgresql": """
        to_tsvector('english', captioning_picture.description) @@ plainto_tsquery('english', %s)
    """,
}
MARKED = {
    "sqlite": """
        (SELECT highlight(captioning_search, 0, char(2), char(3)) FROM captioning_search
        WHERE captioning_search MATCH %s AND rowid = captioning_picture.id)
    """,
    "postgresql": """
        ts_headline(
            'english', captioning_picture.description, plainto_tsquery('english', %s),
            'HighlightAll=true, StartSel=' || chr(2) || ', StopSel=' || chr(3)
        )
    """,
}


def search(pictures: QuerySet[Picture], query: str) -> QuerySet[Picture]:
    """Return the pictures whose description has all words of the query, in any form.

    An empty query finds all. Found pictures have `marked`, for `highlight`. There is no query
    syntax: everything that is not a word only separates words.
    """
    if not query.strip():
        return pictures
    words = significant_words(query)
    if not words:
        return pictures.none()
    # FTS5 has a syntax; within quotation marks a word is a word.
    quoted = " ".join(f'"{word}"' for word in words)
    matches, marked = (
        RawSQL(sql[connection.vendor], [quoted], output_field=field)  # noqa: S611
        for sql, field in ((MATCHES, BooleanField()), (MARKED, TextField()))
    )
    return pictures.annotate(marked=marked).filter(matches)


def significant_words(query: str) -> list[str]:
    """Return the words of a query, without those that every caption has."""
    return [word for word in re.findall(r"\w+", query.lower()) if word not in STOP_WORDS]


def highlight(marked: str) -> SafeString:
    """Write a description whose matches the database marked as HTML, with `<mark>` around them."""
    html = escape(marked).replace(START, "<mark>").replace(STOP, "</mark>")
    return mark_safe(html)  # noqa: S308
