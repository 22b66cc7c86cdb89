"""Pictures that no caption fits: blank, noise, text, drawings, screens.

The dev splits hold nothing but photographs, so a confidence fitted on them alone could not know
that an empty page is no photograph. These are drawn from a seed, and need no files.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFilter, ImageFont

WIDTHS = (180, 420)
"""The least and the greatest width and height, in pixels."""

Colour = tuple[int, int, int]


def negative_pictures(count: int, *, seed: int) -> list[Image.Image]:
    """Draw pictures that are no photographs, in RGB; each kind as often as the others.

    Args:
        count: The number of pictures.
        seed: The same seed draws the same pictures.
    """
    rng = random.Random(seed)  # noqa: S311
    return [KINDS[number % len(KINDS)](rng) for number in range(count)]


def _blank(rng: random.Random) -> Image.Image:
    """One colour."""
    grey = rng.randrange(256)
    return Image.new("RGB", _size(rng), rng.choice([_colour(rng), (grey, grey, grey)]))


def _gradient(rng: random.Random) -> Image.Image:
    """One colour that becomes another, from top to bottom or from the centre outwards."""
    ramp = rng.choice([Image.linear_gradient, Image.radial_gradient])("L").rotate(
        rng.choice([0, 90, 180, 270])
    )
    size = _size(rng)
    first, second = (Image.new("RGB", size, _colour(rng)) for _ in range(2))
    return Image.composite(first, second, ramp.resize(size))


def _noise(rng: random.Random) -> Image.Image:
    """Random pixels, sharp or blurred, grey or coloured."""
    width, height = _size(rng)
    mode, channels = rng.choice([("L", 1), ("RGB", 3)])
    noise = Image.frombytes(mode, (width, height), rng.randbytes(width * height * channels))
    return noise.convert("RGB").filter(ImageFilter.GaussianBlur(rng.choice([0, 0, 1, 3])))


def _page(rng: random.Random) -> Image.Image:
    """Lines of text, dark on light or light on dark."""
    paper, ink = _paper_and_ink(rng)
    image = Image.new("RGB", _size(rng), paper)
    _write(ImageDraw.Draw(image), rng, (12, 12, *image.size), ink, rng.randint(10, 36))
    return image


def _shapes(rng: random.Random) -> Image.Image:
    """A few filled or outlined shapes."""
    image = Image.new("RGB", _size(rng), _colour(rng))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, 6)):
        shape = rng.choice([draw.ellipse, draw.rectangle])
        box = _box(rng, image.size)
        shape(box, rng.choice([_colour(rng), None]), _colour(rng), rng.randint(1, 6))
    return image


def _strokes(rng: random.Random) -> Image.Image:
    """A drawing of a few lines and curves, as by a pen."""
    paper, ink = _paper_and_ink(rng)
    image = Image.new("RGB", _size(rng), paper)
    draw, width = ImageDraw.Draw(image), rng.randint(1, 5)
    for _ in range(rng.randint(3, 20)):
        if rng.random() < 0.5:
            points = [_point(rng, image.size) for _ in range(rng.randint(2, 5))]
            draw.line(points, ink, width, joint="curve")
        else:
            start = rng.randrange(360)
            draw.arc(_box(rng, image.size), start, start + rng.randint(40, 360), ink, width)
    return image


def _chart(rng: random.Random) -> Image.Image:
    """Bars on an axis, or a line through points."""
    width, height = size = _size(rng)
    image = Image.new("RGB", size, "white")
    draw, colour = ImageDraw.Draw(image), _colour(rng)
    draw.line([(30, 10), (30, height - 30), (width - 10, height - 30)], "black", 2)
    steps = rng.randint(3, 12)
    wide = (width - 50) / steps
    tops = [rng.uniform(15, height - 40) for _ in range(steps)]
    lefts = [36 + step * wide for step in range(steps)]
    if rng.random() < 0.5:
        for left, top in zip(lefts, tops, strict=True):
            draw.rectangle((left, top, left + 0.7 * wide, height - 30), colour)
    else:
        draw.line(list(zip(lefts, tops, strict=True)), colour, 3)
    _write(draw, rng, (40, height - 24, width, height), (0, 0, 0), 11)
    return image


def _screen(rng: random.Random) -> Image.Image:
    """A window of a program: a bar, a list at the side, panels with text and buttons."""
    paper, ink = _paper_and_ink(rng)
    width, height = size = _size(rng)
    image = Image.new("RGB", size, paper)
    draw, accent = ImageDraw.Draw(image), _colour(rng)
    side = rng.randint(0, width // 3)
    draw.rectangle((0, 0, width, 26), accent)
    _write(draw, rng, (8, 6, width, 22), paper, 12)
    draw.rectangle((0, 27, side, height), _mixed(paper, ink))
    _write(draw, rng, (6, 36, side, height), ink, 11)
    top = 36
    while top < height - 30:
        bottom = top + rng.randint(30, 110)
        draw.rounded_rectangle((side + 8, top, width - 8, bottom), 5, None, _mixed(paper, ink))
        _write(draw, rng, (side + 14, top + 6, width - 14, bottom - 4), ink, rng.randint(9, 14))
        draw.rectangle((width - 60, bottom - 18, width - 16, bottom - 6), accent)
        top = bottom + 8
    return image


KINDS: tuple[Callable[[random.Random], Image.Image], ...] = (
    _blank,
    _gradient,
    _noise,
    _page,
    _shapes,
    _strokes,
    _chart,
    _screen,
)


def _write(
    draw: ImageDraw.ImageDraw,
    rng: random.Random,
    box: tuple[int, int, int, int],
    ink: Colour,
    size: int,
) -> None:
    """Fill a box (left, top, right, bottom) with lines of made-up words."""
    left, top, right, bottom = box
    font = ImageFont.load_default(size)
    while top + size <= bottom:
        text, wanted = "", rng.uniform(0.4, 1.0) * (right - left)
        while draw.textlength(text, font) < wanted:
            text += "".join(rng.choices(string.ascii_lowercase, k=rng.randint(1, 9))) + " "
        while text and draw.textlength(text, font) > right - left:
            text = text[:-1]
        draw.text((left, top), text.capitalize(), ink, font)
        top += round(1.4 * size)


def _size(rng: random.Random) -> tuple[int, int]:
    return rng.randint(*WIDTHS), rng.randint(*WIDTHS)


def _colour(rng: random.Random) -> Colour:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def _paper_and_ink(rng: random.Random) -> tuple[Colour, Colour]:
    """A light and a dark colour; one time in four the dark one is the paper."""
    light, dark = rng.randint(215, 255), rng.randint(0, 60)
    colours: list[Colour] = [(light, light, rng.randint(205, 255)), (dark, dark, dark)]
    return (colours[0], colours[1]) if rng.random() < 0.75 else (colours[1], colours[0])


def _mixed(paper: Colour, ink: Colour) -> Colour:
    red, green, blue = ((9 * one + other) // 10 for one, other in zip(paper, ink, strict=True))
    return red, green, blue


def _point(rng: random.Random, size: tuple[int, int]) -> tuple[int, int]:
    return rng.randrange(size[0]), rng.randrange(size[1])


def _box(rng: random.Random, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The left, top, right and bottom of a box inside a picture."""
    (left, right), (top, bottom) = (sorted(rng.randrange(side) for _ in range(2)) for side in size)
    return left, top, right, bottom
