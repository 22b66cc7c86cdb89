"""What can be wrong with the metadata of a file."""

from __future__ import annotations


class MetadataError(Exception):
    """A description can be neither read nor written; the message tells the reader why."""


def damaged(file_format: str) -> MetadataError:
    """Return the error of a file that ends, or is built, where it must not."""
    return MetadataError(f"This {file_format} file is damaged, so no description can be put in it.")
