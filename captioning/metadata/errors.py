"""The error of reading and writing metadata."""

from __future__ import annotations


class MetadataError(Exception):
    """A description cannot be read or written; the message says why."""


def damaged(file_format: str) -> MetadataError:
    """Return the error for a file that is cut short or malformed."""
    return MetadataError(f"This {file_format} file is damaged, so its metadata cannot be changed.")
