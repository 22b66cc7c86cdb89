"""Sentences without pictures: lines of the form SOURCE<TAB>SENTENCE."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytorch.data.formats.reading import existing, stated_terms
from pytorch.data.images import DatasetError
from pytorch.model.tokenization import tokenize

SENTENCES = "sentences"
FILES = ("sentences.tsv", "sentences.tsv.gz")
# Shorter ones are labels rather than sentences, and longer ones are no captions.
FEWEST_WORDS, MOST_WORDS = 4, 30


@dataclass(frozen=True)
class SentenceDataset:
    """Sentences to train on, all of them in the train split.

    Attributes:
        name: What commands call it.
        root: The folder it was read from.
        sentences: The words of each sentence, as `tokenize` gives them.
        sources: How many sentences each source has.
        stated_terms: What the folder's `terms.txt` says; empty without one.
    """

    name: str
    root: Path
    sentences: tuple[tuple[str, ...], ...]
    sources: dict[str, int]
    stated_terms: str = ""

    @property
    def terms(self) -> str:
        """Where the sentences come from, in a sentence or two for the model card."""
        if self.stated_terms:
            return self.stated_terms
        counts = ", ".join(f"{source} ({count:,})" for source, count in self.sources.items())
        return (
            f"The sentences without pictures come from a local file, which names their sources: "
            f"{counts}. Ask whoever collected them for their terms."
        )


def load_sentences(root: Path) -> SentenceDataset:
    """Read `sentences.tsv` or `sentences.tsv.gz`, without its shortest and longest sentences.

    Raises:
        DatasetError: There is no such file, it is damaged, or a line has another form.
    """
    files = existing(root, FILES)
    if len(files) != 1:
        found = "Two files of sentences are" if files else "There is no file of sentences"
        raise DatasetError(
            f"{found} in {root}. Put one there, sentences.tsv or sentences.tsv.gz, with a line "
            "SOURCE<TAB>SENTENCE for each sentence."
        )
    sentences: list[tuple[str, ...]] = []
    sources: Counter[str] = Counter()
    for source, text in _lines(files[0]):
        words = tokenize(text)
        if FEWEST_WORDS <= len(words) <= MOST_WORDS:
            # One string for all occurrences of a word saves most of the memory.
            sentences.append(tuple(map(sys.intern, words)))
            sources[source] += 1
    if not sentences:
        raise DatasetError(
            f"{files[0]} has no sentence of {FEWEST_WORDS} to {MOST_WORDS} words. Put some there."
        )
    return SentenceDataset(
        SENTENCES, root, tuple(sentences), dict(sorted(sources.items())), stated_terms(root)
    )


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """The source and the sentence of each line that is not blank."""
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, content in enumerate(file, start=1):
                line = content.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n")
                if not line.strip():
                    continue
                source, _, text = line.partition("\t")
                if not (source.strip() and text.strip()) or "\t" in text:
                    raise DatasetError(
                        f"{path}, line {number}, is not of the form SOURCE<TAB>SENTENCE: "
                        f"{line[:80]!r}. Correct it."
                    )
                yield source.strip(), text
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}, line {number}, is not in UTF-8 ({error}).") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read ({error}). Get the file again.") from error
