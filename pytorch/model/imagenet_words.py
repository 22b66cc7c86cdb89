"""The everyday words of ImageNet's 1,000 classes."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).with_name("imagenet_words.csv")
COLUMNS = ("index", "wnid", "names", "general")


class ClassWords(NamedTuple):
    """The words of one class, as the tokenizer splits captions.

    Attributes:
        wnid: Its WordNet id, such as n02099601.
        names: Words any of which names it, in the singular unless people say only the plural.
        general: More general words, which hint at it without naming it.
    """

    wnid: str
    names: tuple[str, ...]
    general: tuple[str, ...]


def imagenet_words(path: Path = TABLE) -> tuple[ClassWords, ...]:
    """Read the words of all classes, in the order of a classifier's outputs.

    `build_imagenet_words` builds the table, and says how.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            ClassWords(row["wnid"], _words(row["names"]), _words(row["general"]))
            for row in csv.DictReader(file)
        )


def _words(cell: str) -> tuple[str, ...]:
    return tuple(cell.split("|")) if cell else ()
