"""From the bytes of an image file to an upright RGB photograph of bounded size, and back.

Whatever the bytes are, the answer is a photograph or a PhotographError.
"""

from __future__ import annotations

import base64
import io
import math
import threading
import warnings
from contextlib import nullcontext
from typing import IO, cast

from PIL import ExifTags, Image, UnidentifiedImageError

MAX_PIXELS = 50_000_000
LARGE_PIXELS = 16_000_000
MAX_SIDE = 2048
SHOWN_SIDE = 1024

# Named one by one: each further decoder of Pillow would be one more way in for a hostile file.
# "JPEG" includes the multi-picture JPEG files of phones, which Pillow calls MPO.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "AVIF": (".avif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
}
FORMATS_IN_WORDS = "JPEG, PNG, GIF, WebP, AVIF, BMP or TIFF"
MEDIA_TYPES = tuple(f"image/{name.lower()}" for name in FORMATS)
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)

# How files begin: where the signature stands, the signature, the format. For those that Pillow did
# not recognise: damaged files of the formats above, and formats that people try.
SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG", "PNG"),
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WEBP"),
    (4, b"ftypavi", "AVIF"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftyphev", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (4, b"ftypmsf1", "HEIC"),
    (0, b"%PDF", "PDF"),
    (0, b"8BPS", "Photoshop"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"JXL ", "JPEG XL"),
    (4, b"jP  ", "JPEG 2000"),
    (0, b"\0\0\1\0", "icon"),
)

TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Pillow warns from 89 megapixels on; from 50 on it is an error here, said to the reader.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

# A picture of MAX_PIXELS takes most of a gigabyte while it is decoded, and its file may be tiny.
# Large ones wait for each other, so that a few at once cannot exhaust the memory.
_decoding_large = threading.Lock()


class PhotographError(Exception):
    """A file is no photograph that can be used; the message tells the reader why.

    `code` is one of `empty`, `unsupported_format`, `unreadable`, `truncated`, `too_many_pixels`.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def open_photograph(file: IO[bytes]) -> Image.Image:
    """Read the picture in the file: upright, RGB, its longest side at most MAX_SIDE pixels.

    Transparency becomes white; of an animation or several pictures the first is taken.

    Raises PhotographError.
    """
    image = _identify(file)
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise _too_many_pixels()
    try:
        with _decoding_large if pixels > LARGE_PIXELS else nullcontext():
            # JPEG decodes faster to a half, a quarter or an eighth, if that is large enough.
            image.draft(None, (MAX_SIDE, MAX_SIDE))
            image.load()
            photograph = _bounded_rgb(image)
    except Exception as error:  # a damaged file makes Pillow raise almost anything
        raise _damaged() from error
    # Only now: PNG and TIFF files may tell their orientation after the pixels, and Pillow turns
    # TIFF by itself.
    return _upright(photograph, _orientation(image))


def format_of(file: IO[bytes]) -> str:
    """Name the format, one of FORMATS, of a file that `open_photograph` has read."""
    file.seek(0)
    name = _identify(file).format
    file.seek(0)
    return "JPEG" if name == "MPO" else str(name)


def shown_copy(photograph: Image.Image) -> Image.Image:
    """Return the photograph as a page shows it: its longest side at most SHOWN_SIDE pixels."""
    return _smaller(photograph, SHOWN_SIDE)


def jpeg(photograph: Image.Image, side: int) -> bytes:
    """Write the photograph as a JPEG whose longest side is at most `side` pixels."""
    return _jpeg(_smaller(photograph, side))


def jpeg_data_uri(image: Image.Image) -> str:
    """Write the image as a JPEG in a `data:` address."""
    return f"data:image/jpeg;base64,{base64.b64encode(_jpeg(image)).decode()}"


def _smaller(photograph: Image.Image, side: int) -> Image.Image:
    smaller = photograph.copy()
    smaller.thumbnail((side, side), Image.Resampling.LANCZOS)
    return smaller


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _identify(file: IO[bytes]) -> Image.Image:
    """Open the picture, its size known and its pixels still unread."""
    head = file.read(1024)
    file.seek(0)
    if not head:
        raise PhotographError("This file is empty. Choose another one.", "empty")
    try:
        return Image.open(file, formats=tuple(FORMATS))
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error
    except UnidentifiedImageError as error:
        raise _unidentified(_format_by_signature(head)) from error
    except Exception as error:  # as in open_photograph
        raise _damaged() from error


def _format_by_signature(head: bytes) -> str | None:
    """Name the format of a file from its first bytes, if it is a known one."""
    if b"<svg" in head:
        return "SVG"
    for start, signature, name in SIGNATURES:
        if head.startswith(signature, start):
            return name
    return None


def _unidentified(name: str | None) -> PhotographError:
    if name in FORMATS:
        return _damaged()
    if name is not None:
        return PhotographError(
            f"This is a file of the {name} format, which is not accepted. "
            f"Send the picture as {FORMATS_IN_WORDS}.",
            "unsupported_format",
        )
    return PhotographError(
        f"This file is not a picture that can be read. Send a {FORMATS_IN_WORDS} file.",
        "unreadable",
    )


def _damaged() -> PhotographError:
    return PhotographError(
        "This picture is damaged or cut short: it cannot be read to its end. "
        "Try another copy of it.",
        "truncated",
    )


def _too_many_pixels() -> PhotographError:
    return PhotographError(
        f"This picture has more than {MAX_PIXELS // 1_000_000} megapixels. Send a smaller copy.",
        "too_many_pixels",
    )


def _bounded_rgb(image: Image.Image) -> Image.Image:
    """Bring the image to RGB on white and at most MAX_SIDE pixels, without its metadata.

    It is shrunk as early as can be, for the sake of memory.
    """
    is_16_bit = image.mode.startswith("I;16")
    if is_16_bit:
        image = image.convert("I")
    elif image.mode in ("1", "P", "PA") or "transparency" in image.info:
        # Numbers of colours have no mean, and a transparent colour must still be found exactly.
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    if image.mode in ("I", "F"):
        image = _eight_bit(image, is_16_bit=is_16_bit)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    photograph = image.convert("RGB")
    photograph.info.clear()
    return photograph


def _eight_bit(image: Image.Image, *, is_16_bit: bool) -> Image.Image:
    """Bring an image of integers or floats to 8 bits; Pillow by itself clips all above 255.

    16-bit pixels reach from black to white by definition. Wider ones have no defined white, so
    they are stretched from their darkest to their lightest.
    """
    low, high = (0.0, 65535.0) if is_16_bit else cast(tuple[float, float], image.getextrema())
    scale = 255 / (high - low) if math.isfinite(high - low) and high > low else 0.0
    scaled = image.convert("F").point(lambda value: value * scale - low * scale).convert("L")
    scaled.info.clear()  # a transparent colour would be one of the former values
    return scaled


def _orientation(image: Image.Image) -> object:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # broken metadata is no reason to refuse the picture
        return None


def _upright(photograph: Image.Image, orientation: object) -> Image.Image:
    transposition = TRANSPOSITIONS.get(orientation) if isinstance(orientation, int) else None
    return photograph if transposition is None else photograph.transpose(transposition)
