"""From a picture to the tensor that an encoder takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing of pictures that an encoder's weights were trained with.

    The whole picture is squashed to a square. Classifiers crop the centre, but a caption needs the
    edges too.

    Attributes:
        size: Side of the square, in pixels.
        mean: Subtracted from the red, green and blue channels, which range from 0 to 1.
        std: Divides the channels afterwards.
        interpolation: A key of `INTERPOLATIONS`.

    Raises:
        ValueError: A value is out of range.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str

    def __post_init__(self) -> None:
        # Tuples saved as JSON are loaded as lists.
        object.__setattr__(self, "mean", tuple(self.mean))
        object.__setattr__(self, "std", tuple(self.std))
        if self.size < 1:
            raise ValueError(f"The size of a picture must be at least 1 pixel, not {self.size}.")
        if len(self.mean) != 3 or len(self.std) != 3:
            raise ValueError(
                "Mean and standard deviation need one value for each of three channels, "
                f"not {self.mean} and {self.std}."
            )
        if min(self.std) <= 0:
            raise ValueError(f"Standard deviations must be above zero, not {self.std}.")
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"There is no interpolation {self.interpolation!r}; "
                f"choose one of: {', '.join(INTERPOLATIONS)}."
            )

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Make a normalised float32 tensor (3, size, size) of a picture.

        Raises:
            ValueError: The picture is not RGB.
        """
        if image.mode != "RGB":
            raise ValueError(f"Preprocessing takes RGB pictures, not {image.mode}; convert it.")
        resized = image.resize((self.size, self.size), INTERPOLATIONS[self.interpolation])
        pixels = torch.from_numpy(np.array(resized)).permute(2, 0, 1) / 255  # (3, size, size)
        mean = torch.tensor(self.mean).view(3, 1, 1)
        std = torch.tensor(self.std).view(3, 1, 1)
        return (pixels - mean) / std
