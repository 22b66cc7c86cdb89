"""A picture with where the model looked for a word: what static/js/attention.js draws on pages."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

DARKEST = 0.82  # opacity over the region that was looked at least


def draw_attention(photograph: Image.Image, attention: Sequence[Sequence[float]]) -> bytes:
    """Darken what was not looked at, as a PNG.

    `attention` has the weights of the regions, rows of a grid over the whole RGB photograph. They
    are drawn from the least to the most, however small the difference.
    """
    # Linear between the regions: a cubic curve would go beyond the darkest and the lightest.
    shade = _shade_of_regions(attention).resize(photograph.size, Image.Resampling.BILINEAR)
    black = Image.new("RGB", photograph.size)
    buffer = io.BytesIO()
    Image.composite(black, photograph, shade).save(buffer, "PNG")
    return buffer.getvalue()


def _shade_of_regions(attention: Sequence[Sequence[float]]) -> Image.Image:
    """Opacity of the darkness, one pixel for each region."""
    weights = [weight for row in attention for weight in row]
    least, most = min(weights), max(weights)
    shade = Image.new("L", (len(attention[0]), len(attention)))
    if most > least:
        shade.putdata(
            [round(255 * DARKEST * (most - weight) / (most - least)) for weight in weights]
        )
    return shade
