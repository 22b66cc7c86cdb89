"""XMP and IPTC in JPEG files: segments before the pixels.

ITU-T T.81, annex B; XMP Specification Part 3, 1.1.3; Adobe Photoshop File Formats Specification for
the image resources that hold IPTC.
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
STANDALONE = {0x01, *range(0xD0, 0xDA)}  # markers without a length, out of place before a scan

XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXIF = b"Exif\0"
PHOTOSHOP = b"Photoshop 3.0\0"
MAX_SEGMENT = 65_533  # bytes of data
MAX_PACKET = 65_502  # bytes of an XMP packet that all readers accept

IPTC, IPTC_DIGEST = 0x0404, 0x0425


class Segment(NamedTuple):
    """A marker before the pixels, and its data."""

    marker: int
    data: bytes

    def __bytes__(self) -> bytes:
        return struct.pack(">BBH", 0xFF, self.marker, len(self.data) + 2) + self.data

    def holds(self, marker: int, signature: bytes) -> bool:
        """Whether it is the application segment of what signs so."""
        return self.marker == marker and self.data.startswith(signature)


class Resource(NamedTuple):
    """One of Photoshop's image resources: what precedes its data, a number, and its data."""

    signature: bytes
    number: int
    name: bytes
    data: bytes

    def __bytes__(self) -> bytes:
        head = self.signature + struct.pack(">H", self.number) + self.name
        return head + struct.pack(">I", len(self.data)) + self.data + b"\0" * (len(self.data) % 2)


def xmp_in(content: bytes) -> bytes | None:
    """Return the XMP packet of a JPEG file; raises MetadataError where the file is damaged."""
    segments, _ = _taken_apart(content)
    packets = (segment.data[len(XMP) :] for segment in segments if segment.holds(APP1, XMP))
    return next(packets, None)


def with_xmp(content: bytes, packet: bytes) -> bytes:
    """Return the file with the XMP packet.

    Raises MetadataError where the file is damaged or the packet too long for a JPEG file.
    """
    if len(packet) > MAX_PACKET:
        raise MetadataError(
            f"With the description, the XMP metadata of this file would have {len(packet)} bytes, "
            f"and a JPEG file can hold at most {MAX_PACKET}."
        )
    segments, rest = _taken_apart(content)
    others = [segment for segment in segments if not segment.holds(APP1, XMP)]
    return _put_together(content, others, [Segment(APP1, XMP + packet)], rest)


def iptc_in(content: bytes) -> bytes | None:
    """Return the IPTC-IIM datasets of a JPEG file; raises MetadataError where it is damaged."""
    segments, _ = _taken_apart(content)
    found = (resource.data for resource in _resources(segments) if resource.number == IPTC)
    return next(found, None)


def with_iptc(content: bytes, iim: bytes) -> bytes:
    """Return the file with the IPTC-IIM datasets; raises MetadataError where it is damaged."""
    segments, rest = _taken_apart(content)
    former = _resources(segments)
    resources = [Resource(b"8BIM", IPTC, b"\0\0", iim)]
    for resource in former:
        if resource.number == IPTC_DIGEST:
            # By it readers see whether the datasets were changed by who does not know of XMP.
            digest = hashlib.md5(iim, usedforsecurity=False).digest()
            resources.append(resource._replace(data=digest))
        elif resource.number != IPTC:
            resources.append(resource)
    data = b"".join(map(bytes, resources))
    size = MAX_SEGMENT - len(PHOTOSHOP)
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    others = [segment for segment in segments if not segment.holds(APP13, PHOTOSHOP)]
    return _put_together(
        content, others, [Segment(APP13, PHOTOSHOP + part) for part in parts], rest
    )


def _taken_apart(content: bytes) -> tuple[list[Segment], bytes]:
    """The segments before the first scan, and everything from there on."""
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


def _put_together(
    content: bytes, segments: Sequence[Segment], new: Sequence[Segment], rest: bytes
) -> bytes:
    """Write the file with new segments, after JFIF and Exif, which readers expect to come first."""
    first = 0
    while first < len(segments) and (
        segments[first].marker == APP0
        or segments[first].holds(APP1, EXIF)
        or segments[first].holds(APP1, XMP)
    ):
        first += 1
    written = [*segments[:first], *new, *segments[first:]]
    return mpf.moved(content, START + b"".join(map(bytes, written)) + rest)


def _resources(segments: Sequence[Segment]) -> list[Resource]:
    """The image resources, which may be spread over several segments."""
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
