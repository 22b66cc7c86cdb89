"""Flickr8k and Flickr30k: a file of numbered captions, and a list of images for each split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pytorch.data.caption_dataset import CaptionDataset
from pytorch.data.formats.reading import examples_of, existing, read_lines, refuse
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


def load_flickr8k(root: Path) -> CaptionDataset:
    """Hodosh, Young and Hockenmaier, "Framing Image Description as a Ranking Task", 2013."""
    texts = root / "Flickr8k_text" if (root / "Flickr8k_text").is_dir() else root
    sources = existing(root, FLICKR8K_IMAGES)
    required = (FLICKR8K_CAPTIONS, FLICKR8K_SPLITS["train"], FLICKR8K_SPLITS["dev"])
    lack = _lack(texts, required, sources)
    if lack:
        raise DatasetError(
            f"There is no complete Flickr8k in {root}: {lack}. Get Flickr8k_text.zip (captions "
            "and splits) and Flickr8k_Dataset.zip (images). Unpack Flickr8k_text.zip, so that "
            f"{root / FLICKR8K_CAPTIONS} exists, and put Flickr8k_Dataset.zip into {root}, as it "
            "is or unpacked."
        )
    captions = _read_numbered_captions(texts / FLICKR8K_CAPTIONS)
    splits = {
        split: examples_of(read_lines(texts / name), captions, source=texts / name)
        for split, name in FLICKR8K_SPLITS.items()
        if name in required or (texts / name).exists()
    }
    return CaptionDataset("flickr8k", root, splits, ImageFiles(sources), FLICKR8K_TERMS)


def load_flickr30k(root: Path) -> CaptionDataset:
    """Young et al., "From Image Descriptions to Visual Denotations", 2014.

    It was published without splits. Those read here are the lists of Flickr30k Entities
    (Plummer et al., 2015), which name images without ".jpg".
    """
    sources = existing(root, FLICKR30K_IMAGES)
    required = (FLICKR30K_CAPTIONS, FLICKR30K_SPLITS["train"], FLICKR30K_SPLITS["dev"])
    lack = _lack(root, required, sources)
    if lack:
        raise DatasetError(
            f"There is no complete Flickr30k in {root}: {lack}. Put there {FLICKR30K_CAPTIONS} "
            "(captions), the folder flickr30k-images, and train.txt, val.txt and test.txt, which "
            "name the images of the splits, as Flickr30k Entities has them. With "
            "dataset_flickr30k.json instead, choose the data set karpathy."
        )
    captions = _read_numbered_captions(root / FLICKR30K_CAPTIONS)
    splits = {}
    for split, name in FLICKR30K_SPLITS.items():
        if name in required or (root / name).exists():
            lines = read_lines(root / name)
            images = [line if line.endswith(".jpg") else f"{line}.jpg" for line in lines]
            splits[split] = examples_of(images, captions, source=root / name)
    return CaptionDataset("flickr30k", root, splits, ImageFiles(sources), FLICKR30K_TERMS)


def _lack(texts: Path, required: Sequence[str], image_sources: Sequence[Path]) -> str:
    """What is not there, in a few words; nothing where all is."""
    missing = [name for name in required if not (texts / name).is_file()]
    if missing:
        return f"{missing[0]} is missing"
    return "" if image_sources else "its images are missing"


def _read_numbered_captions(path: Path) -> dict[str, list[str]]:
    """Captions by image out of lines `NAME#NUMBER<TAB>CAPTION`."""
    captions: dict[str, list[str]] = {}
    malformed = []
    for line in read_lines(path):
        match = re.fullmatch(r"([^#\t]+)#\d+\t\s*(\S.*)", line)
        if match is None:
            malformed.append(line)
        else:
            captions.setdefault(match[1], []).append(match[2])
    refuse(malformed, f"Some lines of {path} are not of the form NAME.jpg#NUMBER<TAB>CAPTION")
    return captions
