"""A split made ready for training: its examples beside the region features of their images."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import os
from collections.abc import Sequence
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
            names = [example.image for example in examples]
            features = compute(
                encoder, self.images, names, device=device, mirrored=mirrored, progress=progress
            )
            for reason in features.unreadable.values():
                raise ImageError(reason)
            return features

        parts = itertools.groupby(self.examples, key=lambda example: example.is_mirrored)
        features = [features_of(mirrored, list(examples)) for mirrored, examples in parts]
        return dataclasses.replace(self, features=reduce(RegionFeatures.followed_by, features))


def prepare_split(
    dataset: CaptionDataset,
    split: str,
    encoder: Encoder,
    cache_dir: Path,
    *,
    device: torch.device,
    flip: bool = False,
    progress: bool = False,
) -> PreparedSplit:
    """A split's examples with their region features, computed unless they are in the cache.

    Images that cannot be used are left out, with a warning. With `flip`, all examples follow once
    more with their images in a mirror, but for captions that say left or right.

    Raises DatasetError where there is no such split, or too much of it cannot be used.
    """

    def features_of(examples: Sequence[Example], *, mirrored: bool) -> RegionFeatures:
        return cached_features(
            encoder,
            dataset.images,
            [example.image for example in examples],
            cache_dir,
            device=device,
            mirrored=mirrored,
            progress=progress,
        )

    features = features_of(dataset.split(split), mirrored=False)
    readable = dataset.leave_out(features.unreadable)
    if readable.skipped[split]:
        logger.warning(readable.skipped_sentence(split))
    examples = readable.split(split)
    mirrored = tuple(e for e in (example.mirrored() for example in examples) if e.captions)
    if flip and mirrored:
        features = features.followed_by(features_of(mirrored, mirrored=True))
        examples += mirrored
    return PreparedSplit(examples, features, dataset.images, cache_dir)
