"""The registry of data sets of images with reference captions.

A data set is one row of `DATASETS`: a function from its folder to a `CaptionDataset`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pytorch.data.caption_dataset import CaptionDataset, Example
from pytorch.data.formats.captions_csv import load_captions_csv
from pytorch.data.formats.coco import load_coco
from pytorch.data.formats.flickr import load_flickr8k, load_flickr30k
from pytorch.data.formats.karpathy import load_karpathy
from pytorch.data.formats.reading import refuse
from pytorch.data.images import DatasetError
from pytorch.data.shapes import load_shapes

__all__ = ["DATASETS", "CaptionDataset", "DatasetError", "Example", "load_dataset"]

DATASETS: dict[str, Callable[[Path], CaptionDataset]] = {
    "flickr8k": load_flickr8k,
    "flickr30k": load_flickr30k,
    "coco": load_coco,
    "karpathy": load_karpathy,
    "captions-csv": load_captions_csv,
    "shapes": load_shapes,
}


def load_dataset(name: str, root: Path, *, allow_missing: bool = False) -> CaptionDataset:
    """Reads and checks a data set, all but the images themselves.

    Images that are not there are left out, and are then in `CaptionDataset.skipped`.

    Args:
        name: A key of `DATASETS`.
        root: The folder that holds its files.
        allow_missing: Whether more than 1 percent of a split may be left out.

    Raises:
        DatasetError: There is no data set of this name, or it is not complete.
    """
    if name not in DATASETS:
        raise DatasetError(f"There is no data set {name!r}; choose one of: {', '.join(DATASETS)}.")
    dataset = dataclasses.replace(DATASETS[name](root), allow_missing=allow_missing)
    images = [example.image for examples in dataset.splits.values() for example in examples]
    refuse(
        (image for image, count in Counter(images).items() if count > 1),
        f"Some images are named more than once by the splits in {root}",
    )
    return dataset.leave_out({image: "missing" for image in images if image not in dataset.images})
