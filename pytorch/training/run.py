"""One training from a data set to a checkpoint: vocabulary, features, epochs, the best kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from pytorch.data.datasets import CaptionDataset, Example
from pytorch.data.prepared import prepare
from pytorch.model.captioner import Captioner
from pytorch.model.checkpoint import default_device, load_captioner, save_checkpoint
from pytorch.model.checkpoint_files import CheckpointError, check_replaceable
from pytorch.model.decoders import Decoder
from pytorch.model.encoders import Encoder
from pytorch.model.tokenization import tokenize
from pytorch.model.vocabulary import Vocabulary
from pytorch.training.distributed import is_main_process, main_process_first, world_size
from pytorch.training.epoch import EpochResult, TrainingError
from pytorch.training.model_card import OF_A_TRAINING, model_card
from pytorch.training.report import training_report
from pytorch.training.run_config import RunConfig
from pytorch.training.run_folder import RunFolder
from pytorch.training.trainer import Trainer

NAMED_WORDS = 10

logger = logging.getLogger(__name__)


def run_training(
    dataset: CaptionDataset,
    config: RunConfig,
    *,
    folder: RunFolder,
    output: Path,
    cache_dir: Path,
    on_epoch: Callable[[EpochResult], None],
    resume: bool = False,
    progress: bool = False,
) -> EpochResult:
    """Train on the train split, keep the best epoch on dev as the checkpoint `output`.

    The checkpoint is written whenever an epoch is the best so far, so one that is interrupted
    leaves the best until then. The folder keeps the log, and after each epoch all that `resume`
    needs to go on as if nothing had happened; in the end, however it comes, a report of the epochs
    that were run. Returns the best epoch. Raises CheckpointError, EncoderError, DatasetError or
    TrainingError with a sentence.

    Of several processes (see `distributed`), the writer alone writes and calls `on_epoch`.
    """
    options = {
        "dataset": dataset.name,
        "root": dataset.root,
        "allow_missing": dataset.allow_missing,
        "output": None if output == folder.checkpoint else output,  # a run folder may be moved
        "world_size": world_size(),
        **config.flat(),
    }
    progress = progress and is_main_process()
    device = default_device()
    if config.training.mixed_precision and device.type != "cuda":
        raise TrainingError("mixed_precision is for a GPU, and there is none. Leave it out.")
    if is_main_process():
        _check_output(output, folder, config)
        folder.begin(options, resume=resume)
    # The seed decides the first weights as well as the order of the batches.
    torch.manual_seed(config.training.seed)
    with main_process_first():  # what it downloads and computes, the others find on disk
        former = None
        if config.model.init_from is not None:
            former = load_captioner(config.model.init_from, device=device)
            former.decoding = config.decoding
            _check_recipes(former, config.model.init_from)
        encoder = former.encoder if former else load_encoder(config)
        if config.training.fine_tune_from is not None:
            encoder.layers_from(config.training.fine_tune_from)  # refuses an unknown one early
        prepared = prepare(
            dataset,
            ("train", "dev"),
            encoder,
            cache_dir,
            device=device,
            flip=config.model.flip,
            progress=progress,
        )
    dataset = prepared.dataset
    train, dev = prepared.splits["train"], prepared.splits["dev"]
    captioner = former or new_captioner(config, encoder, dataset.split("train"), device)
    if former and is_main_process():
        _warn_of_unknown_words(former, dataset.split("train"), config.model.init_from)
    recipes = captioner.metrics.get("training", [])
    trainer = Trainer(captioner, train=train, dev=dev, config=config.training, progress=progress)
    inputs = _fingerprint(captioner, train.examples, dev.examples)
    if resume:
        state = folder.load_state(device)
        if state["inputs"] != inputs:
            raise TrainingError(
                f"The run in {folder.path} was started with other captions, images or encoder "
                "weights than those that are there now. Put these back, or start a new run."
            )
        trainer.load_state_dict(state)

    def keep(result: EpochResult) -> None:
        state = {"inputs": inputs, **trainer.state_dict()}
        if not is_main_process():
            return
        if result.improved:
            averaged = trainer.averaged
            averaged.metrics = _metrics(
                dataset, config, trainer.history, recipes, beam_size=averaged.decoding.beam_size
            )
            card = model_card(averaged, name=output.name)
            save_checkpoint(output, averaged, model_card=card)
        # In this order: a kill in between repeats the epoch and writes the same files again.
        folder.write_log(trainer.history)
        folder.save_state(state)
        on_epoch(result)

    try:
        return trainer.run(keep, score_first=config.model.init_from is not None)
    finally:
        if trainer.history and is_main_process():  # a run that is stopped has a report too
            title = f"Training run {folder.path.name}"
            folder.write_report(training_report(title, dataset, options, trainer.history))


def _check_output(output: Path, folder: RunFolder, config: RunConfig) -> None:
    """Make sure that the checkpoint will replace nothing that is still needed."""
    check_replaceable(output)
    place, init_from = output.resolve(), config.model.init_from
    if folder.path.resolve().is_relative_to(place):
        raise CheckpointError(
            f"The checkpoint {output} would replace the folder of the run, {folder.path}. "
            "Name another place for one of them."
        )
    if init_from is not None and init_from.resolve() == place:
        raise CheckpointError(
            f"The checkpoint {output} would replace the one that training begins with, which "
            "--resume needs as well. Name another place for it."
        )


def _check_recipes(former: Captioner, checkpoint: Path) -> None:
    """Make sure, before any work, that the new model card can tell of the former trainings."""
    for recipe in former.metrics.get("training", []):
        if missing := OF_A_TRAINING - recipe.keys():
            raise CheckpointError(
                f"The checkpoint at {checkpoint} does not tell the {sorted(missing)[0]!r} of its "
                "training, which belongs into the model card. Train it anew with this program."
            )


def _fingerprint(captioner: Captioner, *splits: Sequence[Example]) -> str:
    """SHA-256 over what a state belongs to, besides the options."""
    content = [
        captioner.encoder.weights_hash(),
        captioner.vocabulary.words,
        *([dataclasses.astuple(example) for example in examples] for examples in splits),
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def load_encoder(config: RunConfig) -> Encoder:
    """The encoder with the weights that the configuration asks for; raises EncoderError."""
    encoder = Encoder(config.model.encoder, grid_size=config.model.grid_size)
    if config.model.encoder_weights is None:
        encoder.load_pretrained()
    else:
        encoder.load_file(config.model.encoder_weights)
    return encoder


def new_captioner(
    config: RunConfig, encoder: Encoder, train: Sequence[Example], device: torch.device
) -> Captioner:
    """An untrained captioner whose vocabulary comes from the examples of the train split."""
    captions = (tokenize(text) for example in train for text in example.captions)
    vocabulary = Vocabulary.build(captions, min_count=config.model.min_count)
    decoder = Decoder(config.decoder, vocabulary_size=len(vocabulary), channels=encoder.channels)
    return Captioner(
        encoder=encoder.to(device),
        decoder=decoder.to(device),
        vocabulary=vocabulary,
        decoding=config.decoding,
    )


def unknown_words(vocabulary: Vocabulary, examples: Sequence[Example]) -> list[str]:
    """The words of the examples' captions that are not in the vocabulary, most frequent first."""
    counts = Counter(
        word for example in examples for text in example.captions for word in tokenize(text)
    )
    return [word for word, _ in counts.most_common() if word not in vocabulary]


def _warn_of_unknown_words(
    captioner: Captioner, examples: Sequence[Example], checkpoint: Path | None
) -> None:
    if not (unknown := unknown_words(captioner.vocabulary, examples)):
        return
    logger.warning(
        f"The vocabulary of {checkpoint} does not grow, and lacks these words of the train "
        f"captions: {', '.join(unknown[:NAMED_WORDS])}"
        f"{', and so on' if len(unknown) > NAMED_WORDS else ''} ({len(unknown)} in all). The "
        "model learns around them, and will never say them."
    )


def _metrics(
    dataset: CaptionDataset,
    config: RunConfig,
    history: Sequence[EpochResult],
    former: Sequence[Mapping[str, Any]],
    *,
    beam_size: int,
) -> dict[str, Any]:
    """What metrics.json tells: the scores, how they were measured, and the recipe.

    The last epoch of the `history` is the best. `former` are the recipes of the trainings that this
    one goes on from; then the recipe tells the scores that it began with.
    """
    first, best = history[0], history[-1]
    recipe = {
        "dataset": dataset.name,
        "terms": dataset.terms,
        "train_images": len(dataset.split("train")),
        "best_epoch": best.epoch,
        "objective": best.objective,
        "skipped_images": dataset.skipped,
        "flip": config.model.flip,
        "world_size": world_size(),
        **dataclasses.asdict(config.training),
        "torch": torch.__version__,
    }
    if config.model.init_from is None:
        recipe["min_count"] = config.model.min_count
    else:
        recipe["scores_before"] = _rounded(first.scores)
    return {
        "dataset": dataset.name,
        "split": "dev",
        "images": len(dataset.split("dev")),
        "beam_size": beam_size,
        "scores": _rounded(best.scores),
        "training": [*former, recipe],
    }


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: round(score, 4) for name, score in scores.items()}
