import struct
import zlib

import pytest

from captioning.metadata import MetadataError, description_of, png, xmp
from tests.captioning.pictures import blank_png

PACKET = xmp.described(None, "Coffee.")
HEADER_END = 8 + 25


def with_chunk(data):
    """A PNG file with an iTXt chunk of the XMP keyword and the data."""
    data = b"iTXt" + png.KEYWORD + data
    chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    content = blank_png(4, 4)
    return content[:HEADER_END] + chunk + content[HEADER_END:]


def test_a_compressed_packet_is_read_and_replaced():
    content = with_chunk(b"\1\0en\0\0" + zlib.compress(PACKET))
    assert description_of(content, "PNG") == "Coffee."
    assert png.with_xmp(content, PACKET) == with_chunk(b"\0\0\0\0" + PACKET)


def test_other_chunks_stay():
    assert png.with_xmp(blank_png(4, 4), PACKET) == with_chunk(b"\0\0\0\0" + PACKET)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0no end",
        b"\1\0\0\0not compressed",
        b"\1\0\0\0" + zlib.compress(PACKET)[:-9],
        b"\1\0\0\0" + zlib.compress(b" " * 17_000_000),
    ],
)
def test_a_damaged_or_hostile_packet_is_refused(data):
    with pytest.raises(MetadataError, match="This PNG file is damaged"):
        png.xmp_in(with_chunk(data))


@pytest.mark.parametrize("end", [8, 20, 40, -1])
def test_a_file_cut_short_is_refused(end):
    with pytest.raises(MetadataError, match="This PNG file is damaged"):
        png.with_xmp(blank_png(4, 4)[:end], PACKET)
