"""A split made ready for training: its examples beside the region features of their images."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from pytorch.caption_dataset import CaptionDataset, Example
from pytorch.encoders import Encoder
from pytorch.features import RegionFeatures, cached_features
from pytorch.teacher_forcing import SplitData

logger = logging.getLogger(__name__)


def split_data(
    dataset: CaptionDataset,
    split: str,
    encoder: Encoder,
    cache_dir: Path,
    *,
    device: torch.device,
    flip: bool = False,
    progress: bool = False,
) -> SplitData:
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
    return SplitData(examples, features)
