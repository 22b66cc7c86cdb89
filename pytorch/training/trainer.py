"""The phases of one training, with everything needed to interrupt and resume it."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pytorch.data.prepared import PreparedSplit
from pytorch.evaluation.evaluate import Evaluation, evaluate
from pytorch.model.captioner import Captioner
from pytorch.training.distributed import (
    all_gather,
    broadcast_from_main,
    data_parallel,
    main_process_first,
    rank,
)
from pytorch.training.epoch import EpochResult, TrainingError, mean_scores, train_one_epoch
from pytorch.training.objective import Objective
from pytorch.training.optimization import Optimization
from pytorch.training.phases import Phase, phases_of
from pytorch.training.train_data import TrainData
from pytorch.training.training_config import TrainingConfig

Split = TypeVar("Split", PreparedSplit, TrainData)


class Trainer:
    """Trains a captioner phase by phase, and scores it on the dev splits after each epoch.

    Between two epochs `state_dict` holds everything the rest of the training depends on. A trainer
    built with the same arguments that loads it computes the same losses as one that was never
    interrupted.

    Of several processes (see `distributed`) each has a trainer, and all take the same steps.

    Attributes:
        captioner: The captioner being trained.
        initial_encoder: The encoder it came with, which is never changed: fine-tuning trains a
            copy. The features of all splits are this encoder's.
        optimization: The optimizer and the moving average of the present phase.
        history: The results of the epochs so far.
        best_weights: The averaged weights of the best epoch so far; see `_weights`.
    """

    def __init__(
        self,
        captioner: Captioner,
        *,
        train: TrainData,
        dev: Mapping[str, PreparedSplit],
        config: TrainingConfig,
        progress: bool = False,
    ) -> None:
        """Prepare the first phase.

        Args:
            captioner: The captioner to train, in place.
            train: What to learn from.
            dev: The splits to score, at least one, by the names of their data sets.
            config: The training options.
            progress: Whether to show progress bars on stderr.
        """
        self.captioner = captioner
        self.initial_encoder = captioner.encoder
        self.train_data = train
        self.dev_splits = dict(dev)
        self.config = config
        self.progress = progress
        self.history: list[EpochResult] = []
        self.best_weights: dict[str, dict[str, Tensor]] = {}
        self.phases = phases_of(config)
        self._begin(self.phases[0])

    @property
    def averaged(self) -> Captioner:
        """The captioner that is scored and kept, whose weights are the moving average."""
        return self.optimization.ema.captioner

    @property
    def best(self) -> EpochResult | None:
        """The epoch with the highest CIDEr-D on dev so far, the earlier one among equals."""
        return max(self.history, key=lambda result: result.scores["CIDEr-D"], default=None)

    def run(
        self, on_epoch: Callable[[EpochResult], None], *, score_first: bool = False
    ) -> EpochResult:
        """Train to the end.

        Args:
            on_epoch: Called after each epoch, while `averaged` has the weights it was scored with.
            score_first: Whether to score the initial weights as epoch 0, which may be the best.

        Returns:
            The best epoch by CIDEr-D on dev.

        Raises:
            TrainingError: The loss or a weight became infinite or undefined.
        """
        if not self.history:
            # Dropout and samples must differ between processes.
            torch.manual_seed(self.config.seed + rank())
            if score_first:
                on_epoch(self._score(0, "none", loss=math.nan, seconds=0.0))
        for phase in self.phases:
            self._run_phase(phase, on_epoch)
        if self.best is None:
            raise TrainingError("No epoch was run.")
        return self.best

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values, which `torch.load` can read with `weights_only`.

        Every process must call it, and returns the same state.
        """
        return {
            "history": [dataclasses.asdict(result) for result in self.history],
            "weights": self._weights(self.captioner),
            "averaged_weights": self._weights(self.averaged),
            "best_weights": self.best_weights,
            "optimization": self.optimization.state_dict(),
            "rng_state": all_gather(_rng_state(self.captioner.device)),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from where `state_dict` was called."""
        self.history = [EpochResult(**result) for result in state["history"]]
        self.best_weights = state["best_weights"]
        last = self.history[-1].epoch
        phases = (p for p in self.phases if p.first_epoch <= last <= p.last_epoch)
        self._begin(next(phases, self.phases[0]))  # epoch 0 belongs to none
        _load_weights(self.captioner, state["weights"])
        _load_weights(self.averaged, state["averaged_weights"])
        self.optimization.load_state_dict(state["optimization"])
        _set_rng_state(state["rng_state"][rank()], self.captioner.device)

    def _begin(self, phase: Phase) -> None:
        """Go back to the best weights so far, with a fresh optimizer and average."""
        self.phase = phase
        self.captioner.encoder = self.initial_encoder
        if phase.fine_tune_from is not None or "encoder" in self.best_weights:
            self.captioner.encoder = copy.deepcopy(self.initial_encoder)
        if self.best_weights:
            _load_weights(self.captioner, self.best_weights)
        if "encoder" in self.best_weights:
            self.captioner.encoder.weights_source = "fine-tuned"
        if phase.fine_tune_from is not None:
            self.captioner.encoder.fine_tune_from(phase.fine_tune_from)
        self.optimization = Optimization(self.captioner, self.config, base_lr=phase.base_lr)

    def _run_phase(self, phase: Phase, on_epoch: Callable[[EpochResult], None]) -> None:
        if phase.next_epoch(self.history) is None:
            return
        if phase is not self.phase:
            self._begin(phase)
        objective = self._objective(phase)
        loss_of = data_parallel(objective)
        while (epoch := phase.next_epoch(self.history)) is not None:
            improvements = [result.improved for result in self.history if result.epoch > 0]
            trained = train_one_epoch(
                objective,
                loss_of,
                self.optimization,
                epoch=epoch,
                lr_factor=partial(phase.lr_factor, improvements=improvements),
                progress=self.progress,
            )
            on_epoch(self._score(epoch, objective.name, **trained))

    def _objective(self, phase: Phase) -> Objective:
        train = self.train_data
        if not self.captioner.encoder.trainable_parameters():
            with main_process_first():  # the others find the features in the cache
                train = self._encoded(train)
        return phase.objective(self.captioner, train, self.config)

    def _score(self, epoch: int, objective: str, *, loss: float, seconds: float) -> EpochResult:
        """Score the averaged weights, and keep them if they are the best so far."""
        start = time.perf_counter()
        evaluations = broadcast_from_main(self._evaluations)
        dev_scores = {name: evaluation.scores for name, evaluation in evaluations.items()}
        cider_d = mean_scores(dev_scores)["CIDEr-D"]
        result = EpochResult(
            epoch=epoch,
            objective=objective,
            loss=loss,
            dev_scores=dev_scores,
            training_seconds=seconds,
            evaluation_seconds=time.perf_counter() - start,
            improved=self.best is None or cider_d > self.best.scores["CIDEr-D"],
            captions={
                name: evaluation.by_image(self.dev_splits[name])
                for name, evaluation in evaluations.items()
            },
        )
        self.history.append(result)
        if result.improved:
            self.best_weights = copy.deepcopy(self._weights(self.averaged))
        return result

    def _evaluations(self) -> dict[str, Evaluation]:
        """The captions and scores of the averaged weights on each dev split."""
        return {
            name: evaluate(self.averaged, self._encoded(split), progress=self.progress)
            for name, split in self.dev_splits.items()
        }

    def _encoded(self, split: Split) -> Split:
        """The split with features by the averaged captioner's encoder."""
        encoder = self.averaged.encoder
        if encoder is self.initial_encoder:
            return split
        return split.encoded_by(
            encoder,
            cached=not encoder.trainable_parameters(),  # else the next epoch has other weights
            device=self.captioner.device,
            progress=self.progress,
        )

    def _weights(self, captioner: Captioner) -> dict[str, dict[str, Tensor]]:
        """The weights of a captioner's networks; the encoder's only once it is fine-tuned."""
        networks: dict[str, nn.Module] = {"decoder": captioner.decoder}
        if captioner.encoder is not self.initial_encoder:
            networks["encoder"] = captioner.encoder
        return {name: network.state_dict() for name, network in networks.items()}


def _load_weights(captioner: Captioner, weights: Mapping[str, Mapping[str, Tensor]]) -> None:
    for network, tensors in weights.items():
        captioner.get_submodule(network).load_state_dict(tensors)


def _rng_state(device: torch.device) -> dict[str, Tensor]:
    """The state of this process's random number generators, for dropout and sampling."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _set_rng_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"].cpu())
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
