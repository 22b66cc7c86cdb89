"""Build `imagenet_words.csv`, the everyday words of ImageNet's 1,000 classes, from WordNet.

    python -m pytorch.model.build_imagenet_words /usr/share/wordnet/data.noun

`data.noun` is a part of WordNet 3.0 (Fellbaum, "WordNet: An Electronic Lexical Database", 1998),
whose synsets ImageNet's classes are; Debian's package `wordnet-base` has it. A class gets

1. names from its basic level (Rosch et al., "Basic objects in natural categories", 1976): what
   people call a kuvasz is a dog;
2. the last word of each name of two words, where WordNet says that it is one: a garden spider is a
   spider, but a sea lion is no lion;
3. names of one word;

and more general words, which hint at it without naming it. All 1,000 rows were then reviewed.
Where the rules give a word that lies, or leave out what people say, the row in
`imagenet_words_reviewed.csv` stands instead; that is most things and few animals.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pytorch.files.atomic import write_file
from pytorch.model.imagenet_words import COLUMNS, TABLE, ClassWords, imagenet_words

REVIEWED = TABLE.with_name("imagenet_words_reviewed.csv")

# A class that WordNet puts below one of these synsets is named by the words.
BASIC_LEVEL = {
    "02084071": ("dog",),
    "02115335": ("dog",),  # wild dogs
    "02114100": ("wolf",),
    "02118333": ("fox",),
    "02121808": ("cat",),  # domestic cats
    "02131653": ("bear",),
    "02076196": ("seal",),
    "02062744": ("whale",),
    "02324045": ("rabbit", "bunny"),
    "02355227": ("squirrel",),
    "02374451": ("horse",),
    "02395003": ("pig",),
    "02411705": ("sheep",),
    "02419796": ("antelope",),
    "02437136": ("camel",),
    "02470325": ("ape",),
    "02484322": ("monkey",),
    "02496913": ("lemur",),
    "02503517": ("elephant",),
    "01503061": ("bird",),
    "01529672": ("finch",),
    "01816887": ("parrot",),
    "01846331": ("duck",),
    "02008041": ("heron",),
    "02055803": ("penguin",),
    "02512053": ("fish",),
    "01482330": ("shark",),
    "01639765": ("frog",),
    "01629276": ("salamander",),
    "01630284": ("newt",),
    "01662784": ("turtle",),
    "01674464": ("lizard",),
    "01699831": ("dinosaur",),
    "01726692": ("snake",),
    "01772222": ("spider",),
    "01922303": ("worm",),
    "01976957": ("crab",),
    "01982650": ("lobster",),
    "02159955": ("insect", "bug"),
    "02164464": ("beetle",),
    "02274259": ("butterfly",),
}
# And these words hint at it.
MORE_GENERAL = {
    "00015388": ("animal",),
    "01317541": ("pet",),  # domestic animals
    "02127808": ("cat",),  # big cats
    "02124623": ("cat",),  # wildcats
    "02329401": ("rodent",),
    "01627424": ("amphibian",),
    "01661091": ("reptile",),
    "01769347": ("insect", "bug"),  # arachnids, which people take for insects
    "00021265": ("food",),
    "07555863": ("food",),
    "07705931": ("fruit",),
    "07707451": ("vegetable",),
    "07881800": ("drink",),
    "02729837": ("appliance",),
    "02913152": ("building",),
    "03051540": ("clothing",),
    "03405725": ("furniture",),
    "03800933": ("instrument",),
    "04451818": ("tool",),
    "04524313": ("vehicle",),
    "04565375": ("weapon",),
}


class Synset(NamedTuple):
    """A meaning in WordNet: its names, and the synsets that are more general by one step."""

    names: tuple[str, ...]
    hypernyms: tuple[str, ...]


def read_synsets(lines: Iterable[str]) -> dict[str, Synset]:
    """Read the lines of `data.noun` (its format: wndb(5WN)); the keys are the synsets' numbers."""
    synsets = {}
    for line in lines:
        if line.startswith("  "):  # the licence
            continue
        fields = line.split()
        names = int(fields[3], 16)
        pointers = fields[5 + 2 * names :]
        count = int(fields[4 + 2 * names])
        synsets[fields[0]] = Synset(
            tuple(name.lower() for name in fields[4 : 4 + 2 * names : 2]),
            tuple(
                pointers[4 * pointer + 1]
                for pointer in range(count)
                if pointers[4 * pointer] in ("@", "@i")
            ),
        )
    return synsets


def class_words(wnid: str, synsets: dict[str, Synset]) -> ClassWords:
    """The words that the rules give a class, nearest ones first."""
    own = synsets[wnid[1:]].names
    above = list(_above(wnid[1:], synsets))
    true_names = {name for number in above for name in synsets[number].names} | set(own)
    heads = [name.rpartition("_")[2] for name in own if "_" in name]
    names = [
        *_words(BASIC_LEVEL, above),
        *(head for head in heads if head in true_names),
        *(name for name in own if "_" not in name),
    ]
    general = [word for word in _words(MORE_GENERAL, above) if word not in names]
    return ClassWords(wnid, tuple(dict.fromkeys(names)), tuple(dict.fromkeys(general)))


def build_table(synsets: dict[str, Synset], wnids: Sequence[str]) -> str:
    """The text of `imagenet_words.csv`."""
    reviewed = {row.wnid: row for row in imagenet_words(REVIEWED)}
    rows = [reviewed.get(wnid) or class_words(wnid, synsets) for wnid in wnids]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for index, row in enumerate(rows):
        writer.writerow([index, row.wnid, "|".join(row.names), "|".join(row.general)])
    return table.getvalue()


def _above(number: str, synsets: dict[str, Synset]) -> Iterator[str]:
    """The more general synsets, nearest first."""
    level: tuple[str, ...] = (number,)
    while level := tuple(above for number in level for above in synsets[number].hypernyms):
        yield from level


def _words(table: dict[str, tuple[str, ...]], numbers: Iterable[str]) -> list[str]:
    return [word for number in numbers for word in table.get(number, ())]


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="utf-8") as file:
        write_file(TABLE, build_table(read_synsets(file), [row.wnid for row in imagenet_words()]))
