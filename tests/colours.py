"""A data set in Flickr8k's layout that anyone can tell apart: plain colours and their names."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

COLOURS = {"red": "#e02020", "green": "#20a020", "blue": "#2040e0", "yellow": "#f0e020"}
SPLITS = {"train": 2, "dev": 1}
CAPTIONS = ("A {} square .", "A square that is {} .", "It is all {} here .")


def write_colours(root: Path) -> Path:
    """Write two images of each colour to train on and one as dev, three captions an image."""
    (root / "Flickr8k_Dataset").mkdir(parents=True)
    lines = []
    for split, copies in SPLITS.items():
        names = [f"{split}-{colour}-{copy}.jpg" for copy in range(copies) for colour in COLOURS]
        for name in names:
            colour = name.split("-")[1]
            side = 40 + 8 * int(name[-5])
            image = Image.new("RGB", (side, side), COLOURS[colour])
            image.save(root / "Flickr8k_Dataset" / name)
            lines += [f"{name}#{k}\t{text.format(colour)}\n" for k, text in enumerate(CAPTIONS)]
        (root / f"Flickr_8k.{split}Images.txt").write_text("\n".join(names) + "\n")
    (root / "Flickr8k.token.txt").write_text("".join(lines))
    return root
