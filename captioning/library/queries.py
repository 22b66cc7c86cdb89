"""What the application asks the database: full-text search, corrected pictures, known captions.

Full-text search finds a word in all its forms: "running" finds "runs". It uses the database's own
index: an FTS5 table on SQLite, which triggers keep up to date, and an index over the rows on
PostgreSQL. The migration `0004_tags` creates both.
"""

from __future__ import annotations

import re
from typing import Any

from django.db import connection
from django.db.models import BooleanField, QuerySet, TextField
from django.db.models.expressions import RawSQL

from captioning.models import Checkpoint, Picture, StoredCaption

MAX_QUERY = 200  # characters

# The databases put these around a match. No caption or correction contains them.
MATCH_START, MATCH_STOP = "\x02", "\x03"

# So common in captions that they tell no pictures apart: a match does not need them.
# PostgreSQL has its own list and SQLite has none, so both use this one.
STOP_WORDS = frozenset(
    """
    a an and are as at be been being but by did do does for from had has have he her his i in into
    is it its my of off on onto or our she so that the their them there these they this those
    through to up was we were while who with you your
    """.split()  # noqa: SIM905
)

# Whether a picture matches, and one of its texts with the matches marked; each takes the words.
MATCHES = {
    "sqlite": """
        captioning_picture.id IN
        (SELECT rowid FROM captioning_search WHERE captioning_search MATCH %s)
    """,
    "postgresql": """
        to_tsvector(
            'english', captioning_picture.description || ' ' || captioning_picture.keywords
        ) @@ plainto_tsquery('english', %s)
    """,
}
SEARCHED = ("description", "keywords")  # in the order of the index
MARKED = {
    "sqlite": """
        (SELECT highlight(captioning_search, {number}, char(2), char(3)) FROM captioning_search
        WHERE captioning_search MATCH %s AND rowid = captioning_picture.id)
    """,
    "postgresql": """
        ts_headline(
            'english', captioning_picture.{column}, plainto_tsquery('english', %s),
            'HighlightAll=true, StartSel=' || chr(2) || ', StopSel=' || chr(3)
        )
    """,
}


def find_pictures(pictures: QuerySet[Picture], query: str) -> QuerySet[Picture]:
    """Find the pictures whose description and keywords have all words of the query, in any form.

    There is no query syntax: anything that is not a word only separates words.

    Args:
        pictures: The pictures to search.
        query: What a person typed; an empty query finds all pictures.

    Returns:
        The matching pictures. Unless the query was empty, each has `marked` and `marked_keywords`,
        its description and its keywords with every match between MATCH_START and MATCH_STOP.
    """
    if not query.strip():
        return pictures
    words = significant_words(query)
    if not words:
        return pictures.none()
    # In FTS5's query syntax, a word in quotation marks is only a word.
    quoted = " ".join(f'"{word}"' for word in words)
    matches = RawSQL(MATCHES[connection.vendor], [quoted], output_field=BooleanField())  # noqa: S611
    marked, marked_keywords = (
        RawSQL(  # noqa: S611
            MARKED[connection.vendor].format(number=number, column=column),
            [quoted],
            output_field=TextField(),
        )
        for number, column in enumerate(SEARCHED)
    )
    return pictures.annotate(marked=marked, marked_keywords=marked_keywords).filter(matches)


def significant_words(query: str) -> list[str]:
    """List the words of a query, without STOP_WORDS."""
    return [word for word in re.findall(r"\w+", query.lower()) if word not in STOP_WORDS]


def corrected(pictures: QuerySet[Picture]) -> QuerySet[Picture]:
    """Keep only the pictures that a person corrected."""
    return pictures.exclude(correction="")


def known_caption(
    pixel_hash: str, checkpoint: Checkpoint, settings: dict[str, Any]
) -> dict[str, Any] | None:
    """Look up a stored caption of the same pixels, checkpoint and settings, whoever owns it."""
    known = StoredCaption.objects.filter(
        picture__pixel_hash=pixel_hash, checkpoint=checkpoint, settings=settings
    )
    return known.values_list("data", flat=True).first()
