"""One training from a data set to a checkpoint: vocabulary, features, epochs, the best kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from pytorch.captioner import Captioner
from pytorch.checkpoints import default_device, save_checkpoint
from pytorch.datasets import CaptionDataset, Example
from pytorch.decoders import Decoder, DecoderConfig
from pytorch.encoders import Encoder
from pytorch.model_card import model_card
from pytorch.search import DecodingConfig
from pytorch.split_data import split_data
from pytorch.tokenization import tokenize
from pytorch.training import EpochResult, Trainer, TrainingConfig
from pytorch.vocabulary import Vocabulary


@dataclass(frozen=True)
class RunConfig:
    """What is trained, and how.

    `encoder_weights` replaces the registry's pretrained ones. With `flip`, every epoch shows the
    training images in a mirror as well.
    """

    encoder: str = "resnet101"
    encoder_weights: Path | None = None
    grid_size: int = 4
    injection: str = "attention"
    min_count: int = 4
    flip: bool = False
    training: TrainingConfig = field(default_factory=TrainingConfig)
    decoding: DecodingConfig = field(default_factory=DecodingConfig)


def run_training(
    dataset: CaptionDataset,
    config: RunConfig,
    *,
    output: Path,
    cache_dir: Path,
    on_epoch: Callable[[EpochResult], None],
    progress: bool = False,
) -> EpochResult:
    """Train on the train split, keep the best epoch on dev as the checkpoint `output`.

    The checkpoint is written whenever an epoch is the best so far, so one that is interrupted
    leaves the best until then. Returns the best epoch. Raises EncoderError, DatasetError or
    TrainingError with a sentence.
    """
    device = default_device()
    # The seed decides the first weights as well as the order of the batches.
    torch.manual_seed(config.training.seed)
    encoder = load_encoder(config)
    train = split_data(
        dataset, "train", encoder, cache_dir, device=device, flip=config.flip, progress=progress
    )
    dev = split_data(dataset, "dev", encoder, cache_dir, device=device, progress=progress)
    dataset = dataset.leave_out(train.features.unreadable | dev.features.unreadable)
    captioner = new_captioner(config, encoder, dataset.split("train"), device)
    trainer = Trainer(captioner, train=train, dev=dev, config=config.training)

    def keep_if_best(result: EpochResult) -> None:
        if result.is_best:
            captioner.metrics = _metrics(dataset, config, result)
            card = model_card(captioner, name=output.name, terms=dataset.terms)
            save_checkpoint(output, captioner, model_card=card)
        on_epoch(result)

    return trainer.run(keep_if_best, progress=progress)


def load_encoder(config: RunConfig) -> Encoder:
    """The encoder with the weights that the configuration asks for; raises EncoderError."""
    encoder = Encoder(config.encoder, grid_size=config.grid_size)
    if config.encoder_weights is None:
        encoder.load_pretrained()
    else:
        encoder.load_file(config.encoder_weights)
    return encoder


def new_captioner(
    config: RunConfig, encoder: Encoder, train: Sequence[Example], device: torch.device
) -> Captioner:
    """An untrained captioner whose vocabulary comes from the examples of the train split."""
    captions = (tokenize(text) for example in train for text in example.captions)
    vocabulary = Vocabulary.build(captions, min_count=config.min_count)
    decoder_config = DecoderConfig(
        injection=config.injection, vocabulary_size=len(vocabulary), channels=encoder.channels
    )
    return Captioner(
        encoder=encoder.to(device),
        decoder=Decoder(decoder_config).to(device),
        vocabulary=vocabulary,
        decoding=config.decoding,
    )


def _metrics(dataset: CaptionDataset, config: RunConfig, best: EpochResult) -> dict[str, object]:
    """What metrics.json tells: the scores, how they were measured, and the recipe."""
    return {
        "dataset": dataset.name,
        "split": "dev",
        "beam_size": config.decoding.beam_size,
        "scores": {name: round(score, 4) for name, score in best.scores.items()},
        "epoch": best.epoch,
        "train_images": len(dataset.split("train")),
        "dev_images": len(dataset.split("dev")),
        "skipped_images": dataset.skipped,
        "min_count": config.min_count,
        "flip": config.flip,
        "training": dataclasses.asdict(config.training),
        "torch": torch.__version__,
    }
