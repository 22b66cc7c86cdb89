"""Captions in the COCO results format, the common tongue of captioning systems and their scorers.

A results file is JSON, `[{"image_id": 42, "caption": "a dog runs"}, ...]`, with one caption for
each image of a split. A references file is what it is scored against, in the format of COCO's
caption annotations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pytorch.datasets import Example

# 000000000042.jpg or COCO_val2014_000000000042.jpg; Flickr's 1000268201_693b08cb0e.jpg
NUMBERED_IMAGE = re.compile(r"(?:COCO_[a-z]+\d{4}_)?(\d{1,18})(?:_\w+)?\.\w+", re.ASCII)


class ResultsError(Exception):
    """A results file cannot be scored; the message says what is wrong with it."""


def image_ids(examples: Sequence[Example]) -> list[int]:
    """A whole number for each image of a split.

    Where the names of all images begin with a number of their own, it is that number: COCO's own
    id, or Flickr's in Flickr8k and Flickr30k. Otherwise it is the image's place in the split,
    counted from 1.
    """
    matches = [NUMBERED_IMAGE.fullmatch(example.image) for example in examples]
    numbers = [int(match[1]) for match in matches if match]
    if len(set(numbers)) == len(examples):
        return numbers
    return list(range(1, len(examples) + 1))


def write_results(path: Path, examples: Sequence[Example], captions: Sequence[str]) -> None:
    """Write one caption for each example as COCO results. Raises OSError."""
    rows = [
        {"image_id": number, "caption": caption}
        for number, caption in zip(image_ids(examples), captions, strict=True)
    ]
    path.write_text(json.dumps(rows, indent=0) + "\n", encoding="utf-8")


def write_references(path: Path, examples: Sequence[Example]) -> None:
    """Write the examples' captions as COCO annotations, with the ids of `write_results`.

    Other tools then score results on data sets that are not published in this format.
    Raises OSError.
    """
    images = []
    annotations: list[dict[str, Any]] = []
    for number, example in zip(image_ids(examples), examples, strict=True):
        images.append({"id": number, "file_name": example.image})
        for caption in example.captions:
            annotation = {"id": len(annotations) + 1, "image_id": number, "caption": caption}
            annotations.append(annotation)
    content = {"info": {}, "licenses": [], "images": images, "annotations": annotations}
    path.write_text(json.dumps(content, indent=0) + "\n", encoding="utf-8")


def read_results(path: Path, examples: Sequence[Example]) -> list[str]:
    """Read the captions of a results file, in the order of the examples.

    An entry names its image by `image_id` (see `image_ids`) or, for data sets without ids, by its
    file name as `image`.

    Raises:
        ResultsError: The file cannot be read, is not of this format, or has not exactly one
            caption for each image.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ResultsError(f"{path} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path} is not a JSON file ({error}).") from error
    if not isinstance(entries, list):
        raise ResultsError(
            f"{path} is not in the COCO results format: it must hold a list, "
            '[{"image_id": 42, "caption": "a dog runs"}, ...].'
        )
    rows = {example.image: row for row, example in enumerate(examples)}
    rows_by_id = {number: row for row, number in enumerate(image_ids(examples))}
    captions: dict[int, str] = {}
    unknown, repeated = [], []
    for place, entry in enumerate(entries, start=1):
        image, caption = _checked(path, place, entry)
        row = rows.get(image) if isinstance(image, str) else rows_by_id.get(image)
        if row is None:
            unknown.append(image)
        elif row in captions:
            repeated.append(image)
        else:
            captions[row] = caption
    _refuse(path, unknown, "names images that the split does not have")
    _refuse(path, repeated, "has more than one caption for some images")
    absent = (example.image for row, example in enumerate(examples) if row not in captions)
    _refuse(path, absent, "has no caption for some images of the split")
    return [captions[row] for row in range(len(examples))]


def _checked(path: Path, place: int, entry: Any) -> tuple[str | int, str]:
    """The image and the caption of an entry."""
    if isinstance(entry, dict) and isinstance(caption := entry.get("caption"), str):
        image = entry.get("image_id", entry.get("image"))
        expected = int if "image_id" in entry else str
        if type(image) is expected:  # True is an int too, but no id
            return image, caption
    shown = json.dumps(entry)
    raise ResultsError(
        f'Entry {place} of {path} is not of the form {{"image_id": 42, "caption": "a dog runs"}} '
        f'or {{"image": "42.jpg", "caption": "a dog runs"}}: '
        f"{shown if len(shown) <= 100 else f'{shown[:100]}...'}"
    )


def _refuse(path: Path, offenders: Iterable[str | int], complaint: str) -> None:
    found = list(offenders)
    if found:
        raise ResultsError(
            f"{path} {complaint} ({len(found)} in all, the first is {found[0]!r}). It must have "
            "exactly one caption for each image of the split."
        )
