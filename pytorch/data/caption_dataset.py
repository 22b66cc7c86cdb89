"""A data set of captioned images, independent of the format it was read from."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytorch.data.images import DatasetError, ImageStore

# The share of a split that may be left out. Scores on fewer images cannot be compared with others.
MAX_SKIPPED = 0.01
NAMED_IN_SENTENCE = 5


@dataclass(frozen=True)
class Example:
    """An image and its reference captions.

    Attributes:
        image: The image's file name.
        captions: The captions as people wrote them.
        is_mirrored: Whether the image is used mirrored.
    """

    image: str
    captions: tuple[str, ...]
    is_mirrored: bool = False

    def mirrored(self) -> Example:
        """The mirrored image, without the captions that say left or right."""
        sideless = (text for text in self.captions if not re.search(r"(?i)\b(left|right)", text))
        return Example(self.image, tuple(sideless), is_mirrored=not self.is_mirrored)


@dataclass(frozen=True)
class CaptionDataset:
    """A data set that has been read and checked.

    Attributes:
        name: Its key in `DATASETS`.
        root: The folder it was read from.
        splits: The examples of each split that was read: of "train", "dev" and "test" those that
            exist. No image is in two splits.
        images: Holds every image of every split.
        terms: What its publishers allow, in a sentence or two for the model card.
        allow_missing: Whether any share of a split may be left out.
        skipped: For each split, the images that were left out and why.
        empty_captions: For each split that had empty captions, how many were dropped.
    """

    name: str
    root: Path
    splits: dict[str, tuple[Example, ...]]
    images: ImageStore
    terms: str
    allow_missing: bool = False
    skipped: dict[str, dict[str, str]] = field(default_factory=dict)
    empty_captions: dict[str, int] = field(default_factory=dict)

    def split(self, name: str) -> tuple[Example, ...]:
        """The examples of a split.

        Raises:
            DatasetError: There is no split of this name, or none of its images can be used.
        """
        if name in self.splits:
            return self.splits[name]
        if self.skipped.get(name):
            raise DatasetError(self.skipped_sentence(name))
        raise DatasetError(
            f"{self.name} in {self.root} has no split {name!r}; it has: {', '.join(self.splits)}."
        )

    def image_names(self, split: str) -> list[str]:
        """The images of a split, followed by those that were left out of it."""
        kept = [example.image for example in self.splits.get(split, ())]
        return kept + list(self.skipped.get(split, {}))

    def without_empty_captions(self) -> CaptionDataset:
        """Drop and count the captions that are empty or only white space.

        Images may be left without any caption.
        """
        splits = {
            split: tuple(
                dataclasses.replace(e, captions=tuple(filter(str.strip, e.captions)))
                for e in examples
            )
            for split, examples in self.splits.items()
        }
        dropped = {
            split: _caption_count(examples) - _caption_count(splits[split])
            for split, examples in self.splits.items()
        }
        return dataclasses.replace(
            self,
            splits=splits,
            empty_captions={split: count for split, count in dropped.items() if count},
        )

    def leave_out(self, reasons: Mapping[str, str]) -> CaptionDataset:
        """The data set without these images, in addition to those already left out.

        A split with no images left is removed.

        Args:
            reasons: Names of images, and in a few words why each cannot be used.

        Raises:
            DatasetError: More than 1 percent of a split would be left out, and `allow_missing` is
                not set.
        """
        splits, skipped = dict(self.splits), dict(self.skipped)
        for split, examples in self.splits.items():
            absent = {e.image: reasons[e.image] for e in examples if e.image in reasons}
            skipped[split] = {**skipped.get(split, {}), **absent}
            splits[split] = tuple(e for e in examples if e.image not in reasons)
        smaller = dataclasses.replace(
            self, splits={name: kept for name, kept in splits.items() if kept}, skipped=skipped
        )
        for split, kept in splits.items():
            left_out = len(skipped[split])
            if left_out > MAX_SKIPPED * (left_out + len(kept)) and not self.allow_missing:
                raise DatasetError(
                    f"{self.name} in {self.root} is not complete. "
                    f"{smaller.skipped_sentence(split)} That is more than {MAX_SKIPPED:.0%}. Get "
                    "them again (docs/datasets.md says where they belong), or continue without "
                    "them by adding --allow-missing."
                )
        return smaller

    def skipped_sentence(self, split: str) -> str:
        """A sentence that says how many images of a split are left out, and names the first."""
        reasons = self.skipped.get(split, {})
        total = len(self.splits.get(split, ())) + len(reasons)
        first = [f"{name} ({reasons[name]})" for name in list(reasons)[:NAMED_IN_SENTENCE]]
        more = "" if len(reasons) <= NAMED_IN_SENTENCE else ", and so on"
        named = f": {', '.join(first)}{more}" if reasons else ""
        return f"Of the {total} images of the {split} split, {len(reasons)} cannot be used{named}."

    def empty_captions_sentence(self, split: str) -> str:
        """A sentence that says how many empty captions of a split were dropped."""
        count = self.empty_captions.get(split, 0)
        were = "empty caption was" if count == 1 else "empty captions were"
        return f"{count} {were} dropped from the {split} split."


def _caption_count(examples: tuple[Example, ...]) -> int:
    return sum(len(example.captions) for example in examples)
