"""Functions that the readers of several formats share."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch.data.caption_dataset import Example
from pytorch.data.images import DatasetError


class NoSplitError(DatasetError):
    """A data set has no split of this name."""


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, with or without a byte order mark; raises DatasetError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}). Get the file again.") from error


def stated_terms(root: Path) -> str:
    """What `terms.txt` in the folder says of the data's sources and terms; empty without one.

    Raises:
        DatasetError: It cannot be read.
    """
    path = root / "terms.txt"
    return " ".join(read_text(path).split()) if path.is_file() else ""


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file that are not blank, stripped; raises DatasetError."""
    return [line.strip() for line in read_text(path).split("\n") if line.strip()]


def read_json(path: Path) -> Any:
    """Read a JSON file; raises DatasetError."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not JSON ({error}). Get the file again.") from error


def choose_splits(
    available: Iterable[str], wanted: Collection[str] | None, *, source: Path | str
) -> list[str]:
    """Choose the wanted splits among the available ones.

    Args:
        available: The splits there are.
        wanted: The splits to choose; None for all.
        source: Where the splits are, for the message.

    Raises:
        NoSplitError: A wanted split is not available.
    """
    names = list(available)
    for split in wanted or ():
        if split not in names:
            raise NoSplitError(f"{source} has no split {split!r}; it has: {', '.join(names)}.")
    return [name for name in names if wanted is None or name in wanted]


def existing(root: Path, patterns: Sequence[str]) -> list[Path]:
    """Find the folders and files in `root` that match, in the order of the patterns."""
    return [path for pattern in patterns for path in sorted(root.glob(pattern))]


def examples_of(
    names: Iterable[str], captions: Mapping[str, Sequence[str]], *, source: Path
) -> tuple[Example, ...]:
    """Put images and their captions together.

    Args:
        names: The images of a split.
        captions: The captions by image.
        source: The file that names the images, for the message.

    Raises:
        DatasetError: There are no images, or some have no captions.
    """
    names = list(names)
    if not names:
        raise DatasetError(f"{source} names no images. Get the file again.")
    refuse(
        (name for name in names if not captions.get(name)),
        f"Some images named in {source} have no captions",
    )
    return tuple(Example(name, tuple(captions[name])) for name in names)


def refuse(offenders: Iterable[str], complaint: str) -> None:
    """Raise DatasetError if there is any offender, with the first one and their number."""
    found = list(offenders)
    if found:
        raise DatasetError(
            f"{complaint} ({len(found)} in all, the first is {found[0]!r}). "
            "Get the data set's files again, or correct them."
        )
