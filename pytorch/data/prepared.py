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

# A GPU trains on images faster than one thread reads them.
READING_THREADS = min(8, os.cpu_count() or 1)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedSplit:
    """A split's examples and the region features of their images, in the same order.

    Attributes:
        examples: May include mirrored ones.
        features: One row for each example.
        images: Holds the images themselves.
        cache_dir: The folder of the feature cache.
    """

    examples: tuple[Example, ...]
    features: RegionFeatures
    images: ImageStore
    cache_dir: Path

    def pixels(self, rows: Sequence[int], preprocessing: Preprocessing) -> Tensor:
        """The images at these places in `examples`, preprocessed for an encoder.

        Args:
            rows: B places.
            preprocessing: The encoder's own, which makes squares of S pixels.

        Returns:
            The images (B, 3, S, S).

        Raises:
            ImageError: An image can no longer be read.
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
        """The same examples with the features of another encoder.

        Args:
            encoder: The other encoder.
            cached: Whether to use the cache, instead of computing the features into memory.
            device: Where to compute.
            progress: Whether to show a progress bar on stderr.

        Raises:
            ImageError: An image can no longer be read.
            EncoderError: The encoder gives infinite or undefined numbers.
            FeatureCacheError: The cached features are damaged or cannot be written.
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
    """A data set and those of its splits that are ready for use.

    Attributes:
        dataset: Without the images of these splits that cannot be used; its `skipped` names them.
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
    """Find out which images can be used, and get the region features of all that can.

    Images that cannot be read are left out with a warning.

    Args:
        dataset: A data set from `load_dataset`.
        splits: The splits to prepare. The others are left as they are.
        encoder: Computes the features that are not in the cache.
        cache_dir: The folder of the feature cache.
        device: Where to compute.
        flip: Whether to add the mirrored images to the train split, without the captions that say
            left or right.
        progress: Whether to show progress bars on stderr.

    Raises:
        DatasetError: There is no split of this name, too many of its images cannot be used, or its
            cached features are damaged or cannot be written.
        EncoderError: The encoder gives infinite or undefined numbers.
        OSError: The cache cannot be created.
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
        prepared["train"] = _with_mirrored_images(prepared["train"], compute)
    return PreparedDataset(dataset, prepared)


def _with_mirrored_images(
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
    """Raise ImageError if an image that was readable before no longer is."""
    for reason in features.unreadable.values():
        raise ImageError(reason)
