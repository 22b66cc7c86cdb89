"""Reads and writes descriptions in image files, in the places where other software reads alt text.

A description is written as XMP `dc:description` and as the alt text of the IPTC Photo Metadata
Standard 2021.1; in JPEG files also as the older IPTC-IIM caption. The encoded pixels are copied
without being decoded, and all other metadata stays.

JPEG, PNG and WebP files can hold a description. For other formats, write the packet that
`xmp.described` returns to a sidecar file.
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
    """A module that reads and writes the XMP packet in files of one format."""

    def xmp_in(self, content: bytes) -> bytes | None:
        """Return the file's packet; None if it has none.

        Raises:
            MetadataError: The file is damaged.
        """

    def with_xmp(self, content: bytes, packet: bytes) -> bytes:
        """Return the file with its packet replaced, or added.

        Raises:
            MetadataError: The file is damaged, or the packet is too long for the format.
        """


# The keys are those of `photographs.FORMATS`.
CONTAINERS: dict[str, Container] = {"JPEG": jpeg, "PNG": png, "WEBP": webp}

# Appended to the full name, as in `photo.tif.xmp`, so that `photo.gif` has a sidecar of its own.
SIDECAR_SUFFIX = ".xmp"


def described(content: bytes, file_format: str, description: str) -> bytes:
    """Return the file with the description, which replaces any that it had.

    Args:
        content: The whole file.
        file_format: One of CONTAINERS.
        description: Plain text.

    Raises:
        MetadataError: The file or its metadata is damaged, or the metadata would become too long.
    """
    container = CONTAINERS[file_format]
    content = container.with_xmp(content, xmp.described(container.xmp_in(content), description))
    if container is jpeg:
        content = jpeg.with_iptc(content, iptc.described(jpeg.iptc_in(content), description))
    return content


def description_of(content: bytes, file_format: str) -> str:
    """Return the description in the file; empty if it has none.

    Args:
        content: The whole file.
        file_format: One of CONTAINERS.

    Raises:
        MetadataError: The file or its metadata is damaged.
    """
    container = CONTAINERS[file_format]
    in_xmp = xmp.description_in(container.xmp_in(content))
    if in_xmp or container is not jpeg:
        return in_xmp
    return iptc.description_in(jpeg.iptc_in(content))
