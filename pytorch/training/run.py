"""One training run, from data sets to a checkpoint."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from pytorch.data.caption_dataset import CaptionDataset
from pytorch.data.formats.sentences import SentenceDataset
from pytorch.data.prepared import PreparedSplit
from pytorch.model.captioner import Captioner
from pytorch.model.checkpoint import default_device, save_checkpoint
from pytorch.model.checkpoint_files import CheckpointError, check_replaceable
from pytorch.model.injections import INJECTIONS
from pytorch.training.concept_fitting import fitted_concepts, with_concepts
from pytorch.training.data_sets import DataSets
from pytorch.training.distributed import (
    broadcast_from_main,
    is_main_process,
    main_process_first,
    world_size,
)
from pytorch.training.epoch import EpochResult, TrainingError
from pytorch.training.model_card import model_card
from pytorch.training.optimization import computes_in_half_precision
from pytorch.training.recipe import checkpoint_metrics
from pytorch.training.report import training_report
from pytorch.training.run_config import RunConfig
from pytorch.training.run_folder import RunFolder
from pytorch.training.start import (
    captioner_to_train_further,
    load_encoder,
    new_captioner,
    train_examples,
    warn_of_unknown_words,
)
from pytorch.training.train_data import TrainData, Weighted
from pytorch.training.trainer import Trainer


def run_training(
    datasets: Iterable[Weighted[CaptionDataset | SentenceDataset]],
    config: RunConfig,
    *,
    folder: RunFolder,
    output: Path,
    cache_dir: Path,
    on_epoch: Callable[[EpochResult], None],
    resume: bool = False,
    progress: bool = False,
) -> EpochResult:
    """Train on the train splits, and write the best epoch on dev as a checkpoint.

    The checkpoint is written after each epoch that is the best so far. The log and the state are
    written after every epoch, so that an interrupted run can be resumed as if it had never
    stopped; the report is written when the run ends for whatever reason.

    Of several processes (see `distributed`), only the main process writes and calls `on_epoch`.

    Args:
        datasets: What `load_dataset` and `load_sentences` have read.
        config: The options of the run.
        folder: The run's folder.
        output: Where to write the checkpoint.
        cache_dir: The folder of the feature cache.
        on_epoch: Called after each epoch, once everything is written.
        resume: Whether to resume the run in `folder`.
        progress: Whether to show progress bars on stderr.

    Returns:
        The best epoch.

    Raises:
        CheckpointError, DatasetError, EncoderError, TrainingError: With a message for the user.
        OSError: A file cannot be read or written.
    """
    device = default_device()
    if config.training.mixed_precision and not computes_in_half_precision(device):
        raise TrainingError(
            "mixed_precision needs a GPU, or a processor with AMX or AVX-512 for bfloat16. "
            "Without them it is many times slower. Leave it out."
        )
    data_sets = DataSets.of(datasets)
    _check_texts(data_sets, config)
    options = {
        "datasets": str(data_sets),
        "allow_missing": any(part.data.allow_missing for part in data_sets.pictures.values()),
        "output": None if output == folder.checkpoint else output,  # a run folder may be moved
        "world_size": world_size(),
        **config.values(),
    }
    progress = progress and is_main_process()
    with _begin(folder, output, config, options, resume=resume):
        state = folder.load_state(device) if resume else None
        loaded = _load(data_sets, config, cache_dir, device=device, progress=progress)
        run = _Run(loaded, config, folder, output, state, progress=progress)
        return run.train(on_epoch, options)


@contextmanager
def _begin(
    folder: RunFolder,
    output: Path,
    config: RunConfig,
    options: Mapping[str, Any],
    *,
    resume: bool,
) -> Iterator[None]:
    """Make sure that the main process can write, and keep the folder locked within the block."""
    if not is_main_process():
        yield
        return
    _check_output(output, folder, config.start.init_from)
    with folder.begin(options, resume=resume):
        yield


def _check_texts(datasets: DataSets, config: RunConfig) -> None:
    """Make sure that the decoder can learn from sentences without pictures, if there are any."""
    injection = config.decoder.injection
    if datasets.texts and not INJECTIONS[injection].needs_concepts:
        reading = [name for name, each in INJECTIONS.items() if each.needs_concepts]
        raise TrainingError(
            f"Sentences without pictures teach the injection {injection} nothing, because it "
            f"reads no concepts. Leave them out, or choose {' or '.join(reading)}."
        )


def _check_output(output: Path, folder: RunFolder, init_from: Path | None) -> None:
    """Make sure that the checkpoint will replace nothing that is still needed."""
    check_replaceable(output)
    place = output.resolve()
    if folder.path.resolve().is_relative_to(place):
        raise CheckpointError(
            f"The checkpoint {output} would replace the folder of the run, {folder.path}. "
            "Name another place for one of them."
        )
    if init_from is not None and init_from.resolve() == place:
        raise CheckpointError(
            f"The checkpoint {output} would replace the one that training starts from, which "
            "--resume needs too. Name another place for it."
        )


class _Loaded(NamedTuple):
    """What a run works with.

    Attributes:
        captioner: The captioner to train.
        datasets: The data sets without the images that cannot be used.
        train: What to learn from.
        dev: The splits to score, by the names of their data sets.
    """

    captioner: Captioner
    datasets: DataSets
    train: TrainData
    dev: dict[str, PreparedSplit]


def _load(
    datasets: DataSets,
    config: RunConfig,
    cache_dir: Path,
    *,
    device: torch.device,
    progress: bool,
) -> _Loaded:
    """Get the captioner and the features of its encoder."""
    torch.manual_seed(config.training.seed)  # decides the initial weights
    init_from = config.start.init_from
    captioner = None
    with main_process_first():  # the others find its downloads and features on disk
        if init_from is not None:
            captioner = captioner_to_train_further(config, init_from, device)
        encoder = captioner.encoder if captioner else load_encoder(config)
        if config.training.fine_tune_from is not None:
            encoder.layers_from(config.training.fine_tune_from)  # refuses an unknown layer early
        usable, train, dev = datasets.prepared(
            encoder, cache_dir, device=device, flip=config.training.flip, progress=progress
        )
    if captioner is None or init_from is None:
        captioner = new_captioner(config, encoder, usable, device)
    elif is_main_process():
        warn_of_unknown_words(captioner.vocabulary, train_examples(usable), init_from)
    return _Loaded(captioner, usable, train, dev)


class _Run:
    """A run under way, which writes its results after each epoch."""

    def __init__(
        self,
        loaded: _Loaded,
        config: RunConfig,
        folder: RunFolder,
        output: Path,
        state: Mapping[str, Any] | None,
        *,
        progress: bool,
    ) -> None:
        """Start the run, or continue from a state of it."""
        captioner, self.datasets, train, dev = loaded
        self.config = config
        self.folder = folder
        self.output = output
        self.earlier_recipes = captioner.metrics.get("training", [])
        self.inputs = _fingerprint(captioner, train, dev)
        if state is not None and state.get("inputs") != self.inputs:
            raise TrainingError(
                f"The run in {folder.path} was started with other captions, images or encoder "
                "weights. Put those back, or start a new run."
            )
        fit = partial(
            fitted_concepts,
            captioner,
            train,
            count=config.start.concepts,
            seed=config.training.seed,
            progress=progress,
        )
        self.concepts: Mapping[str, Any] | None = None
        if INJECTIONS[config.decoder.injection].needs_concepts:
            self.concepts = broadcast_from_main(fit) if state is None else state["concepts"]
            train = with_concepts(captioner, train, self.concepts)
        captioner.check_decoding(captioner.decoding)  # now rather than after an epoch
        self.trainer = Trainer(
            captioner, train=train, dev=dev, config=config.training, progress=progress
        )
        if state is not None:
            self.trainer.load_state_dict(state)

    def train(
        self, on_epoch: Callable[[EpochResult], None], options: Mapping[str, Any]
    ) -> EpochResult:
        """Train to the end and return the best epoch."""

        def keep(result: EpochResult) -> None:
            state = self.trainer.state_dict()  # gathered from all processes
            if is_main_process():
                self._write(result, state)
                on_epoch(result)

        try:
            score_first = self.config.start.init_from is not None
            return self.trainer.run(keep, score_first=score_first)
        finally:
            history = self.trainer.history
            if history and is_main_process():  # a run that was stopped has a report too
                title = f"Training run {self.folder.path.name}"
                page = training_report(title, self.datasets, options, history)
                self.folder.write_report(page)

    def _write(self, result: EpochResult, state: Mapping[str, Any]) -> None:
        # The state comes last: after a kill before that, the epoch is repeated and all of its
        # files are written again.
        history = self.trainer.history
        if result.improved:
            captioner = self.trainer.averaged
            captioner.metrics = checkpoint_metrics(
                self.datasets, self.config, history, self.earlier_recipes
            )
            card = model_card(captioner, name=self.output.name)
            save_checkpoint(self.output, captioner, model_card=card)
        self.folder.write_log(history)
        self.folder.save_state({"inputs": self.inputs, "concepts": self.concepts, **state})


def _fingerprint(captioner: Captioner, train: TrainData, dev: Mapping[str, PreparedSplit]) -> str:
    """SHA-256 of what a state depends on besides the options."""
    splits = [*(part.data for part in train.pictures), *dev.values()]
    content = [
        captioner.encoder.weights_hash(),
        captioner.vocabulary.words,
        *([dataclasses.astuple(example) for example in split.examples] for split in splits),
        *(part.data.sentences for part in train.texts),
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
