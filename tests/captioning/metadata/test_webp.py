import struct

import pytest

from captioning.metadata import MetadataError, webp, xmp
from captioning.metadata.webp import Chunk
from tests.captioning.pictures import decoded, encoded

PACKET = xmp.described(None, "Coffee!")


def riff(*chunks):
    body = b"WEBP" + b"".join(map(bytes, chunks))
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_header_equals_the_one_that_libwebp_writes(coffee, lossless, mode):
    image = coffee.resize((61, 41)).convert(mode)
    if mode == "RGBA":
        image.putpixel((0, 0), (1, 2, 3, 4))
    plain = encoded(image, "WEBP", lossless=lossless)
    theirs = encoded(image, "WEBP", lossless=lossless, xmp=PACKET)
    assert webp.with_xmp(plain, PACKET)[:30] == theirs[:30]
    assert webp.with_xmp(theirs, PACKET) == theirs


def test_a_packet_of_an_odd_length_is_padded(coffee):
    content = encoded(coffee, "WEBP")
    for packet in (PACKET, PACKET + b" "):
        changed = webp.with_xmp(content, packet)
        assert webp.xmp_in(changed) == packet
        assert len(changed) % 2 == 0
        assert decoded(changed).info["xmp"] == packet


@pytest.mark.parametrize(
    "content",
    [
        riff(),
        riff(Chunk(b"VP8 ", b"abc")),
        riff(Chunk(b"VP8 ", bytes(10))),
        riff(Chunk(b"VP8L", b"")),
        riff(Chunk(b"VP8X", b"")),
        riff(Chunk(b"ANIM", bytes(30))),
        riff(Chunk(b"XMP ", bytes(30))),
        b"RIFF\xff\xff\xff\xffWEBP" + bytes(Chunk(b"VP8L", bytes(30))),
        b"RIFF\0\0\0\0WEBP" + bytes(Chunk(b"VP8L", bytes(30))),
        riff(Chunk(b"VP8L", bytes(30)))[:-9],
        b"RIFF\x14\0\0\0WEBPVP8L\xff\0\0\0" + bytes(8),
    ],
    ids=range(11),
)
def test_a_damaged_file_is_refused(content):
    with pytest.raises(MetadataError, match="This WebP file is damaged"):
        webp.with_xmp(content, PACKET)
