"""The captioner that a training starts from: a new one, or a checkpoint's."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import torch

from pytorch.data.caption_dataset import Example
from pytorch.model.captioner import Captioner
from pytorch.model.checkpoint import load_captioner
from pytorch.model.decoders import Decoder
from pytorch.model.encoders import Encoder
from pytorch.model.vocabulary import Vocabulary
from pytorch.training.data_sets import DataSets
from pytorch.training.recipe import check_recipes
from pytorch.training.renamed_objects import class_names
from pytorch.training.run_config import RunConfig, StartConfig
from pytorch.training.train_data import tokenized_captions

WORDS_IN_WARNING = 10

logger = logging.getLogger(__name__)


def load_encoder(config: RunConfig) -> Encoder:
    """A new model's encoder with its weights.

    Raises:
        EncoderError: The weights cannot be loaded.
    """
    encoder = Encoder(config.model.encoder, grid_size=config.model.grid_size)
    if config.start.encoder_weights is None:
        encoder.load_pretrained()
    else:
        encoder.load_file(config.start.encoder_weights)
    return encoder


def new_captioner(
    config: RunConfig, encoder: Encoder, datasets: DataSets, device: torch.device
) -> Captioner:
    """A captioner with a random decoder and the vocabulary of the train splits, on `device`."""
    vocabulary = new_vocabulary(config.start, datasets)
    captioner = Captioner(
        encoder=encoder,
        decoder=Decoder(config.decoder, vocabulary_size=len(vocabulary), channels=encoder.channels),
        vocabulary=vocabulary,
        decoding=config.decoding,
    )
    return captioner.to(device)


def new_vocabulary(start: StartConfig, datasets: DataSets) -> Vocabulary:
    """The words of the train splits and sentences that are frequent enough."""
    return Vocabulary.build(
        tokenized_captions(train_examples(datasets)),
        min_count=start.min_count,
        texts=chain.from_iterable(part.data.sentences for part in datasets.texts.values()),
        min_text_count=start.min_text_count,
        always=class_names() if datasets.texts else (),
    )


def train_examples(datasets: DataSets) -> Iterator[Example]:
    """The examples of all train splits, without mirrored ones."""
    return chain.from_iterable(part.data.split("train") for part in datasets.pictures.values())


def captioner_to_train_further(
    config: RunConfig, checkpoint: Path, device: torch.device
) -> Captioner:
    """The captioner of a checkpoint, with the decoding options of the run.

    Raises:
        CheckpointError: The checkpoint cannot be read, or does not state its trainings.
    """
    captioner = load_captioner(checkpoint, device=device)
    captioner.decoding = config.decoding
    # They judge the pictures and captions of the model that they were fitted to.
    captioner.people = captioner.confidence = None
    check_recipes(captioner.metrics, checkpoint)
    return captioner


def unknown_words(vocabulary: Vocabulary, examples: Iterable[Example]) -> list[str]:
    """The words of the captions that are not in the vocabulary, most frequent first."""
    counts = Counter(chain.from_iterable(tokenized_captions(examples)))
    return [word for word, _ in counts.most_common() if word not in vocabulary]


def warn_of_unknown_words(
    vocabulary: Vocabulary, examples: Iterable[Example], checkpoint: Path
) -> None:
    """Log the words that a model trained further will not learn, if any."""
    if not (unknown := unknown_words(vocabulary, examples)):
        return
    logger.warning(
        f"The vocabulary of {checkpoint} is fixed, and lacks these words of the train captions: "
        f"{', '.join(unknown[:WORDS_IN_WARNING])}"
        f"{', and so on' if len(unknown) > WORDS_IN_WARNING else ''} ({len(unknown)} in all). The "
        "model learns the words around them but never generates them."
    )
