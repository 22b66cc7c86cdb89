"""Corrected pictures as a data set for `train_captioner --dataset captions-csv`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.models import QuerySet

from captioning.library.exports import ROWS_AT_A_TIME, File, content_of, csv_line
from captioning.library.queries import corrected
from captioning.models import Picture

DEV_SHARE = 5  # one picture in five goes to the dev split


def training_set(pictures: QuerySet[Picture]) -> Iterator[File]:
    """Generate the files of the data set: images, then `captions.csv` with captions and splits.

    The images are the copies without metadata, named by the hash of their pixels. So their names
    reveal nothing, and a picture that several people corrected is one image with several captions.
    """
    lines = []
    done: set[str] = set()
    for picture in corrected(pictures).iterator(ROWS_AT_A_TIME):
        if picture.pixel_hash not in done:
            content = content_of(picture, "shown")
            if content is None:
                continue
            yield f"Images/{picture.pixel_hash}.jpg", content
            done.add(picture.pixel_hash)
        lines.append((picture.pixel_hash, picture.correction))
    split_of = splits(done)
    rows = (csv_line((f"{name}.jpg", text, split_of[name])) for name, text in lines)
    yield "captions.csv", "".join([csv_line(("image", "caption", "split")), *rows]).encode()


def splits(hashes: Iterable[str]) -> dict[str, str]:
    """Assign each picture, known by the hash of its pixels, to the train or the dev split.

    The hash alone decides, so that an image on which one model was trained never scores the next.
    Only if that leaves a split empty, one picture moves there.
    """
    ordered = sorted(hashes)
    split_of = {name: "train" if int(name, 16) % DEV_SHARE else "dev" for name in ordered}
    if len(ordered) > 1 and len(set(split_of.values())) == 1:
        split_of[ordered[0]] = "dev" if split_of[ordered[0]] == "train" else "train"
    return split_of
