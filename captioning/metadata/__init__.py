"""Reads and writes descriptions and keywords in image files, where other software looks for them.

A description is written as XMP `dc:description` and as the alt text of the IPTC Photo Metadata
Standard 2021.1; in JPEG files also as the older IPTC-IIM caption. Keywords join those of the file:
XMP `dc:subject`, and IPTC-IIM keywords in JPEG files. The encoded pixels are copied without being
decoded, and all other metadata stays.

JPEG, PNG and WebP files can hold a description. For other formats, write the packet that
`xmp.described` returns to a sidecar file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from captioning.metadata import iptc, jpeg, png, webp, xmp
from captioning.metadata.errors import MetadataError
from captioning.metadata.keywords import missing

__all__ = [
    "CONTAINERS",
    "SIDECAR_SUFFIX",
    "MetadataError",
    "described",
    "description_of",
    "keywords_of",
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


def described(
    content: bytes, file_format: str, description: str, keywords: Sequence[str] = ()
) -> bytes:
    """Return the file with the description, which replaces any that it had, and the keywords.

    Args:
        content: The whole file.
        file_format: One of CONTAINERS.
        description: Plain text.
        keywords: Keywords to add to those of the file; without any, its own are not touched.

    Raises:
        MetadataError: The file or its metadata is damaged, or the metadata would become too long.
    """
    container = CONTAINERS[file_format]
    if keywords:
        # Software that finds keywords in one place does not look in the other, so that a first
        # keyword there would hide all that were only here: both get all.
        keywords = [*keywords_of(content, file_format), *keywords]
    packet = xmp.described(container.xmp_in(content), description, keywords)
    content = container.with_xmp(content, packet)
    if container is jpeg:
        iim = iptc.described(jpeg.iptc_in(content), description, keywords)
        content = jpeg.with_iptc(content, iim)
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


def keywords_of(content: bytes, file_format: str) -> list[str]:
    """Return the keywords in the file: those in XMP, then others of IPTC-IIM.

    Args:
        content: The whole file.
        file_format: One of CONTAINERS.

    Raises:
        MetadataError: The file or its metadata is damaged.
    """
    container = CONTAINERS[file_format]
    in_xmp = xmp.keywords_in(container.xmp_in(content))
    if container is not jpeg:
        return in_xmp
    return in_xmp + missing(in_xmp, iptc.keywords_in(jpeg.iptc_in(content)))
