"""XMP in PNG files, in an `iTXt` chunk with a keyword of its own.

Follows W3C, Portable Network Graphics (Third Edition), 5.3 and 11.3.3.4, and the XMP Specification,
part 3.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from captioning.metadata.errors import damaged

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEYWORD = b"XML:com.adobe.xmp\0"
FRAME = 12  # bytes of a chunk around its data: length, type and checksum
MAX_PACKET = 16_000_000  # bytes, decompressed; guards against decompression bombs


def xmp_in(content: bytes) -> bytes | None:
    """Return the file's XMP packet; None if it has none.

    Raises:
        MetadataError: The file is damaged.
    """
    return next((_packet(chunk) for chunk in _chunks(content) if _is_xmp(chunk)), None)


def with_xmp(content: bytes, packet: bytes) -> bytes:
    """Return the file with its XMP packet replaced, or added.

    Raises:
        MetadataError: The file is damaged.
    """
    chunks = list(_chunks(content))
    rest = content[len(SIGNATURE) + sum(map(len, chunks)) :]
    header, *others = (chunk for chunk in chunks if not _is_xmp(chunk))
    # The zero bytes: not compressed (2), no language, no translated keyword.
    data = b"iTXt" + KEYWORD + b"\0\0\0\0" + packet
    text = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    return b"".join([SIGNATURE, header, text, *others, rest])


def _chunks(content: bytes) -> Iterator[bytes]:
    """Yield the chunks, length and checksum included, up to IEND; what follows is not PNG."""
    if not content.startswith(SIGNATURE + b"\0\0\0\x0dIHDR"):
        raise damaged("PNG")
    start, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        if start + FRAME > len(content):
            raise damaged("PNG")
        length, kind = struct.unpack_from(">I4s", content, start)
        if start + FRAME + length > len(content):
            raise damaged("PNG")
        yield content[start : start + FRAME + length]
        start += FRAME + length


def _is_xmp(chunk: bytes) -> bool:
    return chunk[4:].startswith(b"iTXt" + KEYWORD)


def _packet(chunk: bytes) -> bytes:
    data = chunk[8 + len(KEYWORD) : -4]
    is_compressed = data[:1] != b"\0"
    try:
        _, _, packet = data[2:].split(b"\0", 2)
        if not is_compressed:
            return packet
        decompressor = zlib.decompressobj()
        packet = decompressor.decompress(packet, MAX_PACKET)
    except (ValueError, zlib.error) as error:
        raise damaged("PNG") from error
    if not decompressor.eof:
        raise damaged("PNG")
    return packet
