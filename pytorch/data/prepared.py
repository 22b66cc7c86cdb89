"""Data sets made ready for use: usable images, their captions, and their region features."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path

import torch
from torch import Tensor

from pytorch.data.caption_dataset import CaptionDataset, Example
from pytorch.data.features import RegionFeatures, cached_features, computed_features, read_picture
from pytorch.data.images import ImageError, ImageStore
from pytorch.model.encoders import Encoder
from pytorch.model.transforms import Preprocessing

# A GPU learns from images faster than one thread reads them.
READING_THREADS = min(8, os.cpu_count() or 1)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedSplit:
    """A split's examples with the region features of their images, in the same order.

    Attributes:
        examples: Those of which the image is to be seen in a mirror may be among them.
        features: One row for each example.
        images: Holds the images themselves.
        cache_dir: Where features are kept on disk.
    """

    examples: tuple[Example, ...]
    features: RegionFeatures
    images: ImageStore
    cache_dir: Path

    def pixels(self, rows: Sequence[int], preprocessing: Preprocessing) -> Tensor:
        """The images at these places in `examples`, as an encoder takes them (B, 3, S, S).

        Raises ImageError where one of them can no longer be read.
        """

        def read(row: int) -> Tensor:
            example = self.examples[row]
            return read_picture(
                self.images, example.image, preprocessing, mirrored=example.is_mirrored
            )

        with ThreadPoolExecutor(READING_THREADS) as pool:
            return torch.stack(list(pool.map(read, rows)))  # (B, 3, S, S)

    def encoded_by(
        self, encoder: Encoder, *, cached: bool, device: torch.device, progress: bool = False
    ) -> PreparedSplit:
        """The same examples with the features that another encoder gives them.

        They go into the cache, or with `cached` false into memory alone. Raises ImageError where
        an image can no longer be read.
        """
        compute = (
            partial(cached_features, cache_dir=self.cache_dir) if cached else computed_features
        )

        def features_of(mirrored: bool, examples: Sequence[Example]) -> RegionFeatures:
            features = compute(
                encoder,
                self.images,
                _image_names(examples),
                device=device,
                mirrored=mirrored,
                progress=progress,
            )
            _require_all(features)
            return features

        parts = itertools.groupby(self.examples, key=lambda example: example.is_mirrored)
        features = [features_of(mirrored, list(examples)) for mirrored, examples in parts]
        return dataclasses.replace(self, features=reduce(RegionFeatures.followed_by, features))


@dataclass(frozen=True)
class PreparedDataset:
    """A data set whose images have been read, and the splits that are ready for use.

    Attributes:
        dataset: The data set without the images of these splits that cannot be used; its
            `skipped` tells which they are, and why.
        splits: The prepared splits by name.
    """

    dataset: CaptionDataset
    splits: dict[str, PreparedSplit]


def prepare(
    dataset: CaptionDataset,
    splits: Iterable[str],
    encoder: Encoder,
    cache_dir: Path,
    *,
    device: torch.device,
    flip: bool = False,
    progress: bool = False,
) -> PreparedDataset:
    """Compute the region features of some splits, and leave out the images that cannot be used.

    Args:
        dataset: What `load_dataset` has read.
        splits: The names of the splits to prepare; other splits of the data set stay as they are.
        encoder: Computes the features that are not in the cache.
        cache_dir: The folder of the feature cache.
        device: Where to compute.
        flip: Whether the train split is followed by its mirror images, without the captions that
            say left or right.
        progress: Whether to show a progress bar on stderr.

    Raises:
        DatasetError: There is no such split, or too many of its images cannot be used.
        EncoderError: The encoder gives infinite or undefined numbers.
        OSError: The cache cannot be written.
    """
    compute = partial(
        cached_features,
        encoder,
        dataset.images,
        cache_dir=cache_dir,
        device=device,
        progress=progress,
    )
    features = {}
    for split in splits:
        features[split] = compute(_image_names(dataset.split(split)))
        dataset = dataset.leave_out(features[split].unreadable)
        if dataset.skipped[split]:
            logger.warning(dataset.skipped_sentence(split))
    prepared = {
        split: PreparedSplit(dataset.split(split), features[split], dataset.images, cache_dir)
        for split in features
    }
    if flip and "train" in prepared:
        prepared["train"] = _followed_by_mirror_images(prepared["train"], compute)
    return PreparedDataset(dataset, prepared)


def _followed_by_mirror_images(
    upright: PreparedSplit, compute: Callable[..., RegionFeatures]
) -> PreparedSplit:
    mirrored = tuple(e for e in (example.mirrored() for example in upright.examples) if e.captions)
    if not mirrored:
        return upright
    features = compute(_image_names(mirrored), mirrored=True)
    _require_all(features)
    return dataclasses.replace(
        upright,
        examples=upright.examples + mirrored,
        features=upright.features.followed_by(features),
    )


def _image_names(examples: Iterable[Example]) -> list[str]:
    return [example.image for example in examples]


def _require_all(features: RegionFeatures) -> None:
    """Raise ImageError if an image that was readable before is so no longer."""
    for reason in features.unreadable.values():
        raise ImageError(reason)
