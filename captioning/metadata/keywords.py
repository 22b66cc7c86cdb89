"""Which keywords a file lacks; what it has already is never changed."""

from __future__ import annotations

from collections.abc import Iterable

MAX_BYTES = 64  # of a keyword in IPTC-IIM; XMP has no limit


def missing(present: Iterable[str], offered: Iterable[str]) -> list[str]:
    """List the offered keywords that are not present yet, in their order and each one once.

    Keywords are the same if they differ only in case, in space around them, or beyond MAX_BYTES,
    where IPTC-IIM cuts them.

    Args:
        present: Keywords that the file has.
        offered: Keywords to add; blank ones are left out.
    """
    seen = {"", *map(_key, present)}
    found = []
    for keyword in offered:
        if (key := _key(keyword)) not in seen:
            seen.add(key)
            found.append(keyword.strip())
    return found


def cut(keyword: str) -> str:
    """Shorten a keyword to MAX_BYTES of UTF-8, between characters."""
    return keyword.encode()[:MAX_BYTES].decode(errors="ignore").strip()


def _key(keyword: str) -> str:
    return cut(keyword.strip()).casefold()
