"""A data set of captioned images, whatever files it was read from."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytorch.data.images import DatasetError, ImageStore

# Of a split. Scores on fewer images than others measured cannot be compared with theirs.
SKIPPED_SHARE = 0.01
NAMED_IN_SENTENCE = 5


@dataclass(frozen=True)
class Example:
    """An image, by its file name, and its reference captions as people wrote them.

    `is_mirrored` says that the image is to be seen in a mirror.
    """

    image: str
    captions: tuple[str, ...]
    is_mirrored: bool = False

    def mirrored(self) -> Example:
        """The same image in a mirror, without the captions that say left or right."""
        sideless = (text for text in self.captions if not re.search(r"(?i)\b(left|right)", text))
        return Example(self.image, tuple(sideless), is_mirrored=not self.is_mirrored)


@dataclass(frozen=True)
class CaptionDataset:
    """A data set that has been read and checked.

    Attributes:
        name: The key in `DATASETS`.
        root: The folder it was read from.
        splits: Examples by the name of their split: "train" and, where there are such, "dev" and
            "test". No image is in two splits.
        images: Holds every image of every split.
        terms: What its publishers allow, in a sentence or two for the model card.
        allow_missing: Whether any share of a split may be left out.
        skipped: By split, the images left out and why.
        empty_captions: By split, how many empty captions were dropped, where there were any.
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
            DatasetError: There is no such split, listing those there are, or none of its images
                can be used.
        """
        if name in self.splits:
            return self.splits[name]
        if self.skipped.get(name):
            raise DatasetError(self.skipped_sentence(name))
        raise DatasetError(
            f"{self.name} in {self.root} has no split {name!r}; it has: {', '.join(self.splits)}."
        )

    def image_names(self, split: str) -> list[str]:
        """The images of a split, and then those of it that are left out."""
        kept = [example.image for example in self.splits.get(split, ())]
        return kept + list(self.skipped.get(split, {}))

    def without_empty_captions(self) -> CaptionDataset:
        """The data set without captions that are empty or only white space, which are counted.

        An image may be left without any caption.
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
        """The data set without the images named, which join those already left out.

        A split of which nothing remains is no longer there.

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
            if left_out > SKIPPED_SHARE * (left_out + len(kept)) and not self.allow_missing:
                raise DatasetError(
                    f"{self.name} in {self.root} is not complete. "
                    f"{smaller.skipped_sentence(split)} That is more than {SKIPPED_SHARE:.0%}. Get "
                    "them again (docs/datasets.md says where they belong), or go on without them "
                    "with --allow-missing."
                )
        return smaller

    def skipped_sentence(self, split: str) -> str:
        """How many images of a split are left out, the first few of them, and why."""
        reasons = self.skipped.get(split, {})
        total = len(self.splits.get(split, ())) + len(reasons)
        first = [f"{name} ({reasons[name]})" for name in list(reasons)[:NAMED_IN_SENTENCE]]
        more = "" if len(reasons) <= NAMED_IN_SENTENCE else ", and so on"
        named = f": {', '.join(first)}{more}" if reasons else ""
        return f"Of the {total} images of the {split} split, {len(reasons)} cannot be used{named}."

    def empty_captions_sentence(self, split: str) -> str:
        """How many empty captions of a split were dropped."""
        count = self.empty_captions.get(split, 0)
        were = "empty caption was" if count == 1 else "empty captions were"
        return f"{count} {were} dropped from the {split} split."


def _caption_count(examples: tuple[Example, ...]) -> int:
    return sum(len(example.captions) for example in examples)
