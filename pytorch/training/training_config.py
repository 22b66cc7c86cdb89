"""The options of training: how long, how fast, and what is minimised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytorch.model.bounds import check_at_least, check_fractions, check_positive
from pytorch.model.options import option
from pytorch.training.schedules import SCHEDULES, warm_up

# Options of a phase, and the option without which there is no such phase.
NEEDED = {
    "fine_tune_after": "fine_tune_from",
    "fine_tune_learning_rate": "fine_tune_from",
    "self_critical_learning_rate": "self_critical_epochs",
    "self_critical_samples": "self_critical_epochs",
}


@dataclass(frozen=True)
class TrainingConfig:
    """Options of training.

    There are up to three phases:

    1. Teacher forcing with a frozen encoder, for all `epochs`, or for `fine_tune_after` of them
       with `fine_tune_from`.
    2. Teacher forcing with fine-tuning, for the remaining `epochs`. The encoder has a learning
       rate of its own, which follows the same schedule.
    3. Self-critical training, for `self_critical_epochs` at a constant learning rate.

    Each phase starts from the best weights so far, and ends early after `patience` epochs without
    a better dev score.

    Raises:
        ValueError: A number is out of range, there is no such schedule, or an option belongs to a
            phase that is not asked for.
    """

    epochs: int = option(15, "epochs of teacher forcing, at most")
    batch_size: int = option(64, "captions in a batch, or images in self-critical training")
    flip: bool = option(False, "train on the mirror images too")
    learning_rate: float = option(1e-3, "the decoder's learning rate in teacher forcing")
    schedule: str = option("halving", "how the learning rate falls", choices=SCHEDULES)
    base_lr_epochs: int = option(5, "epochs before the halving schedule starts to halve")
    warm_up_epochs: float = option(0.0, "epochs over which the learning rate rises from zero")
    accumulation_steps: int = option(1, "batches whose gradients make one step of the optimizer")
    mixed_precision: bool = option(
        False, "compute in half precision, on a GPU or a processor that can (AMX, AVX-512 BF16)"
    )
    weight_decay: float = option(0.01, "weight decay of AdamW")
    label_smoothing: float = option(0.05, "probability spread evenly over all words")
    max_grad_norm: float = option(5.0, "clip gradients to this norm")
    attention_penalty: float = option(0.01, "weight of the doubly stochastic attention term")
    ema_decay: float = option(
        0.998, "decay of the moving average of the weights; 0 turns averaging off"
    )
    fine_tune_from: str | None = option(None, "first layer of the encoder to fine-tune")
    fine_tune_after: int = option(5, "epochs before fine-tuning starts")
    fine_tune_learning_rate: float = option(1e-5, "the encoder's learning rate in fine-tuning")
    self_critical_epochs: int = option(0, "epochs of self-critical training, at most")
    self_critical_learning_rate: float = option(3e-5, "learning rate of self-critical training")
    self_critical_samples: int = option(4, "captions sampled per image in self-critical training")
    patience: int = option(3, "epochs without a better dev score after which a phase ends")
    seed: int = option(1, "seed of the initial weights, the batch order, dropout and sampling")

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
        for name, needed in NEEDED.items():
            is_default = getattr(self, name) == getattr(TrainingConfig, name)
            if not is_default and not getattr(self, needed):
                raise ValueError(f"{name} has no effect without {needed}. Give both or neither.")
        if self.schedule not in SCHEDULES:
            raise ValueError(
                f"There is no schedule {self.schedule!r}; choose one of {', '.join(SCHEDULES)}."
            )

    def lr_factor(self, *, done: float, improvements: Sequence[bool]) -> float:
        """The factor of the learning rates in teacher forcing.

        Args:
            done: Epochs of teacher forcing done, with fractions.
            improvements: Whether each full epoch so far improved the dev score.
        """
        factor = SCHEDULES[self.schedule](
            done=done,
            improvements=improvements,
            epochs=self.epochs,
            base_lr_epochs=self.base_lr_epochs,
        )
        return factor * warm_up(done=done, warm_up_epochs=self.warm_up_epochs)
