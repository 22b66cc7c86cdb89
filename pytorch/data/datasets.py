"""The registry of data sets of images with reference captions.

A data set is one row of `DATASETS`: a function from its folder to a `CaptionDataset`.
"""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from pytorch.data.caption_dataset import CaptionDataset, Example
from pytorch.data.formats.captions_csv import load_captions_csv
from pytorch.data.formats.coco import load_coco
from pytorch.data.formats.flickr import load_flickr8k, load_flickr30k
from pytorch.data.formats.karpathy import load_karpathy
from pytorch.data.formats.reading import NoSplitError, refuse
from pytorch.data.images import DatasetError
from pytorch.data.shapes import load_shapes

__all__ = ["DATASETS", "CaptionDataset", "DatasetError", "Example", "load_dataset"]

logger = logging.getLogger(__name__)


class Reader(Protocol):
    """Reads a data set in one format, all but the images themselves."""

    def __call__(
        self, root: Path, *, splits: Collection[str] | None, images: bool
    ) -> CaptionDataset:
        """Read the named splits, or all there are, without touching files of other splits.

        Args:
            root: The folder that holds the data set's files.
            splits: The splits to read; None for all.
            images: Whether to look for the image files.

        Raises:
            DatasetError: A file is missing or damaged, or there is no split of such a name.
        """


DATASETS: dict[str, Reader] = {
    "flickr8k": load_flickr8k,
    "flickr30k": load_flickr30k,
    "coco": load_coco,
    "karpathy": load_karpathy,
    "captions-csv": load_captions_csv,
    "shapes": load_shapes,
}


def load_dataset(
    name: str,
    root: Path,
    *,
    allow_missing: bool = False,
    splits: Collection[str] | None = None,
    optional: Collection[str] = (),
    images: bool = True,
) -> CaptionDataset:
    """Read and check a data set, all but the images themselves.

    Images that are missing are left out, and so are those without a caption once empty captions
    are dropped; they are then in `CaptionDataset.skipped`. A warning says how many captions were
    dropped.

    Args:
        name: A key of `DATASETS`.
        root: The folder that holds its files.
        allow_missing: Whether more than 1 percent of a split may be left out.
        splits: The splits to read; only their files are needed. By default all there are.
        optional: Those of `splits` that are left out if the data set has none of the name.
        images: Whether image files are needed. Without them no image counts as missing, and none
            can be opened.

    Raises:
        DatasetError: There is no data set or split of this name, or it is not complete.
    """
    if name not in DATASETS:
        raise DatasetError(f"There is no data set {name!r}; choose one of: {', '.join(DATASETS)}.")
    try:
        dataset = DATASETS[name](root, splits=splits, images=images)
    except NoSplitError:
        if not optional or splits is None:
            raise
        needed = [split for split in splits if split not in optional]
        dataset = DATASETS[name](root, splits=needed, images=images)
    dataset = dataclasses.replace(dataset, allow_missing=allow_missing).without_empty_captions()
    for split in dataset.empty_captions:
        logger.warning(dataset.empty_captions_sentence(split))
    examples = [example for split in dataset.splits.values() for example in split]
    counts = Counter(example.image for example in examples)
    refuse(
        (image for image, count in counts.items() if count > 1),
        f"Some images are named more than once by the splits in {root}",
    )
    reasons = {example.image: "no caption" for example in examples if not example.captions}
    if images:
        reasons |= {image: "missing" for image in counts if image not in dataset.images}
    return dataset.leave_out(reasons)
