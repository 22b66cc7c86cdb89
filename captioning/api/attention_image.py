"""Drawing attention on a picture, as static/js/attention.js does on pages."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

DARKEST = 0.82  # opacity over the region with the least attention


def draw_attention(photograph: Image.Image, attention: Sequence[Sequence[float]]) -> bytes:
    """Darken the regions that got little attention.

    The contrast is stretched: the region with the most attention keeps its brightness and the one
    with the least is darkest, however small the difference.

    Args:
        photograph: An RGB image.
        attention: Weights of the regions, as rows of a grid over the whole image.

    Returns:
        The picture as a PNG file.
    """
    # Linear, because cubic interpolation overshoots the darkest and the lightest value.
    shade = _shade_of_regions(attention).resize(photograph.size, Image.Resampling.BILINEAR)
    black = Image.new("RGB", photograph.size)
    buffer = io.BytesIO()
    Image.composite(black, photograph, shade).save(buffer, "PNG")
    return buffer.getvalue()


def _shade_of_regions(attention: Sequence[Sequence[float]]) -> Image.Image:
    """Make the opacity mask, one pixel per region."""
    weights = [weight for row in attention for weight in row]
    least, most = min(weights), max(weights)
    shade = Image.new("L", (len(attention[0]), len(attention)))
    if most > least:
        shade.putdata(
            [round(255 * DARKEST * (most - weight) / (most - least)) for weight in weights]
        )
    return shade
