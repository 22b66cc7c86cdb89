"""Smaller JPEG copies of a photograph, for pages."""

from __future__ import annotations

import base64
import io

from PIL import Image

SHOWN_SIDE = 1024


def shown_copy(image: Image.Image) -> Image.Image:
    """Return the RGB image as a page shows it: its longest side at most SHOWN_SIDE pixels."""
    return _smaller(image, SHOWN_SIDE)


def jpeg(image: Image.Image, side: int) -> bytes:
    """Write the RGB image as a JPEG whose longest side is at most `side` pixels."""
    return _jpeg(_smaller(image, side))


def jpeg_data_uri(image: Image.Image) -> str:
    """Write the RGB image as a JPEG in a `data:` address."""
    return f"data:image/jpeg;base64,{base64.b64encode(_jpeg(image)).decode()}"


def _smaller(image: Image.Image, side: int) -> Image.Image:
    smaller = image.copy()
    smaller.thumbnail((side, side), Image.Resampling.LANCZOS)
    return smaller


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
