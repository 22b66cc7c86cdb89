"""A data set that the project draws itself: two coloured shapes and their relative position.

It needs no files, and is so easy that a small model captions it almost without fault after a minute
of training. So the whole pipeline can be tried, taught and tested with it. The colours and light
backgrounds are chosen so that ImageNet encoders tell them apart. No scene is in two splits, so a
model has to learn the words and not the pictures.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from pytorch.data.caption_dataset import CaptionDataset, Example
from pytorch.data.formats.reading import choose_splits
from pytorch.data.images import ImageError

COLOURS = {
    "red": "#e01818",
    "green": "#18a030",
    "blue": "#1838e0",
    "yellow": "#f8d800",
    "black": "#101010",
}
KINDS = ("circle", "square", "triangle")
SIZES = {"small": 0.22, "large": 0.38}
"""A shape's width and height, as a share of the picture's side."""

RELATIONS = {"above": "below", "left of": "right of"}
"""Where the first shape is relative to the second, and the second relative to the first."""

BACKGROUNDS = ("#ffffff", "#e8e8e8", "#d4d4d4")
SIDE = 128
SEED = 1
SPLITS = {"train": 800, "dev": 100, "test": 100}
TERMS = "Shapes is drawn by this project and may be used for anything."


@dataclass(frozen=True)
class Shape:
    """One shape of a scene."""

    size: str
    colour: str
    kind: str

    def __str__(self) -> str:
        return f"{self.size} {self.colour} {self.kind}"

    @property
    def name(self) -> str:
        """The shape without its size."""
        return f"{self.colour} {self.kind}"


@dataclass(frozen=True)
class Scene:
    """Two shapes; `relation` says where the first is relative to the second."""

    first: Shape
    relation: str
    second: Shape

    @property
    def image(self) -> str:
        """The name of its picture, which is unique."""
        return f"{self.first} {self.relation} {self.second}.png".replace(" ", "-")

    @property
    def captions(self) -> tuple[str, ...]:
        """Five captions, all true."""
        first, second, inverse = self.first, self.second, RELATIONS[self.relation]
        return (
            f"A {first.name} {self.relation} a {second.name}.",
            f"A {first.name} is {self.relation} a {second.name}.",
            f"There is a {first.name} {self.relation} a {second.name}.",
            f"A {first} {self.relation} a {second}.",
            f"A {second.name} {inverse} a {first.name}.",
        )

    def draw(self) -> Image.Image:
        """The picture. Positions and background vary from scene to scene."""
        rng = random.Random(self.image)  # noqa: S311
        image = Image.new("RGB", (SIDE, SIDE), rng.choice(BACKGROUNDS))
        for shape, along in ((self.first, 0.27), (self.second, 0.73)):
            centre = [0.5 + rng.uniform(-0.15, 0.15), along + rng.uniform(-0.03, 0.03)]
            x, y = centre if self.relation == "above" else reversed(centre)
            _draw_shape(ImageDraw.Draw(image), shape, x * SIDE, y * SIDE)
        return image


class DrawnImages:
    """An image store that draws the pictures of scenes on demand."""

    def __init__(self, scenes: tuple[Scene, ...]) -> None:
        self._scenes = {scene.image: scene for scene in scenes}

    def __contains__(self, name: str) -> bool:
        return name in self._scenes

    def open(self, name: str) -> Image.Image:
        """The picture in RGB; raises ImageError if there is no such scene."""
        if name not in self._scenes:
            raise ImageError(f"There is no image {name}.")
        return self._scenes[name].draw()

    def fingerprint(self, name: str) -> str:
        """SHA-256 of the pixels; raises ImageError if there is no such scene."""
        return hashlib.sha256(self.open(name).tobytes()).hexdigest()


def all_scenes() -> list[Scene]:
    """Every pair of shapes that differ in colour or kind, in every relation."""
    shapes = [Shape(*words) for words in itertools.product(SIZES, COLOURS, KINDS)]
    return [
        Scene(first, relation, second)
        for first, second in itertools.permutations(shapes, 2)
        for relation in RELATIONS
        if first.name != second.name
    ]


def load_shapes(
    root: Path,
    *,
    splits: Collection[str] | None = None,
    images: bool = True,
) -> CaptionDataset:
    """Draw the data set; nothing is read from `root`."""
    scenes = random.Random(SEED).sample(all_scenes(), sum(SPLITS.values()))  # noqa: S311
    remaining = iter(scenes)
    examples = {
        split: tuple(
            Example(scene.image, scene.captions) for scene in itertools.islice(remaining, count)
        )
        for split, count in SPLITS.items()
    }
    chosen = {split: examples[split] for split in choose_splits(SPLITS, splits, source="shapes")}
    return CaptionDataset("shapes", root, chosen, DrawnImages(tuple(scenes)), TERMS)


def _draw_shape(draw: ImageDraw.ImageDraw, shape: Shape, x: float, y: float) -> None:
    """Draw the shape around a point, given in pixels."""
    half = SIZES[shape.size] * SIDE / 2
    box = (x - half, y - half, x + half, y + half)
    colour = COLOURS[shape.colour]
    if shape.kind == "circle":
        draw.ellipse(box, colour)
    elif shape.kind == "square":
        draw.rectangle(box, colour)
    else:
        draw.polygon([(x, y - half), (x + half, y + half), (x - half, y + half)], colour)
