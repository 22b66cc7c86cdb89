"""Smaller JPEG copies of photographs, for pages."""

from __future__ import annotations

import base64
import io

from PIL import Image

SHOWN_SIDE = 1024


def shown_copy(image: Image.Image) -> Image.Image:
    """Shrink an RGB image so that its longer side has at most SHOWN_SIDE pixels."""
    return _smaller(image, SHOWN_SIDE)


def jpeg(image: Image.Image, side: int) -> bytes:
    """Encode an RGB image as JPEG, with at most `side` pixels on its longer side."""
    return _jpeg(_smaller(image, side))


def jpeg_data_uri(image: Image.Image) -> str:
    """Encode an RGB image as JPEG in a `data:` address."""
    return f"data:image/jpeg;base64,{base64.b64encode(_jpeg(image)).decode()}"


def _smaller(image: Image.Image, side: int) -> Image.Image:
    smaller = image.copy()
    smaller.thumbnail((side, side), Image.Resampling.LANCZOS)
    return smaller


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
