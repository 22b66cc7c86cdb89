"""What the readers of several formats need."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch.data.caption_dataset import Example
from pytorch.data.images import DatasetError


def read_text(path: Path) -> str:
    """A text file in UTF-8, with or without a byte order mark; raises DatasetError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}). Get the file again.") from error


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not blank, stripped; raises DatasetError."""
    return [line.strip() for line in read_text(path).split("\n") if line.strip()]


def read_json(path: Path) -> Any:
    """Content of a JSON file; raises DatasetError."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not JSON ({error}). Get the file again.") from error


def choose_splits(
    available: Iterable[str], wanted: Collection[str] | None, *, source: Path | str
) -> list[str]:
    """The available splits that are wanted, which is all of them where `wanted` is None.

    Raises:
        DatasetError: A wanted split is not available; the message lists those that are.
    """
    names = list(available)
    for split in wanted or ():
        if split not in names:
            raise DatasetError(f"{source} has no split {split!r}; it has: {', '.join(names)}.")
    return [name for name in names if wanted is None or name in wanted]


def existing(root: Path, patterns: Sequence[str]) -> list[Path]:
    """Folders and files in `root` that match the patterns, in the order of the patterns."""
    return [path for pattern in patterns for path in sorted(root.glob(pattern))]


def examples_of(
    names: Iterable[str], captions: Mapping[str, Sequence[str]], *, source: Path
) -> tuple[Example, ...]:
    """Examples of the images that `source` names; raises DatasetError where captions lack."""
    names = list(names)
    if not names:
        raise DatasetError(f"{source} names no images. Get the file again.")
    refuse(
        (name for name in names if not captions.get(name)),
        f"Some images named in {source} have no captions",
    )
    return tuple(Example(name, tuple(captions[name])) for name in names)


def refuse(offenders: Iterable[str], complaint: str) -> None:
    """Raises DatasetError, with the first offender and their number, if there is any."""
    found = list(offenders)
    if found:
        raise DatasetError(
            f"{complaint} ({len(found)} in all, the first is {found[0]!r}). "
            "Get the data set's files again, or correct them."
        )
