"""Descriptions inside image files, where readers of alt text look for them.

A description is written as XMP `dc:description` and as the alt text of IPTC's photo metadata
standard 2021.1, and in JPEG files as the older IPTC-IIM caption too. Files are taken apart and put
together again around their pixels, which are never decoded; all other metadata stays.

JPEG, PNG and WebP files can hold it. For others there is the sidecar, a file that holds what
`xmp.described` returns.
"""

from __future__ import annotations

from typing import Protocol

from captioning.metadata import iptc, jpeg, png, webp, xmp
from captioning.metadata.errors import MetadataError

__all__ = [
    "CONTAINERS",
    "SIDECAR_SUFFIX",
    "MetadataError",
    "described",
    "description_of",
    "xmp",
]


class Container(Protocol):
    """How files of a format hold an XMP packet; both raise MetadataError for damaged ones."""

    def xmp_in(self, content: bytes) -> bytes | None:
        """Return the packet in the file."""

    def with_xmp(self, content: bytes, packet: bytes) -> bytes:
        """Return the file with the packet in place of the one it had."""


# By format, as in `photographs.FORMATS`.
CONTAINERS: dict[str, Container] = {"JPEG": jpeg, "PNG": png, "WEBP": webp}

# After the whole name, as in `photo.tif.xmp`: `photo.gif` beside it needs one of its own.
SIDECAR_SUFFIX = ".xmp"


def described(content: bytes, file_format: str, description: str) -> bytes:
    """Return the file with the description in place of the one it had.

    `file_format` is one of `CONTAINERS`. Raises MetadataError where the file or its metadata is
    damaged.
    """
    container = CONTAINERS[file_format]
    content = container.with_xmp(content, xmp.described(container.xmp_in(content), description))
    if container is jpeg:
        content = jpeg.with_iptc(content, iptc.described(jpeg.iptc_in(content), description))
    return content


def description_of(content: bytes, file_format: str) -> str:
    """Return the description in a file of one of `CONTAINERS`, empty where there is none.

    Raises MetadataError where the file or its metadata is damaged.
    """
    container = CONTAINERS[file_format]
    in_xmp = xmp.description_in(container.xmp_in(content))
    if in_xmp or container is not jpeg:
        return in_xmp
    return iptc.description_in(jpeg.iptc_in(content))
