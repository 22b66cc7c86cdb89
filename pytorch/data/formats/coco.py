"""COCO captions in the published form: a JSON file and a folder of images for each split."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from pytorch.data.caption_dataset import CaptionDataset, Example
from pytorch.data.formats.reading import (
    choose_splits,
    examples_of,
    existing,
    read_json,
    refuse,
)
from pytorch.data.images import DatasetError, ImageFiles

YEARS = (2017, 2014)
# The captions of the test images were never published.
SPLITS = {"train": "train", "dev": "val"}
TERMS = (
    "COCO's captions are CC BY 4.0, by the COCO Consortium. "
    "Its images belong to their authors on Flickr, under their licences there."
)


def load_coco(
    root: Path, *, splits: Collection[str] | None = None, images: bool = True
) -> CaptionDataset:
    """Chen et al., "Microsoft COCO Captions", 2015, in the release of 2014 or 2017."""
    years = [year for year in YEARS if any(path.exists() for path in _files(root, year).values())]
    if len(years) != 1:
        found = "Both releases, of 2014 and of 2017, are" if years else "There are no COCO captions"
        raise DatasetError(
            f"{found} in {root}. Put annotations/captions_train2017.json, "
            "annotations/captions_val2017.json, and train2017 and val2017 as folders or zip "
            "files into a folder of their own, or the same files of 2014."
        )
    files = {split: path for split, path in _files(root, years[0]).items() if path.exists()}
    chosen = choose_splits(files, splits, source=root)
    examples = {split: _read_captions(files[split]) for split in chosen}
    folders = [f"{SPLITS[split]}{years[0]}" for split in chosen] if images else []
    store = ImageFiles(image_sources(root, folders))
    return CaptionDataset("coco", root, examples, store, TERMS)


def image_sources(root: Path, names: Sequence[str]) -> list[Path]:
    """Find the folders and zip files of these names in `root`."""
    return existing(root, [pattern for name in names for pattern in (name, f"{name}.zip")])


def _files(root: Path, year: int) -> dict[str, Path]:
    return {
        split: root / "annotations" / f"captions_{name}{year}.json"
        for split, name in SPLITS.items()
    }


def _read_captions(path: Path) -> tuple[Example, ...]:
    content = read_json(path)
    try:
        names = {image["id"]: str(image["file_name"]) for image in content["images"]}
        captions: dict[str, list[str]] = {name: [] for name in names.values()}
        strays = []
        for annotation in content["annotations"]:
            # Some captions contain line breaks.
            caption = " ".join(annotation["caption"].split())
            if annotation["image_id"] not in names:
                strays.append(caption)
            else:
                captions[names[annotation["image_id"]]].append(caption)
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} is not in the format of COCO's captions ({type(error).__name__}: {error}). "
            "Get the file again."
        ) from error
    refuse(strays, f"Some captions in {path} belong to images that it does not list")
    return examples_of(captions, captions, source=path)
