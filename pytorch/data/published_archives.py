"""Where data sets are published, with the sizes and checksums of their archives.

Those of COCO and of Karpathy's splits are taken from TensorFlow Datasets. The archives of Flickr8k
are the copies that most people use, with the MD5 checksums of torchvision for R.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytorch.data.downloads import Archive
from pytorch.data.formats import coco, flickr

COCO = "http://images.cocodataset.org"
FLICKR8K = "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k"


@dataclass(frozen=True)
class Publication:
    """The archives that make up a data set.

    Attributes:
        dataset: The format they are read in, a key of `DATASETS`.
        terms: What their publishers allow.
        archives: What to download.
        also_needed: A sentence on what else belongs in the same folder; empty if nothing does.
    """

    dataset: str
    terms: str
    archives: tuple[Archive, ...]
    also_needed: str = ""


PUBLICATIONS: dict[str, Publication] = {
    "coco2017": Publication(
        dataset="coco",
        terms=coco.TERMS,
        archives=(
            Archive(
                f"{COCO}/annotations/annotations_trainval2017.zip",
                "sha256:113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
                size=252_907_541,
                unpack="annotations/captions_*.json",
            ),
            Archive(
                f"{COCO}/zips/val2017.zip",
                "sha256:4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
                size=815_585_330,
            ),
            Archive(
                f"{COCO}/zips/train2017.zip",
                "sha256:69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
                size=19_336_861_798,
            ),
        ),
    ),
    "coco2014": Publication(
        dataset="coco",
        terms=coco.TERMS,
        archives=(
            Archive(
                f"{COCO}/annotations/annotations_trainval2014.zip",
                "sha256:031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009",
                size=252_872_794,
                unpack="annotations/captions_*.json",
            ),
            Archive(
                f"{COCO}/zips/val2014.zip",
                "sha256:fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0",
                size=6_645_013_297,
            ),
            Archive(
                f"{COCO}/zips/train2014.zip",
                "sha256:ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775",
                size=13_510_573_713,
            ),
        ),
    ),
    "flickr8k": Publication(
        dataset="flickr8k",
        terms=flickr.FLICKR8K_TERMS,
        archives=(
            Archive(
                f"{FLICKR8K}/Flickr8k_text.zip",
                "md5:bf6c1abcb8e4a833b7f922104de18627",
                unpack="Flickr*.txt",
            ),
            Archive(f"{FLICKR8K}/Flickr8k_Dataset.zip", "md5:f18a1e2920de5bd84dae7cf08ec78978"),
        ),
    ),
    "karpathy": Publication(
        dataset="karpathy",
        terms=f"{coco.TERMS} {flickr.FLICKR8K_TERMS} {flickr.FLICKR30K_TERMS}",
        archives=(
            Archive(
                "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip",
                "sha256:4cfd70132527b80933105e5829dc9034eaab9573482e2e680abbab6130244817",
                size=36_745_453,
                unpack="dataset_*.json",
            ),
        ),
        also_needed="Put the images of one of the three data sets into the same folder. Get those "
        "of COCO with `prepare_dataset coco2014 --data-root FOLDER`, and those of Flickr8k with "
        "`prepare_dataset flickr8k --data-root FOLDER`.",
    ),
}
