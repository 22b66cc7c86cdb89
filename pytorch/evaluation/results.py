"""Captions in the COCO results format, which captioning systems and scorers have in common.

A results file is JSON, `[{"image_id": 42, "caption": "a dog runs"}, ...]`, with one caption for
each image of a split. A references file has the captions to compare them with, in the format of
COCO's caption annotations.
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
    """Number the images of a split.

    Args:
        names: The file names of all images of the split. Include those that are left out, so that
            the ids of the others do not depend on them.

    Returns:
        An id for each name. If every name begins with a number of its own, that number: COCO's own
        id, or Flickr's in Flickr8k and Flickr30k. Otherwise the image's place among the names in
        alphabetical order, counted from 1.
    """
    ordered = sorted(names)
    matches = [NUMBERED_IMAGE.fullmatch(name) for name in ordered]
    numbers = [int(match[1]) for match in matches if match]
    if len(set(numbers)) < len(ordered):
        numbers = list(range(1, len(ordered) + 1))
    return dict(zip(ordered, numbers, strict=True))


def write_results(path: Path, ids: Mapping[str, int], captions: Mapping[str, str]) -> None:
    """Write captions as COCO results.

    Args:
        path: The file to write.
        ids: The ids of the images by file name.
        captions: The captions by file name.

    Raises:
        OSError: The file cannot be written.
    """
    rows = [{"image_id": ids[name], "caption": caption} for name, caption in captions.items()]
    write_file(path, json.dumps(rows, indent=0) + "\n")


def write_references(path: Path, ids: Mapping[str, int], examples: Sequence[Example]) -> None:
    """Write the reference captions of examples as COCO annotations.

    With these, other tools can score results on data sets that are not published in this format.

    Args:
        path: The file to write.
        ids: The ids of the images by file name.
        examples: The images and their reference captions.

    Raises:
        OSError: The file cannot be written.
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
    """Read the captions of a results file.

    An entry names its image by `image_id` or, for data sets without ids, by file name as `image`.

    Args:
        path: The file to read.
        ids: The ids of the images by file name.

    Returns:
        The captions by file name.

    Raises:
        ResultsError: The file cannot be read, is not in this format, names an unknown image, or has
            two captions for one image.
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
    """Return the image and the caption of an entry, or raise ResultsError."""
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
