"""`python manage.py build_vocabulary`: the words a captioner learns, and their coverage."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from captioning.management.commands._datasets import add_dataset_options, chosen_dataset
from captioning.management.commands._outputs import check_outputs
from pytorch.data.datasets import DatasetError, Example
from pytorch.model.checkpoint_files import write_json
from pytorch.model.tokenization import tokenize
from pytorch.model.vocabulary import SPECIAL_TOKENS, Coverage, Vocabulary
from pytorch.training.run_config import StartConfig

RAREST = 10


class Command(BaseCommand):
    """Build the vocabulary of a train split and report on it.

    It is the vocabulary that training would build, so captions of missing images do not count.
    """

    help = "Build the vocabulary of a data set's train split, and report how much of dev it covers."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options; --min-count has the default that training has."""
        add_dataset_options(parser)
        parser.add_argument(
            "--min-count",
            type=_positive,
            default=StartConfig().min_count,
            help="keep words that occur at least this often (default: %(default)s)",
        )
        parser.add_argument(
            "--output",
            type=Path,
            help="JSON file to write the words to, in the format of a checkpoint",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Print the report; exit with 2 if data is missing."""
        check_outputs(options, "output")
        min_count = options["min_count"]
        try:
            dataset = chosen_dataset(options)
            train = _tokenized(dataset.split("train"))
            vocabulary = Vocabulary.build(train, min_count=min_count)
        except DatasetError as error:
            raise CommandError(str(error), returncode=2) from error
        except ValueError as error:
            raise CommandError(str(error)) from error
        kept = len(vocabulary) - len(SPECIAL_TOKENS)
        self.stdout.write(
            f"{kept:,} words occur at least {min_count} times in the {len(train):,} captions of "
            f"the train split. With {len(SPECIAL_TOKENS)} special tokens, the vocabulary has "
            f"{len(vocabulary):,} words."
        )
        self.stdout.write(_coverage_line("train", vocabulary, train))
        # The vocabulary is complete by now, so no word of dev can get into it.
        if "dev" in dataset.splits:
            self.stdout.write(_coverage_line("dev", vocabulary, _tokenized(dataset.split("dev"))))
        else:
            self.stdout.write("There is no dev split to measure the coverage on.")
        self.stdout.write(f"Rarest: {_rarest(vocabulary, train)}")
        if options["output"]:
            try:
                write_json(options["output"], vocabulary.words)
            except OSError as error:
                raise CommandError(f"Writing the vocabulary failed: {error}") from error


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"it must be a whole number of at least 1, not {text!r}.")
    return int(text)


def _tokenized(examples: Sequence[Example]) -> list[list[str]]:
    return [tokenize(caption) for example in examples for caption in example.captions]


def _coverage_line(split: str, vocabulary: Vocabulary, captions: Sequence[Sequence[str]]) -> str:
    coverage = Coverage.of(vocabulary, captions)
    return (
        f"{split}: {_share(coverage.known_tokens, coverage.tokens)} words in its captions are "
        f"known, and {_share(coverage.known_types, coverage.types)} distinct words."
    )


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({part / max(1, whole):.2%})"


def _rarest(vocabulary: Vocabulary, captions: Sequence[Sequence[str]]) -> str:
    """The last words of the vocabulary, which is sorted by frequency."""
    counts = Counter(word for caption in captions for word in caption)
    words = vocabulary.words[len(SPECIAL_TOKENS) :][-RAREST:]
    return ", ".join(f"{word} ({counts[word]})" for word in words)
