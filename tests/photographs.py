"""Photographs that scikit-image ships, in the public domain or CC0."""

from __future__ import annotations

import skimage.data
from PIL import Image


def photographs() -> list[Image.Image]:
    """An astronaut, a cat, a cup of coffee and a rocket, in RGB."""
    return [
        Image.fromarray(photograph())
        for photograph in (
            skimage.data.astronaut,
            skimage.data.chelsea,
            skimage.data.coffee,
            skimage.data.rocket,
        )
    ]
