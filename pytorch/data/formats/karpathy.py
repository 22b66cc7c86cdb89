"""Karpathy's splits of COCO, Flickr8k and Flickr30k, on which most papers report."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from pytorch.data.caption_dataset import CaptionDataset, Example
from pytorch.data.formats import coco, flickr
from pytorch.data.formats.reading import choose_splits, existing, read_json, refuse
from pytorch.data.images import DatasetError, ImageFiles

# "restval" are the remaining val images of COCO, which papers train on as well.
SPLITS = {"train": "train", "restval": "train", "val": "dev", "test": "test"}
TERMS = {
    "dataset_coco.json": coco.TERMS,
    "dataset_flickr8k.json": flickr.FLICKR8K_TERMS,
    "dataset_flickr30k.json": flickr.FLICKR30K_TERMS,
}
COCO_IMAGES = {"train": ("train2014", "val2014"), "dev": ("val2014",), "test": ("val2014",)}


def load_karpathy(
    root: Path, *, splits: Collection[str] | None = None, images: bool = True
) -> CaptionDataset:
    """Karpathy and Fei-Fei, "Deep Visual-Semantic Alignments", 2015.

    `root` is the folder or, if it holds several `dataset_*.json` files, one of these.
    """
    path = root if root.name in TERMS else _only_file(root)
    examples = _read_splits(path)
    chosen = choose_splits(examples, splits, source=path)
    store = ImageFiles(_image_sources(path.parent, chosen) if images else [])
    return CaptionDataset(
        "karpathy",
        path.parent,
        {split: examples[split] for split in chosen},
        store,
        TERMS[path.name],
    )


def _image_sources(folder: Path, splits: Iterable[str]) -> list[Path]:
    """The places where images of any of the three data sets may be, each place once."""
    coco_names = [name for split in splits for name in COCO_IMAGES[split]]
    sources = [
        *coco.image_sources(folder, coco_names),
        *existing(folder, flickr.FLICKR8K_IMAGES),
        *existing(folder, flickr.FLICKR30K_IMAGES),
    ]
    return list(dict.fromkeys(sources))


def _only_file(root: Path) -> Path:
    found = existing(root, list(TERMS))
    if len(found) == 1:
        return found[0]
    if found:
        raise DatasetError(
            f"There are {len(found)} of Karpathy's data sets in {root}. "
            f"Name one of them as the data root: {', '.join(map(str, found))}."
        )
    raise DatasetError(
        f"There is none of {', '.join(TERMS)} in {root}. Get caption_datasets.zip, unpack it "
        "there, and put the images beside it: train2014 and val2014 of COCO, Flickr8k_Dataset, "
        "or flickr30k-images, as folders or zip files."
    )


def _read_splits(path: Path) -> dict[str, tuple[Example, ...]]:
    content = read_json(path)
    try:
        examples: dict[str, list[Example]] = {split: [] for split in SPLITS.values()}
        for image in content["images"]:
            examples[SPLITS[image["split"]]].append(_example(image))
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} is not in the format of Karpathy's data sets ({type(error).__name__}: "
            f"{error}). Get the file again."
        ) from error
    every = [example for found in examples.values() for example in found]
    if not every:
        raise DatasetError(f"{path} names no images. Get the file again.")
    refuse(
        (example.image for example in every if not example.captions),
        f"Some images in {path} have no captions",
    )
    return {split: tuple(found) for split, found in examples.items() if found}


def _example(image: dict[str, Any]) -> Example:
    captions = (" ".join(sentence["raw"].split()) for sentence in image["sentences"])
    return Example(str(image["filename"]), tuple(captions))
