"""The data sets of a run, and their splits made ready for training."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from pytorch.data.caption_dataset import CaptionDataset
from pytorch.data.formats.sentences import SentenceDataset
from pytorch.data.images import DatasetError
from pytorch.data.prepared import PreparedDataset, PreparedSplit, prepare
from pytorch.model.encoders import Encoder
from pytorch.training.train_data import TrainData, Weighted


@dataclass(frozen=True)
class DataSets:
    """The data sets of a run, by the names that logs and the model card call them.

    The second data set of a kind is called captions-csv-2, for example.

    Attributes:
        pictures: Those with pictures, at least one.
        texts: Those of sentences without pictures.
    """

    pictures: dict[str, Weighted[CaptionDataset]]
    texts: dict[str, Weighted[SentenceDataset]]

    @classmethod
    def of(cls, parts: Iterable[Weighted[CaptionDataset | SentenceDataset]]) -> DataSets:
        """Name the data sets.

        Raises:
            DatasetError: None of them has pictures, none of these has a dev split, or one is given
                twice.
        """
        pictures: dict[str, Weighted[CaptionDataset]] = {}
        texts: dict[str, Weighted[SentenceDataset]] = {}
        places: list[tuple[str, Path]] = []
        for part in parts:
            kind, root = part.data.name, part.data.root.resolve()
            if (kind, root) in places:
                raise DatasetError(
                    f"The data set {kind} in {root} is given twice. Give it a weight of 2 instead."
                )
            places.append((kind, root))
            count = sum(other == kind for other, _ in places)
            name = kind if count == 1 else f"{kind}-{count}"
            if isinstance(part.data, SentenceDataset):
                texts[name] = Weighted(part.data, part.weight)
            else:
                pictures[name] = Weighted(part.data, part.weight)
        if not pictures:
            raise DatasetError(
                f"{' and '.join(texts)} has no pictures. Add a data set with pictures."
            )
        if not any("dev" in part.data.splits for part in pictures.values()):
            raise DatasetError(
                f"{' and '.join(pictures)} has no dev split, by which the best epoch is chosen. "
                "Add a data set that has one."
            )
        return cls(pictures, texts)

    def __str__(self) -> str:
        """Every data set with its folder and its weight."""
        parts: Mapping[str, Weighted[CaptionDataset | SentenceDataset]] = {
            **self.pictures,
            **self.texts,
        }
        return "; ".join(
            f"{name} in {part.data.root}, weight {part.weight:g}" for name, part in parts.items()
        )

    @property
    def dev(self) -> dict[str, CaptionDataset]:
        """Those with a dev split."""
        return {name: p.data for name, p in self.pictures.items() if "dev" in p.data.splits}

    def prepared(
        self,
        encoder: Encoder,
        cache_dir: Path,
        *,
        device: torch.device,
        flip: bool = False,
        progress: bool = False,
    ) -> tuple[DataSets, TrainData, dict[str, PreparedSplit]]:
        """Get the region features of the train and dev splits; arguments are those of `prepare`.

        Returns:
            The data sets without the images that cannot be used, what to learn from, and the dev
            splits by the names of their data sets.

        Raises:
            DatasetError, EncoderError, OSError: See `prepare`.
        """
        prepared: dict[str, PreparedDataset] = {
            name: prepare(
                part.data,
                [split for split in ("train", "dev") if split == "train" or name in self.dev],
                encoder,
                cache_dir,
                device=device,
                flip=flip,
                progress=progress,
            )
            for name, part in self.pictures.items()
        }
        pictures = {
            name: dataclasses.replace(part, data=prepared[name].dataset)
            for name, part in self.pictures.items()
        }
        train = TrainData(
            tuple(
                Weighted(prepared[name].splits["train"], part.weight)
                for name, part in self.pictures.items()
            ),
            tuple(self.texts.values()),
        )
        dev = {name: data.splits["dev"] for name, data in prepared.items() if "dev" in data.splits}
        return DataSets(pictures, self.texts), train, dev
