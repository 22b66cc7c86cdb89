"""Picture files, good and bad, made for tests."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from pytorch.files.photographs import Photograph, open_photograph


def encoded(image, file_format, **options) -> bytes:
    """The image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def photograph_of(image) -> Photograph:
    """The image as if it had been read from a PNG file."""
    return open_photograph(io.BytesIO(encoded(image, "PNG")))


def decoded(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def grey_16_bit(image) -> Image.Image:
    """The image in grey, spread over all of 16 bits."""
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def blank_png(width, height, *, rows=None) -> bytes:
    """A black PNG of any size in a small file; `rows` of pixels, all by default."""
    row = b"\0" * (1 + (width + 7) // 8)
    compressor = zlib.compressobj(9)
    pixels = b"".join(compressor.compress(row) for _ in range(rows or height)) + compressor.flush()

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def difference(one, other) -> float:
    """Mean distance of the channels of two RGB images of the same size, in 0 to 255."""
    assert (one.mode, other.mode) == ("RGB", "RGB")
    assert one.size == other.size
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


# What people send that is no picture, or none that is accepted.
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(200)
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"
