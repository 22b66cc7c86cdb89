"""The recipe of a training: how long, how fast, and by which rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytorch.model.bounds import check_at_least, check_fractions, check_positive
from pytorch.training.schedules import SCHEDULES, warm_up

# Settings of phases, and what must be given for there to be such a phase.
PARTNERS = {
    "fine_tune_after": "fine_tune_from",
    "fine_tune_learning_rate": "fine_tune_from",
    "self_critical_learning_rate": "self_critical_epochs",
    "self_critical_samples": "self_critical_epochs",
}


@dataclass(frozen=True)
class TrainingConfig:
    """The recipe, apart from the model's own shape.

    First come `epochs` of teacher forcing: at `learning_rate`, which improvements from zero over
    `warm_up_epochs` and follows the `schedule`. With `fine_tune_from`, a layer of the encoder, all
    of them after the first `fine_tune_after` are a phase of their own, in which that layer and
    those after it learn as well: at `fine_tune_learning_rate`, which follows the same schedule.
    Then come `self_critical_epochs` at their own, constant rate. Every phase begins with the best
    weights so far, and ends early once the dev score has not risen for `patience` epochs. The
    optimizer takes a step every `accumulation_steps` batches.

    With `mixed_precision` a GPU multiplies matrices in bfloat16 where it can, or in float16.

    What is scored and kept is an exponential moving average of the weights, which forgets all but
    `ema_decay` of itself at every step; 0 keeps the weights themselves.
    """

    epochs: int = 15
    batch_size: int = 64
    learning_rate: float = 1e-3
    schedule: str = "halving"
    base_lr_epochs: int = 5
    warm_up_epochs: float = 0.0
    accumulation_steps: int = 1
    mixed_precision: bool = False
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    max_grad_norm: float = 5.0
    attention_penalty: float = 0.01
    ema_decay: float = 0.998
    fine_tune_from: str | None = None
    fine_tune_after: int = 5
    fine_tune_learning_rate: float = 1e-5
    self_critical_epochs: int = 0
    self_critical_learning_rate: float = 3e-5
    self_critical_samples: int = 4
    patience: int = 3
    seed: int = 1

    def __post_init__(self) -> None:
        check_at_least(
            self, 1, "batch_size", "accumulation_steps", "self_critical_samples", "patience"
        )
        check_at_least(self, 0, "epochs", "base_lr_epochs", "self_critical_epochs")
        check_at_least(self, 0, "warm_up_epochs", "weight_decay", "attention_penalty")
        check_at_least(self, 0, "learning_rate", "fine_tune_learning_rate")
        check_at_least(self, 0, "self_critical_learning_rate")
        check_positive(self, "max_grad_norm")
        check_fractions(self, "label_smoothing", "ema_decay")
        if self.epochs + self.self_critical_epochs < 1:
            raise ValueError(f"epochs must be at least 1, not {self.epochs}.")
        if self.fine_tune_from is not None and not 0 <= self.fine_tune_after < self.epochs:
            raise ValueError(
                f"fine_tune_after must be at least 0 and below epochs, which is {self.epochs}, "
                f"not {self.fine_tune_after}."
            )
        for name, needed in PARTNERS.items():
            is_chosen = getattr(self, name) != getattr(TrainingConfig, name)  # its default
            if is_chosen and not getattr(self, needed):
                raise ValueError(f"{name} is of no use without {needed}. Give both, or neither.")
        if self.schedule not in SCHEDULES:
            raise ValueError(
                f"There is no schedule {self.schedule!r}; choose one of {', '.join(SCHEDULES)}."
            )

    def lr_factor(self, *, done: float, improvements: Sequence[bool]) -> float:
        """Share of the full learning rates after `done` epochs of teacher forcing, with fractions.

        `improvements` tells of each full epoch whether it raised the dev score.
        """
        share = SCHEDULES[self.schedule](
            done=done,
            improvements=improvements,
            epochs=self.epochs,
            base_lr_epochs=self.base_lr_epochs,
        )
        return share * warm_up(done=done, warm_up_epochs=self.warm_up_epochs)
