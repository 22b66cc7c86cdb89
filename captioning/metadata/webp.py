"""XMP in WebP files, in an `XMP ` chunk that the `VP8X` header must announce.

Follows RFC 9649, WebP Image Format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from captioning.metadata.errors import damaged

HAS_XMP, HAS_ALPHA = 0x04, 0x10
HEADER = 12  # bytes: "RIFF", the size, "WEBP"


class Chunk(NamedTuple):
    """A chunk of the file: its four-letter name and its data."""

    name: bytes
    data: bytes

    def __bytes__(self) -> bytes:
        padding = b"\0" * (len(self.data) % 2)
        return self.name + struct.pack("<I", len(self.data)) + self.data + padding


def xmp_in(content: bytes) -> bytes | None:
    """Return the file's XMP packet; None if it has none.

    Raises:
        MetadataError: The file is damaged.
    """
    return next((chunk.data for chunk in _chunks(content) if chunk.name == b"XMP "), None)


def with_xmp(content: bytes, packet: bytes) -> bytes:
    """Return the file with its XMP packet replaced, or added.

    Raises:
        MetadataError: The file is damaged.
    """
    chunks = [chunk for chunk in _chunks(content) if chunk.name != b"XMP "]
    if not chunks:
        raise damaged("WebP")
    header, *others = chunks
    if header.name != b"VP8X":
        header, others = _extended_header(header), [header, *others]
    if not header.data:
        raise damaged("WebP")
    header = Chunk(b"VP8X", bytes([header.data[0] | HAS_XMP]) + header.data[1:])
    body = b"".join(map(bytes, [header, *others, Chunk(b"XMP ", packet)]))
    end = HEADER + struct.unpack_from("<I", content, 4)[0] - 4
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body + content[end:]


def _chunks(content: bytes) -> Iterator[Chunk]:
    if len(content) < HEADER or content[:4] + content[8:12] != b"RIFFWEBP":
        raise damaged("WebP")
    start, end = HEADER, 8 + struct.unpack_from("<I", content, 4)[0]
    if end > len(content) or start >= end:
        raise damaged("WebP")
    while start < end:
        if start + 8 > end:
            raise damaged("WebP")
        name, length = struct.unpack_from("<4sI", content, start)
        start += 8
        if start + length > end:
            raise damaged("WebP")
        yield Chunk(name, content[start : start + length])
        start += length + length % 2


def _extended_header(image: Chunk) -> Chunk:
    """Return a VP8X header for a simple file, which has only an image chunk."""
    try:
        if image.name == b"VP8 ":
            width, height = struct.unpack_from("<HH", image.data, 6)
            width, height, flags = width & 0x3FFF, height & 0x3FFF, 0
        elif image.name == b"VP8L":
            [bits] = struct.unpack_from("<I", image.data, 1)
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
            flags = HAS_ALPHA if bits >> 28 & 1 else 0
        else:
            raise damaged("WebP")
    except struct.error as error:
        raise damaged("WebP") from error
    if not width or not height:
        raise damaged("WebP")
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return Chunk(b"VP8X", bytes([flags, 0, 0, 0]) + canvas)
