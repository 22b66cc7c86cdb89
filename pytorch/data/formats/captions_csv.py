"""Tables of the form `image,caption`, such as the one that circulates with Flickr8k."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Collection
from pathlib import Path

from pytorch.data.caption_dataset import CaptionDataset, Example
from pytorch.data.formats.reading import (
    choose_splits,
    examples_of,
    existing,
    read_text,
    refuse,
    stated_terms,
)
from pytorch.data.images import DatasetError, ImageFiles

TABLES = ("captions.txt", "captions.csv")
HEADERS = (["image", "caption"], ["image", "caption", "split"])
SPLITS = ("train", "dev", "test")
IMAGES = ("Images", "images", "Images.zip", "images.zip")
TERMS = (
    "The captions and images come from a local table; ask whoever collected them for their terms."
)


def load_captions_csv(
    root: Path, *, splits: Collection[str] | None = None, images: bool = True
) -> CaptionDataset:
    """A table with a column of image names, one of captions and, optionally, one of splits.

    Without the column of splits, `usual_split` decides.
    """
    tables = existing(root, TABLES)
    sources = existing(root, IMAGES) if images else []
    if len(tables) != 1 or (images and not sources):
        found = "Several tables are" if len(tables) > 1 else "There is no complete captions-csv"
        raise DatasetError(
            f"{found} in {root}. Put a table named captions.txt or captions.csv there, which "
            "begins with the line image,caption, and its images in a folder Images or a file "
            "Images.zip."
        )
    examples = _read_table(tables[0])
    chosen = {split: examples[split] for split in choose_splits(examples, splits, source=root)}
    terms = stated_terms(root) or TERMS
    return CaptionDataset("captions-csv", root, chosen, ImageFiles(sources), terms)


def usual_split(image: str) -> str:
    """Assign 80 percent of the images to train, and 10 percent each to dev and test.

    The SHA-256 of the name decides, so an image is in the same split everywhere.
    """
    tenth = int(hashlib.sha256(image.encode()).hexdigest(), 16) % 10
    return {0: "test", 1: "dev"}.get(tenth, "train")


def _read_table(path: Path) -> dict[str, tuple[Example, ...]]:
    header, rows = _read_rows(path)
    if header not in HEADERS:
        raise DatasetError(
            f"{path} begins with the columns {','.join(header)}. "
            f"They must be {' or '.join(','.join(columns) for columns in HEADERS)}."
        )
    refuse(
        (",".join(row) for row in rows if len(row) != len(header) or "" in (row[0], *row[2:])),
        f"Some lines of {path} do not have a value for each of its {len(header)} columns",
    )
    captions: dict[str, list[str]] = {}
    split_of: dict[str, str] = {}
    for image, caption, *split in rows:
        captions.setdefault(image, []).append(caption)
        split_of.setdefault(image, split[0] if split else usual_split(image))
    refuse(
        (split for split in split_of.values() if split not in SPLITS),
        f"Some splits in {path} are none of {', '.join(SPLITS)}",
    )
    refuse(
        (image for image, _, *split in rows if split and split[0] != split_of[image]),
        f"Some images are in more than one split of {path}",
    )
    examples = examples_of(captions, captions, source=path)
    splits = {
        name: tuple(example for example in examples if split_of[example.image] == name)
        for name in SPLITS
    }
    return {name: found for name, found in splits.items() if found}


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """The header, and the rows that are not blank, with stripped cells."""
    try:
        table = list(csv.reader(io.StringIO(read_text(path), newline=""), strict=True))
    except csv.Error as error:
        raise DatasetError(f"{path} is not a table of comma-separated values ({error}).") from error
    rows = [[cell.strip() for cell in row] for row in table if row]
    return (rows[0], rows[1:]) if rows else ([], [])
