"""The epochs of a training: an objective's losses, the optimizer, the score after each epoch."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from pytorch.data.prepared import PreparedSplit
from pytorch.evaluation.evaluate import Evaluation, evaluate
from pytorch.model.captioner import Captioner
from pytorch.model.decoders import Decoder
from pytorch.model.encoders import Encoder
from pytorch.training.distributed import (
    all_gather,
    broadcast_from_main,
    data_parallel,
    main_process_first,
    mean_over_ranks,
    rank,
)
from pytorch.training.ema import ExponentialMovingAverage, Model
from pytorch.training.schedules import constant
from pytorch.training.self_critical import SelfCritical
from pytorch.training.teacher_forcing import TeacherForcing
from pytorch.training.training_config import TrainingConfig


class TrainingError(Exception):
    """Training cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class EpochResult:
    """What one epoch cost and brought; `captions` are those of the dev images, by their names."""

    epoch: int
    objective: str
    loss: float
    scores: dict[str, float]
    training_seconds: float
    evaluation_seconds: float
    improved: bool
    captions: dict[str, str] = field(repr=False)


class Objective(Protocol):
    """What a phase of the training makes small."""

    name: str

    def __len__(self) -> int:
        """Batches in an epoch."""

    def batches(self, epoch: int) -> Iterator[Any]:
        """This process's share of one batch after another."""

    def loss(self, decoder: Decoder, batch: Any) -> Tensor:
        """The loss of one of them; its mean over the processes is that of the whole batch."""


@dataclass(frozen=True)
class Phase:
    """Some epochs with one objective, which is made when the phase begins.

    `rate` is the decoder's full learning rate, and `lr_factor` the share of all rates that is used
    at a time. The encoder learns too, from the layer `fine_tune_from` on, if there is one.
    """

    objective: Callable[[], Objective]
    first_epoch: int
    last_epoch: int
    rate: float
    lr_factor: Callable[..., float]
    fine_tune_from: str | None = None


class BatchLoss(nn.Module):
    """An objective's loss as a module's forward pass, which `data_parallel` needs."""

    def __init__(self, model: Model, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, batch: Any) -> Tensor:
        """The loss of one batch, or of this process's share of it."""
        return self.objective.loss(self.model.decoder, batch)


class Trainer:
    """Runs the phases of one training, evaluating on the dev split after each epoch.

    Between two epochs `state_dict` holds all that the rest of the training depends on: a trainer
    made anew with the same arguments that loads it gives the same losses as one that was never
    interrupted.

    Of several processes (see `distributed`) each has a trainer, and all go through the same steps.
    """

    def __init__(
        self,
        captioner: Captioner,
        *,
        train: PreparedSplit,
        dev: PreparedSplit,
        config: TrainingConfig,
    ) -> None:
        """The captioner's decoder becomes the average of the weights that are trained.

        So does its encoder where `config` fine-tunes it; the one given keeps its weights.
        """
        self.captioner = captioner
        self.train_data = train
        self.dev_data = dev
        self.config = config
        self.decoder = captioner.decoder
        self.frozen_encoder = captioner.encoder
        self.device = captioner.device
        has_bfloat16 = self.device.type == "cpu" or torch.cuda.is_bf16_supported(
            including_emulation=False
        )
        self.low_precision = torch.bfloat16 if has_bfloat16 else torch.float16
        # Only float16 has so small a range that gradients must be scaled.
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=config.mixed_precision and not has_bfloat16
        )
        self.progress = False
        self.history: list[EpochResult] = []
        self.best_weights: dict[str, dict[str, Tensor]] = {}
        self.phases = self._phases()
        self._begin_phase(self.phases[0])

    @property
    def best(self) -> EpochResult | None:
        """The epoch with the highest CIDEr-D on dev so far, the earlier one among equals."""
        return max(self.history, key=lambda result: result.scores["CIDEr-D"], default=None)

    def run(
        self,
        on_epoch: Callable[[EpochResult], None],
        *,
        score_first: bool = False,
        progress: bool = False,
    ) -> EpochResult:
        """Train to the end and return the best epoch by CIDEr-D on dev.

        `on_epoch` is called after each, while the captioner holds that epoch's weights. With
        `score_first` the weights to begin with are scored as epoch 0, and may be the best. Raises
        TrainingError where the loss is not finite.
        """
        self.progress = progress
        if not self.history:
            # What dropout and samples draw must differ between processes.
            torch.manual_seed(self.config.seed + rank())
            if score_first:
                on_epoch(self._score(0, "none", math.nan, 0.0))
        for phase in self.phases:
            self._run_phase(phase, on_epoch)
        if self.best is None:
            raise TrainingError("No epoch was run.")
        return self.best

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values, so that torch.load reads them with `weights_only`.

        All processes must call it, and have the same state.
        """
        chance = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            chance["cuda"] = torch.cuda.get_rng_state(self.device)
        return {
            "history": [dataclasses.asdict(result) for result in self.history],
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict(),
            "average_updates": self.average.updates,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "best_weights": self.best_weights,
            "rng_state": all_gather(chance),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was called."""
        self.history = [EpochResult(**result) for result in state["history"]]
        self.best_weights = state["best_weights"]
        last = self.history[-1].epoch
        phases = (p for p in self.phases if p.first_epoch <= last <= p.last_epoch)
        self._begin_phase(next(phases, self.phases[0]))
        self.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        self.average.updates = state["average_updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        chance = state["rng_state"][rank()]
        torch.set_rng_state(chance["cpu"].cpu())
        if "cuda" in chance:
            torch.cuda.set_rng_state(chance["cuda"].cpu(), self.device)

    def _phases(self) -> list[Phase]:
        config = self.config
        frozen = config.epochs if config.fine_tune_from is None else config.fine_tune_after
        rate, lr_factor = config.learning_rate, config.lr_factor
        return [
            Phase(self._teacher_forcing, 1, frozen, rate, lr_factor),
            Phase(
                self._teacher_forcing,
                frozen + 1,
                config.epochs,
                rate,
                lr_factor,
                config.fine_tune_from,
            ),
            Phase(
                self._self_critical,
                config.epochs + 1,
                config.epochs + config.self_critical_epochs,
                config.self_critical_learning_rate,
                constant,
            ),
        ]

    def _teacher_forcing(self) -> TeacherForcing:
        return TeacherForcing(
            self.train_data,
            self.captioner.vocabulary,
            batch_size=self.config.batch_size,
            seed=self.config.seed,
            label_smoothing=self.config.label_smoothing,
            attention_penalty=self.config.attention_penalty,
            encoder=self.model.encoder,
        )

    def _self_critical(self) -> SelfCritical:
        with main_process_first():
            train = self._as_seen_now(self.train_data)
        return SelfCritical(
            train,
            self.captioner.vocabulary,
            batch_size=self.config.batch_size,
            seed=self.config.seed,
            samples=self.config.self_critical_samples,
            max_words=self.captioner.decoding.max_words,
        )

    def _as_seen_now(self, data: PreparedSplit) -> PreparedSplit:
        """The split with the features that the captioner's present encoder gives."""
        if self.captioner.encoder is self.frozen_encoder:
            return data
        return data.encoded_by(
            self.captioner.encoder,
            cached=self.model.encoder is None,  # one that learns will soon be another
            device=self.device,
            progress=self.progress,
        )

    def _begin_phase(self, phase: Phase) -> None:
        """Go on from the best weights so far, with a fresh optimizer and average."""
        self.phase = phase
        encoder = self._restore_best()
        groups = [{"params": self.decoder.parameters(), "base_lr": phase.rate}]
        learning_encoder = None
        if phase.fine_tune_from is not None:
            learning_encoder = copy.deepcopy(encoder)
            learning_encoder.fine_tune_from(phase.fine_tune_from)
            rate = self.config.fine_tune_learning_rate
            groups.append({"params": learning_encoder.trainable_parameters(), "base_lr": rate})
        self.model = Model(self.decoder, learning_encoder)
        self.optimizer = torch.optim.AdamW(groups, weight_decay=self.config.weight_decay)
        self.average = ExponentialMovingAverage(self.model, decay=self.config.ema_decay)
        self.captioner.decoder = self.average.model.decoder
        self.captioner.encoder = self.average.model.encoder or encoder

    def _restore_best(self) -> Encoder:
        """Fill in the best decoder so far, if there is one, and return the encoder it goes with."""
        if self.best_weights:
            self.decoder.load_state_dict(self.best_weights["decoder"])
        if "encoder" not in self.best_weights:
            return self.frozen_encoder
        encoder = copy.deepcopy(self.frozen_encoder)
        encoder.load_state_dict(self.best_weights["encoder"])
        encoder.weights_source = "fine-tuned"
        return encoder

    def _run_phase(self, phase: Phase, on_epoch: Callable[[EpochResult], None]) -> None:
        if self._next_epoch(phase) is None:
            return
        if phase is not self.phase:
            self._begin_phase(phase)
        objective = phase.objective()
        loss_of = data_parallel(BatchLoss(self.model, objective))
        while (epoch := self._next_epoch(phase)) is not None:
            start = time.perf_counter()
            loss = self._train_one_epoch(objective, loss_of, epoch)
            seconds = time.perf_counter() - start
            on_epoch(self._score(epoch, objective.name, loss, seconds))

    def _next_epoch(self, phase: Phase) -> int | None:
        """The epoch that comes next in this phase; None once it has ended."""
        done = [result for result in self.history if result.epoch >= phase.first_epoch]
        improvements = [result.epoch for result in done if result.improved]
        last_rise = max(improvements, default=phase.first_epoch - 1)
        last = done[-1].epoch if done else phase.first_epoch - 1
        if last >= phase.last_epoch or last - last_rise >= self.config.patience:
            return None
        return last + 1

    def _score(self, epoch: int, objective: str, loss: float, seconds: float) -> EpochResult:
        """Evaluate the captioner on dev, and remember its weights if they are the best so far."""
        start = time.perf_counter()
        evaluation = broadcast_from_main(self._evaluate)
        scores = evaluation.scores
        result = EpochResult(
            epoch=epoch,
            objective=objective,
            loss=loss,
            scores=scores,
            training_seconds=seconds,
            evaluation_seconds=time.perf_counter() - start,
            improved=self.best is None or scores["CIDEr-D"] > self.best.scores["CIDEr-D"],
            captions=dict(zip(self.dev_data.features.names, evaluation.captions, strict=True)),
        )
        self.history.append(result)
        if result.improved:
            self._remember_best()
        return result

    def _evaluate(self) -> Evaluation:
        dev = self._as_seen_now(self.dev_data)
        return evaluate(self.captioner, dev, progress=self.progress)

    def _remember_best(self) -> None:
        self.best_weights = {"decoder": copy.deepcopy(self.captioner.decoder.state_dict())}
        if self.captioner.encoder is not self.frozen_encoder:
            self.best_weights["encoder"] = copy.deepcopy(self.captioner.encoder.state_dict())

    def _train_one_epoch(self, objective: Objective, loss_of: nn.Module, epoch: int) -> float:
        """One pass over the train split; returns the mean loss of its batches."""
        self.model.train()
        improvements = [result.improved for result in self.history if result.epoch > 0]
        batches, total = len(objective), 0.0
        progress_bar = tqdm(
            objective.batches(epoch),
            f"epoch {epoch}",
            total=batches,
            leave=False,
            disable=not self.progress,
        )
        for number, batch in enumerate(progress_bar, start=1):
            # Only the forward pass: a backward pass has the types of the forward one.
            with torch.autocast(self.device.type, self.low_precision, self.config.mixed_precision):
                shard_loss = loss_of(batch)
            loss = mean_over_ranks(shard_loss).item()
            if not math.isfinite(loss):
                raise TrainingError(
                    f"The loss became {loss} in batch {number} of epoch {epoch}. "
                    "Try a lower learning rate."
                )
            self.scaler.scale(shard_loss / self.config.accumulation_steps).backward()
            total += loss
            if number % self.config.accumulation_steps == 0 or number == batches:
                done = epoch - 1 + (number - 1) / batches
                self._step(self.phase.lr_factor(done=done, improvements=improvements))
            progress_bar.set_postfix(loss=f"{total / number:.3f}", refresh=False)
        return total / batches

    def _step(self, lr_factor: float) -> None:
        """Change the weights by the gradients gathered so far."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr_factor * group["base_lr"]
        self.scaler.unscale_(self.optimizer)
        clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.average.update(self.model)
