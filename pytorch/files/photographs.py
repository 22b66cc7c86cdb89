"""The decoder of image files: from bytes to an upright RGB photograph of bounded size.

The pages, the commands and the training all read images here, so a model sees the same pixels in
training and in serving. Whatever the bytes, the result is a photograph or a PhotographError.
"""

from __future__ import annotations

import hashlib
import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import IO, cast

from PIL import ExifTags, Image, UnidentifiedImageError

MAX_PIXELS = 50_000_000
LARGE_PIXELS = 16_000_000
MAX_SIDE = 2048
ROWS_AT_A_TIME = 256

# Every other decoder in Pillow would be one more target for hostile files. "JPEG" includes the
# multi-picture JPEG files of phones, which Pillow calls MPO.
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

# How files begin: offset of the signature, signature, format. They name files that Pillow does not
# recognise: damaged ones of the formats above, and other formats that people try.
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
# Orientations that swap width and height.
SIDEWAYS = (5, 6, 7, 8)

# Pillow warns above 89 megapixels. Here, more than 50 are an error that the reader sees.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

# Decoding a picture of MAX_PIXELS takes most of a gigabyte, and its file may be tiny. Large
# pictures are decoded one at a time, so that several at once cannot exhaust the memory.
_decoding_large = threading.Lock()


class PhotographError(Exception):
    """A file is not a usable photograph.

    Attributes:
        message: Tells the reader why, and what to do.
        code: `empty`, `unsupported_format`, `unreadable`, `truncated` or `too_many_pixels`.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass(frozen=True)
class Photograph:
    """A picture that was read from an image file.

    Attributes:
        image: The picture in RGB, upright, with sides of at most MAX_SIDE pixels.
        format: The file's format, one of FORMATS.
        width: Width of the upright picture in pixels, before it was shrunk to `image`.
        height: Its height in pixels.
        pixel_hash: SHA-256, in hexadecimal, of the size and the upright RGB pixels as decoded,
            before they were shrunk to `image`.
        file: The file it was read from.
    """

    image: Image.Image
    format: str
    width: int
    height: int
    pixel_hash: str
    file: IO[bytes]


def open_photograph(file: IO[bytes]) -> Photograph:
    """Read the picture in an image file.

    Transparency becomes white. Only the first picture of an animation or a multi-picture file is
    read.

    Raises:
        PhotographError: The file is not a usable photograph.
    """
    image = _identify(file)
    file_format = _format(image)
    full_size = image.size
    if math.prod(full_size) > MAX_PIXELS:
        raise _too_many_pixels()
    try:
        with _decoding_large if math.prod(full_size) > LARGE_PIXELS else nullcontext():
            # JPEG files decode faster at a half, a quarter or an eighth of their size; this picks
            # one that is still large enough.
            image.draft(None, (MAX_SIDE, MAX_SIDE))
            size_to_load = image.size
            image.load()
            if image.size != size_to_load:  # Pillow itself turns TIFF files upright
                full_size = full_size[::-1]
            # Read this last: PNG and TIFF files may store their orientation after the pixels.
            orientation = _orientation(image)
            levels = _levels(image)
            pixel_hash = _hash_pixels(image, orientation, levels)
            small = _shrinkable(image)
            small.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
            photograph = _upright(_rgb(small, levels), orientation)
    except Exception as error:  # a damaged file can make Pillow raise anything
        raise _damaged() from error
    width, height = full_size[::-1] if orientation in SIDEWAYS else full_size
    return Photograph(photograph, file_format, width, height, pixel_hash, file)


def format_of(file: IO[bytes]) -> str:
    """Return the format, one of FORMATS, of a file that `open_photograph` has read."""
    file.seek(0)
    name = _format(_identify(file))
    file.seek(0)
    return name


def _format(image: Image.Image) -> str:
    return "JPEG" if image.format == "MPO" else str(image.format)


def _identify(file: IO[bytes]) -> Image.Image:
    """Open the picture and read its size, but not its pixels."""
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
    """Return the format that a file's first bytes tell, if they are known."""
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
            f"{name} files are not accepted. Send the picture as {FORMATS_IN_WORDS}.",
            "unsupported_format",
        )
    return PhotographError(
        f"This file is not a picture that can be read. Send a {FORMATS_IN_WORDS} file.",
        "unreadable",
    )


def _damaged() -> PhotographError:
    return PhotographError(
        "This picture is damaged or cut short: it cannot be read to its end. Try another copy.",
        "truncated",
    )


def _too_many_pixels() -> PhotographError:
    return PhotographError(
        f"This picture has more than {MAX_PIXELS // 1_000_000} megapixels. Send a smaller copy.",
        "too_many_pixels",
    )


def _shrinkable(image: Image.Image) -> Image.Image:
    """Convert the image to a mode whose pixels can be averaged."""
    if image.mode.startswith("I;16"):
        return image.convert("I")
    if image.mode in ("1", "P", "PA") or "transparency" in image.info:
        # Palette indices have no mean, and a transparent colour must be matched before averaging
        # changes it.
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image


def _rgb(image: Image.Image, levels: tuple[float, float] | None) -> Image.Image:
    """Convert an image from `_shrinkable` to RGB, on white and without its metadata."""
    if levels is not None:
        image = _eight_bit(image, levels)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    photograph = image.convert("RGB")
    photograph.info.clear()
    return photograph


def _levels(image: Image.Image) -> tuple[float, float] | None:
    """Return the values of black and white in an image of more than 8 bits, else None.

    The range of 16-bit pixels is defined. Wider pixels have no defined white, so their own darkest
    and lightest values are used.
    """
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    return cast(tuple[float, float], image.getextrema()) if image.mode in ("I", "F") else None


def _eight_bit(image: Image.Image, levels: tuple[float, float]) -> Image.Image:
    """Scale integers or floats to 8 bits; Pillow alone would clip all values above 255."""
    low, high = levels
    scale = 255 / (high - low) if math.isfinite(high - low) and high > low else 0.0
    scaled = image.convert("F").point(lambda value: value * scale - low * scale).convert("L")
    scaled.info.clear()  # it may name a transparent colour by its former value
    return scaled


def _hash_pixels(image: Image.Image, orientation: int, levels: tuple[float, float] | None) -> str:
    """Compute the SHA-256 of an image's size and pixels, upright and in RGB."""
    width, height = image.size[::-1] if orientation in SIDEWAYS else image.size
    digest = hashlib.sha256(f"{width} x {height} ".encode())
    # Take a few rows at a time: a whole RGB copy would need as much memory as the image itself.
    for box in _boxes_of_upright_rows(image.size, orientation):
        rows = _upright(_rgb(_shrinkable(image.crop(box)), levels), orientation)
        digest.update(rows.tobytes())
    return digest.hexdigest()


def _boxes_of_upright_rows(
    size: tuple[int, int], orientation: int
) -> Iterator[tuple[int, int, int, int]]:
    """Cut the stored image into boxes that are, turned upright, its rows from the top down.

    Args:
        size: Width and height of the stored image.
        orientation: Its EXIF orientation.

    Yields:
        Left, top, right and bottom of each box.
    """
    width, height = size
    length = width if orientation in SIDEWAYS else height
    for start in range(0, length, ROWS_AT_A_TIME):
        stop = min(start + ROWS_AT_A_TIME, length)
        if orientation in (3, 4, 7, 8):  # the upright top is stored at the bottom or the right
            start, stop = length - stop, length - start  # noqa: PLW2901
        yield (start, 0, stop, height) if orientation in SIDEWAYS else (0, start, width, stop)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, from 1 (upright) to 8; 1 if there is none."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # a picture with broken metadata is still a picture
        return 1
    return orientation if isinstance(orientation, int) and orientation in TRANSPOSITIONS else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image if orientation == 1 else image.transpose(TRANSPOSITIONS[orientation])
