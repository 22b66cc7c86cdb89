"""The epochs of a training: an objective's losses, the optimizer, the score after each epoch."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from pytorch.captioner import Captioner
from pytorch.decoders import Decoder
from pytorch.evaluation import evaluate
from pytorch.self_critical import SelfCritical
from pytorch.teacher_forcing import SplitData, TeacherForcing
from pytorch.training_config import TrainingConfig


class TrainingError(Exception):
    """Training cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class EpochResult:
    """What one epoch cost and brought."""

    epoch: int
    objective: str
    loss: float
    scores: dict[str, float]
    training_seconds: float
    evaluation_seconds: float
    is_best: bool


class Objective(Protocol):
    """What a phase of the training makes small."""

    name: str

    def __len__(self) -> int:
        """Batches in an epoch."""

    def losses(self, decoder: Decoder, epoch: int) -> Iterator[Tensor]:
        """The loss of one batch after another; change the weights only between two of them."""


@dataclass(frozen=True)
class Phase:
    """Some epochs with one objective, which is made when the phase begins."""

    objective: Callable[[], Objective]
    first_epoch: int
    last_epoch: int
    rate: Callable[..., float]


class WeightAverage:
    """An exponential moving average of a decoder's weights, as a decoder."""

    def __init__(self, decoder: Decoder, *, decay: float) -> None:
        self.decoder = copy.deepcopy(decoder).eval()
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, decoder: Decoder) -> None:
        """Take in the weights after one more step of the optimizer."""
        self.updates += 1
        # The first averages are of few steps, or they would remember the random weights.
        decay = min(self.decay, self.updates / (self.updates + 10))
        pairs = zip(self.decoder.parameters(), decoder.parameters(), strict=True)
        for average, weight in pairs:
            average.lerp_(weight, 1 - decay)


class Trainer:
    """Runs the phases of one training, evaluating on the dev split after each epoch.

    Between two epochs `state_dict` holds all that the rest of the training depends on: a trainer
    made anew with the same arguments that loads it gives the same losses as one that was never
    interrupted.
    """

    def __init__(
        self, captioner: Captioner, *, train: SplitData, dev: SplitData, config: TrainingConfig
    ) -> None:
        """The captioner's decoder becomes the average of the weights that are trained."""
        self.captioner = captioner
        self.train_data = train
        self.dev_data = dev
        self.config = config
        self.decoder = captioner.decoder
        self.device = captioner.device
        has_bfloat16 = self.device.type == "cpu" or torch.cuda.is_bf16_supported()
        self.low_precision = torch.bfloat16 if has_bfloat16 else torch.float16
        # Only float16 has so small a range that gradients must be scaled.
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=config.mixed_precision and not has_bfloat16
        )
        self.history: list[EpochResult] = []
        self.best_weights: dict[str, Tensor] = {}
        self._begin_phase()

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
        if not self.history:
            torch.manual_seed(self.config.seed)
            if score_first:
                on_epoch(self._score(0, "none", math.nan, 0.0, progress=progress))
        for phase in self._phases():
            self._run_phase(phase, on_epoch, progress=progress)
        if self.best is None:
            raise TrainingError("No epoch was run.")
        return self.best

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values, so that torch.load reads them with `weights_only`."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return {
            "history": [dataclasses.asdict(result) for result in self.history],
            "decoder": self.decoder.state_dict(),
            "average": self.average.decoder.state_dict(),
            "average_updates": self.average.updates,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "best_weights": self.best_weights,
            "chance": {"cpu": torch.get_rng_state(), "cuda": cuda},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was called."""
        self.history = [EpochResult(**result) for result in state["history"]]
        self.decoder.load_state_dict(state["decoder"])
        self.average.decoder.load_state_dict(state["average"])
        self.average.updates = state["average_updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.best_weights = state["best_weights"]
        torch.set_rng_state(state["chance"]["cpu"])
        if state["chance"]["cuda"]:
            torch.cuda.set_rng_state_all(state["chance"]["cuda"])

    def _phases(self) -> Iterator[Phase]:
        config, vocabulary = self.config, self.captioner.vocabulary
        yield Phase(
            lambda: TeacherForcing(
                self.train_data,
                vocabulary,
                batch_size=config.batch_size,
                seed=config.seed,
                label_smoothing=config.label_smoothing,
                attention_penalty=config.attention_penalty,
            ),
            first_epoch=1,
            last_epoch=config.epochs,
            rate=config.rate,
        )
        yield Phase(
            lambda: SelfCritical(
                self.train_data,
                vocabulary,
                batch_size=config.batch_size,
                seed=config.seed,
                samples=config.self_critical_samples,
                max_words=self.captioner.decoding.max_words,
            ),
            first_epoch=config.epochs + 1,
            last_epoch=config.epochs + config.self_critical_epochs,
            rate=lambda **_: config.self_critical_learning_rate,
        )

    def _begin_phase(self) -> None:
        """A fresh optimizer and average for the decoder's present weights."""
        self.optimizer = torch.optim.AdamW(
            self.decoder.parameters(), weight_decay=self.config.weight_decay
        )
        self.average = WeightAverage(self.decoder, decay=self.config.average_decay)
        self.captioner.decoder = self.average.decoder

    def _run_phase(
        self, phase: Phase, on_epoch: Callable[[EpochResult], None], *, progress: bool
    ) -> None:
        objective = None
        while (epoch := self._next_epoch(phase)) is not None:
            if epoch == phase.first_epoch and self.best is not None:
                self.decoder.load_state_dict(self.best_weights)
                self._begin_phase()
            objective = objective or phase.objective()
            start = time.perf_counter()
            loss = self._train_one_epoch(phase, objective, epoch, progress=progress)
            seconds = time.perf_counter() - start
            on_epoch(self._score(epoch, objective.name, loss, seconds, progress=progress))

    def _next_epoch(self, phase: Phase) -> int | None:
        """The epoch that comes next in this phase; None once it has ended."""
        done = [result for result in self.history if result.epoch >= phase.first_epoch]
        rises = [result.epoch for result in done if result.is_best]
        last_rise = max(rises, default=phase.first_epoch - 1)
        last = done[-1].epoch if done else phase.first_epoch - 1
        if last >= phase.last_epoch or last - last_rise >= self.config.patience:
            return None
        return last + 1

    def _score(
        self, epoch: int, objective: str, loss: float, seconds: float, *, progress: bool
    ) -> EpochResult:
        """Evaluate the captioner on dev, and remember its weights if they are the best so far."""
        start = time.perf_counter()
        scores = evaluate(
            self.captioner, self.dev_data.features, self.dev_data.examples, progress=progress
        ).scores
        result = EpochResult(
            epoch=epoch,
            objective=objective,
            loss=loss,
            scores=scores,
            training_seconds=seconds,
            evaluation_seconds=time.perf_counter() - start,
            is_best=self.best is None or scores["CIDEr-D"] > self.best.scores["CIDEr-D"],
        )
        self.history.append(result)
        if result.is_best:
            self.best_weights = copy.deepcopy(self.captioner.decoder.state_dict())
        return result

    def _train_one_epoch(
        self, phase: Phase, objective: Objective, epoch: int, *, progress: bool
    ) -> float:
        """One pass over the train split; returns the mean loss of its batches."""
        self.decoder.train()
        done = epoch - phase.first_epoch
        rises = [r.is_best for r in self.history if phase.first_epoch <= r.epoch < epoch]
        batches, total = len(objective), 0.0
        losses = objective.losses(self.decoder, epoch)
        numbers = tqdm(range(1, batches + 1), f"epoch {epoch}", leave=False, disable=not progress)
        for number in numbers:
            # Only the forward pass: a backward pass has the types of the forward one.
            with torch.autocast(self.device.type, self.low_precision, self.config.mixed_precision):
                loss = next(losses)
            if not loss.isfinite():
                raise TrainingError(
                    f"The loss became {loss.item()} in batch {number} of epoch {epoch}. "
                    "Try a lower learning rate."
                )
            self.scaler.scale(loss / self.config.accumulate).backward()
            total += loss.item()
            if number % self.config.accumulate == 0 or number == batches:
                self._step(phase.rate(done=done + (number - 1) / batches, rises=rises))
            numbers.set_postfix(loss=f"{total / number:.3f}", refresh=False)
        return total / batches

    def _step(self, rate: float) -> None:
        """Change the weights by the gradients gathered so far."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.scaler.unscale_(self.optimizer)
        clip_grad_norm_(self.decoder.parameters(), self.config.gradient_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.average.update(self.decoder)
