"""XMP and IPTC in JPEG files, in segments before the pixels.

Follows ITU-T T.81, annex B, and the XMP Specification, part 3, 1.1.3. IPTC is in image resources as
in the Adobe Photoshop File Formats Specification.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import NamedTuple

from captioning.metadata import mpf
from captioning.metadata.errors import MetadataError, damaged

START = b"\xff\xd8"
START_OF_SCAN = 0xDA
APP0, APP1, APP13 = 0xE0, 0xE1, 0xED
STANDALONE = {0x01, *range(0xD0, 0xDA)}  # markers without a length, invalid before a scan

XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXIF = b"Exif\0"
PHOTOSHOP = b"Photoshop 3.0\0"
MAX_SEGMENT = 65_533  # bytes of data
MAX_PACKET = 65_502  # bytes of an XMP packet that all readers accept

IPTC, IPTC_DIGEST = 0x0404, 0x0425


class Segment(NamedTuple):
    """A segment before the pixels: a marker and its data."""

    marker: int
    data: bytes

    def __bytes__(self) -> bytes:
        return struct.pack(">BBH", 0xFF, self.marker, len(self.data) + 2) + self.data

    def holds(self, marker: int, signature: bytes) -> bool:
        """Whether this is the application segment with the signature."""
        return self.marker == marker and self.data.startswith(signature)


class Resource(NamedTuple):
    """A Photoshop image resource. The name is kept as encoded, with its length and padding."""

    signature: bytes
    number: int
    name: bytes
    data: bytes

    def __bytes__(self) -> bytes:
        head = self.signature + struct.pack(">H", self.number) + self.name
        return head + struct.pack(">I", len(self.data)) + self.data + b"\0" * (len(self.data) % 2)


def xmp_in(content: bytes) -> bytes | None:
    """Return the file's XMP packet; None if it has none.

    Raises:
        MetadataError: The file is damaged.
    """
    segments, _ = _split(content)
    packets = (segment.data[len(XMP) :] for segment in segments if segment.holds(APP1, XMP))
    return next(packets, None)


def with_xmp(content: bytes, packet: bytes) -> bytes:
    """Return the file with its XMP packet replaced, or added.

    Raises:
        MetadataError: The file is damaged, or the packet is too long for a JPEG file.
    """
    if len(packet) > MAX_PACKET:
        raise MetadataError(
            f"With the description, the XMP metadata of this file would have {len(packet)} bytes. "
            f"A JPEG file can hold at most {MAX_PACKET}."
        )
    segments, rest = _split(content)
    others = [segment for segment in segments if not segment.holds(APP1, XMP)]
    return _join(content, others, [Segment(APP1, XMP + packet)], rest)


def iptc_in(content: bytes) -> bytes | None:
    """Return the file's IPTC-IIM datasets; None if it has none.

    Raises:
        MetadataError: The file is damaged.
    """
    segments, _ = _split(content)
    found = (resource.data for resource in _resources(segments) if resource.number == IPTC)
    return next(found, None)


def with_iptc(content: bytes, iim: bytes) -> bytes:
    """Return the file with its IPTC-IIM datasets replaced, or added.

    Raises:
        MetadataError: The file is damaged.
    """
    segments, rest = _split(content)
    resources = [Resource(b"8BIM", IPTC, b"\0\0", iim)]
    for resource in _resources(segments):
        if resource.number == IPTC_DIGEST:
            # Readers compare it with the datasets, to notice changes by software unaware of XMP.
            digest = hashlib.md5(iim, usedforsecurity=False).digest()
            resources.append(resource._replace(data=digest))
        elif resource.number != IPTC:
            resources.append(resource)
    data = b"".join(map(bytes, resources))
    size = MAX_SEGMENT - len(PHOTOSHOP)
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    others = [segment for segment in segments if not segment.holds(APP13, PHOTOSHOP)]
    return _join(content, others, [Segment(APP13, PHOTOSHOP + part) for part in parts], rest)


def _split(content: bytes) -> tuple[list[Segment], bytes]:
    """Return the segments before the first scan, and the rest of the file from there."""
    if not content.startswith(START):
        raise damaged("JPEG")
    segments: list[Segment] = []
    start = len(START)
    try:
        while True:
            fill, marker = struct.unpack_from(">BB", content, start)
            if fill != 0xFF or marker in STANDALONE or marker == 0:
                raise damaged("JPEG")
            if marker == 0xFF:  # any number of these may precede a marker
                start += 1
                continue
            if marker == START_OF_SCAN:
                return segments, content[start:]
            [length] = struct.unpack_from(">H", content, start + 2)
            end = start + 2 + length
            if length < 2 or end > len(content):
                raise damaged("JPEG")
            segments.append(Segment(marker, content[start + 4 : end]))
            start = end
    except struct.error as error:
        raise damaged("JPEG") from error


def _join(
    content: bytes, segments: Sequence[Segment], new: Sequence[Segment], rest: bytes
) -> bytes:
    """Join the file, with the new segments after JFIF and Exif, which readers expect first."""
    first = 0
    while first < len(segments) and (
        segments[first].marker == APP0
        or segments[first].holds(APP1, EXIF)
        or segments[first].holds(APP1, XMP)
    ):
        first += 1
    written = [*segments[:first], *new, *segments[first:]]
    return mpf.with_corrected_index(content, START + b"".join(map(bytes, written)) + rest)


def _resources(segments: Sequence[Segment]) -> list[Resource]:
    """Return the image resources, which may span several segments."""
    data = b"".join(
        segment.data[len(PHOTOSHOP) :] for segment in segments if segment.holds(APP13, PHOTOSHOP)
    )
    resources, start = [], 0
    try:
        while start < len(data.rstrip(b"\0")):
            signature, number, name_length = struct.unpack_from(">4sHB", data, start)
            name_start, start = start + 6, start + 7 + name_length + (name_length + 1) % 2
            name = data[name_start:start]
            [size] = struct.unpack_from(">I", data, start)
            start += 4
            if start + size > len(data):
                raise damaged("JPEG")
            resources.append(Resource(signature, number, name, data[start : start + size]))
            start += size + size % 2
    except struct.error as error:
        raise damaged("JPEG") from error
    return resources
