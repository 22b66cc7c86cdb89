"""Captions in the COCO results format, the common tongue of captioning systems and their scorers.

A results file is JSON, `[{"image_id": 42, "caption": "a dog runs"}, ...]`, with one caption for
each image of a split. A references file is what it is scored against, in the format of COCO's
caption annotations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch.data.datasets import Example
from pytorch.files.atomic import write_file

# 000000000042.jpg or COCO_val2014_000000000042.jpg; Flickr's 1000268201_693b08cb0e.jpg
NUMBERED_IMAGE = re.compile(r"(?:COCO_[a-z]+\d{4}_)?(\d{1,18})(?:_\w+)?\.\w+", re.ASCII)


class ResultsError(Exception):
    """A results file cannot be scored; the message says what is wrong with it."""


def image_ids(names: Iterable[str]) -> dict[str, int]:
    """A whole number for each image of a split, by its file name.

    Give all images of the split, also those left out: then an id does not depend on them. Where all
    names begin with a number of their own, it is that number: COCO's own id, or Flickr's in
    Flickr8k and Flickr30k. Otherwise it is the image's place among the names in alphabetical order,
    counted from 1.
    """
    ordered = sorted(names)
    matches = [NUMBERED_IMAGE.fullmatch(name) for name in ordered]
    numbers = [int(match[1]) for match in matches if match]
    if len(set(numbers)) < len(ordered):
        numbers = list(range(1, len(ordered) + 1))
    return dict(zip(ordered, numbers, strict=True))


def write_results(path: Path, ids: Mapping[str, int], captions: Mapping[str, str]) -> None:
    """Write the captions, given by their images' names, as COCO results. Raises OSError."""
    rows = [{"image_id": ids[name], "caption": caption} for name, caption in captions.items()]
    write_file(path, json.dumps(rows, indent=0) + "\n")


def write_references(path: Path, ids: Mapping[str, int], examples: Sequence[Example]) -> None:
    """Write the examples' captions as COCO annotations.

    Other tools then score results on data sets that are not published in this format.
    Raises OSError.
    """
    images = []
    annotations: list[dict[str, Any]] = []
    for example in examples:
        number = ids[example.image]
        images.append({"id": number, "file_name": example.image})
        for caption in example.captions:
            annotation = {"id": len(annotations) + 1, "image_id": number, "caption": caption}
            annotations.append(annotation)
    content = {"info": {}, "licenses": [], "images": images, "annotations": annotations}
    write_file(path, json.dumps(content, indent=0) + "\n")


def read_results(path: Path, ids: Mapping[str, int]) -> dict[str, str]:
    """Read the captions of a results file, by the names of their images.

    An entry names its image by `image_id` or, for data sets without ids, by its file name as
    `image`.

    Raises:
        ResultsError: The file cannot be read, is not of this format, names an image that has no id,
            or has two captions for one.
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
    names = {number: name for name, number in ids.items()}
    captions: dict[str, str] = {}
    unknown, repeated = [], []
    for place, entry in enumerate(entries, start=1):
        image, caption = _checked(path, place, entry)
        name = image if isinstance(image, str) else names.get(image)
        if name is None or name not in ids:
            unknown.append(image)
        elif name in captions:
            repeated.append(image)
        else:
            captions[name] = caption
    _refuse(path, unknown, "names images that the split does not have")
    _refuse(path, repeated, "has more than one caption for some images")
    return captions


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


def _refuse(path: Path, offenders: Sequence[str | int], complaint: str) -> None:
    if offenders:
        raise ResultsError(
            f"{path} {complaint} ({len(offenders)} in all, the first is {offenders[0]!r}). It must "
            "have exactly one caption for each image of the split."
        )
