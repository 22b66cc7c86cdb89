"""The options of every command that reads a data set."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Collection
from pathlib import Path
from typing import Any

from django.conf import settings

from pytorch.data.datasets import DATASETS, CaptionDataset, load_dataset

DEFAULT = "flickr8k"
ALLOW_MISSING: dict[str, Any] = {
    "action": "store_true",
    "help": "continue even if more than 1 percent of a split's images cannot be used",
}


def add_dataset_options(parser: ArgumentParser) -> None:
    """Add --dataset, --data-root and --allow-missing."""
    parser.add_argument("--dataset", choices=list(DATASETS), default=DEFAULT)
    parser.add_argument(
        "--data-root", type=Path, help="folder of the data set (default: data/DATASET)"
    )
    parser.add_argument("--allow-missing", **ALLOW_MISSING)


def chosen_dataset(
    options: dict[str, Any], *, splits: Collection[str] | None = None, images: bool = True
) -> CaptionDataset:
    """Read the data set that the options name.

    Args:
        options: The command's options, with those of `add_dataset_options`.
        splits: The splits to read; by default all there are.
        images: Whether image files are needed.

    Raises:
        DatasetError: The data set is missing or not complete.
    """
    return load_dataset(
        options["dataset"],
        options["data_root"] or settings.BASE_DIR / "data" / options["dataset"],
        allow_missing=options["allow_missing"],
        splits=splits,
        images=images,
    )
