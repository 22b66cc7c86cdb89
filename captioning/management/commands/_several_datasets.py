"""The options of a command that reads several data sets at once."""

from __future__ import annotations

from argparse import Action, ArgumentError, ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from captioning.management.commands._datasets import ALLOW_MISSING, DEFAULT
from pytorch.data.caption_dataset import CaptionDataset
from pytorch.data.datasets import DATASETS, load_dataset
from pytorch.data.formats.sentences import SENTENCES, SentenceDataset, load_sentences
from pytorch.training.train_data import Weighted


@dataclass
class ChosenDataset:
    """What the command line says of one data set.

    Attributes:
        name: Its kind; None as long as no --dataset was given.
        root: The value of --data-root, if it was given.
        weight: The value of --weight, if it was given.
    """

    name: str | None = None
    root: Path | None = None
    weight: float | None = None


class _Add(Action):
    """Begins a data set."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, flag: str | None = None
    ) -> None:
        chosen = list(getattr(namespace, self.dest) or ())
        if chosen and chosen[0].name is None:
            first = "--weight" if chosen[0].root is None else "--data-root"
            raise ArgumentError(
                self,
                f"{first} stands before the first --dataset. Put it behind the one it is for.",
            )
        setattr(namespace, self.dest, [*chosen, ChosenDataset(values)])


class _Describe(Action):
    """Says more of the data set begun last, or of the default one if none is begun at all."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, flag: str | None = None
    ) -> None:
        chosen = list(getattr(namespace, self.dest) or [ChosenDataset()])
        if getattr(chosen[-1], self.const) is not None:
            raise ArgumentError(
                self, f"The data set {chosen[-1].name or DEFAULT} has two of them. Leave out one."
            )
        setattr(chosen[-1], self.const, values)
        setattr(namespace, self.dest, chosen)


def add_datasets_options(parser: ArgumentParser) -> None:
    """Add --dataset, --data-root and --weight, which may be repeated, and --allow-missing."""
    parser.add_argument(
        "--dataset",
        action=_Add,
        dest="datasets",
        choices=[*DATASETS, SENTENCES],
        help=f"data set to train on; may be given more than once (default: {DEFAULT})",
    )
    parser.add_argument(
        "--data-root",
        action=_Describe,
        const="root",
        dest="datasets",
        type=Path,
        help="folder of the data set before it (default: data/DATASET)",
    )
    parser.add_argument(
        "--weight",
        action=_Describe,
        const="weight",
        dest="datasets",
        type=float,
        help="how often the captions of the data set before it are seen in an epoch; of 0.3, a "
        "random 30 percent of them (default: 1)",
    )
    parser.add_argument("--allow-missing", **ALLOW_MISSING)


def names_of(options: dict[str, Any]) -> list[str]:
    """The kinds of the data sets that the options name."""
    return [chosen.name or DEFAULT for chosen in options["datasets"] or [ChosenDataset()]]


def chosen_datasets(
    options: dict[str, Any],
) -> list[Weighted[CaptionDataset | SentenceDataset]]:
    """Read the train and dev splits of the data sets that the options name.

    Raises:
        DatasetError: A data set is missing or not complete.
        ValueError: A weight is out of range.
    """
    chosen = options["datasets"] or [ChosenDataset()]
    weights = [1.0 if each.weight is None else each.weight for each in chosen]
    checked = [Weighted(each, weight) for each, weight in zip(chosen, weights, strict=True)]
    return [
        Weighted(_load(each.data, allow_missing=options["allow_missing"]), each.weight)
        for each in checked
    ]


def _load(chosen: ChosenDataset, *, allow_missing: bool) -> CaptionDataset | SentenceDataset:
    name = chosen.name or DEFAULT
    root = chosen.root or settings.BASE_DIR / "data" / name
    if name == SENTENCES:
        return load_sentences(root)
    return load_dataset(
        name, root, allow_missing=allow_missing, splits=("train", "dev"), optional=("dev",)
    )
