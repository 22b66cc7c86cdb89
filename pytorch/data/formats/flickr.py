"""Flickr8k and Flickr30k: a file of numbered captions and a list of images for each split."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from pytorch.data.caption_dataset import CaptionDataset
from pytorch.data.formats.reading import (
    choose_splits,
    examples_of,
    existing,
    read_lines,
    read_text,
    refuse,
)
from pytorch.data.images import DatasetError, ImageFiles

FLICKR8K_CAPTIONS = "Flickr8k.token.txt"
FLICKR8K_SPLITS = {
    "train": "Flickr_8k.trainImages.txt",
    "dev": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
FLICKR8K_IMAGES = (
    "Flicker8k_Dataset",  # as the published zip file spells its folder
    "Flickr8k_Dataset",
    "Images",
    "images",
    "Flickr8k_Dataset.zip",
    "images-*.zip",
)
FLICKR8K_TERMS = (
    "Flickr8k is for non-commercial research and education. "
    "Its images belong to their authors on Flickr."
)

FLICKR30K_CAPTIONS = "results_20130124.token"
FLICKR30K_SPLITS = {"train": "train.txt", "dev": "val.txt", "test": "test.txt"}
FLICKR30K_IMAGES = (
    "flickr30k-images",
    "flickr30k_images",
    "Images",
    "images",
    "flickr30k-images.zip",
    "flickr30k_images.zip",
)
FLICKR30K_TERMS = (
    "Flickr30k is for non-commercial research and education. "
    "Its images belong to their authors on Flickr."
)


def load_flickr8k(
    root: Path, *, splits: Collection[str] | None = None, images: bool = True
) -> CaptionDataset:
    """Hodosh, Young and Hockenmaier, "Framing Image Description as a Ranking Task", 2013."""
    texts = root / "Flickr8k_text" if (root / "Flickr8k_text").is_dir() else root
    lists = _split_lists(texts, FLICKR8K_SPLITS, splits)
    sources = existing(root, FLICKR8K_IMAGES) if images else []
    if lack := _lack([texts / FLICKR8K_CAPTIONS, *lists.values()], sources, images=images):
        raise DatasetError(
            f"There is no complete Flickr8k in {root}: {lack}. Get Flickr8k_text.zip (captions "
            "and splits) and Flickr8k_Dataset.zip (images). Unpack Flickr8k_text.zip so that "
            f"{root / FLICKR8K_CAPTIONS} exists, and put Flickr8k_Dataset.zip into {root}, packed "
            "or unpacked."
        )
    captions = _read_numbered_captions(texts / FLICKR8K_CAPTIONS)
    examples = {
        split: examples_of(read_lines(path), captions, source=path) for split, path in lists.items()
    }
    return CaptionDataset("flickr8k", root, examples, ImageFiles(sources), FLICKR8K_TERMS)


def load_flickr30k(
    root: Path, *, splits: Collection[str] | None = None, images: bool = True
) -> CaptionDataset:
    """Young et al., "From Image Descriptions to Visual Denotations", 2014.

    It was published without splits. Those read here are the lists of Flickr30k Entities
    (Plummer et al., 2015), which name images without ".jpg".
    """
    lists = _split_lists(root, FLICKR30K_SPLITS, splits)
    sources = existing(root, FLICKR30K_IMAGES) if images else []
    if lack := _lack([root / FLICKR30K_CAPTIONS, *lists.values()], sources, images=images):
        raise DatasetError(
            f"There is no complete Flickr30k in {root}: {lack}. Put {FLICKR30K_CAPTIONS} "
            "(captions), the folder flickr30k-images, and the lists of Flickr30k Entities "
            "(train.txt, val.txt and test.txt) there. If you have dataset_flickr30k.json instead, "
            "choose the data set karpathy."
        )
    captions = _read_numbered_captions(root / FLICKR30K_CAPTIONS)
    examples = {}
    for split, path in lists.items():
        names = [line if line.endswith(".jpg") else f"{line}.jpg" for line in read_lines(path)]
        examples[split] = examples_of(names, captions, source=path)
    return CaptionDataset("flickr30k", root, examples, ImageFiles(sources), FLICKR30K_TERMS)


def _split_lists(
    texts: Path, names: Mapping[str, str], wanted: Collection[str] | None
) -> dict[str, Path]:
    """The files that list the images of the wanted splits; by default, test may be absent."""
    paths = {split: texts / name for split, name in names.items()}
    if wanted is None and not paths["test"].exists():
        del paths["test"]
    return {split: paths[split] for split in choose_splits(paths, wanted, source=texts)}


def _lack(texts: Iterable[Path], image_sources: Sequence[Path], *, images: bool) -> str:
    """What is missing, in a few words; empty if nothing is."""
    for path in texts:
        if not path.is_file():
            return f"{path.name} is missing"
    return "its images are missing" if images and not image_sources else ""


def _read_numbered_captions(path: Path) -> dict[str, list[str]]:
    """Read captions by image from lines of the form NAME#NUMBER<TAB>CAPTION."""
    captions: dict[str, list[str]] = {}
    malformed = []
    for line in read_text(path).split("\n"):
        if not line.strip():
            continue
        # Lines are not stripped first: of an empty caption, the tab is all there is.
        match = re.fullmatch(r"\s*([^#\t]+)#\d+\t(.*)", line)
        if match is None:
            malformed.append(line.strip())
        else:
            captions.setdefault(match[1], []).append(match[2].strip())
    refuse(malformed, f"Some lines of {path} are not of the form NAME.jpg#NUMBER<TAB>CAPTION")
    return captions
