"""The phases of a training: which epochs have which objective, and when a phase ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytorch.training.epoch import EpochResult
from pytorch.training.schedules import constant
from pytorch.training.self_critical import SelfCritical
from pytorch.training.teacher_forcing import TeacherForcing
from pytorch.training.training_config import TrainingConfig


@dataclass(frozen=True)
class Phase:
    """Consecutive epochs with one objective.

    Attributes:
        objective: The class of the objective.
        first_epoch: The number of its first epoch.
        last_epoch: The number of its last one; below `first_epoch` if the phase is empty.
        patience: How many epochs without a better dev score end the phase early.
        base_lr: The decoder's learning rate before the schedule.
        lr_factor: The schedule; see `TrainingConfig.lr_factor`.
        fine_tune_from: The first encoder layer that is trained too, if any.
    """

    objective: type[TeacherForcing | SelfCritical]
    first_epoch: int
    last_epoch: int
    patience: int
    base_lr: float
    lr_factor: Callable[..., float]
    fine_tune_from: str | None = None

    def next_epoch(self, history: Sequence[EpochResult]) -> int | None:
        """The next epoch to run after those in `history`; None when the phase has ended."""
        done = [result for result in history if result.epoch >= self.first_epoch]
        last = done[-1].epoch if done else self.first_epoch - 1
        improved = [result.epoch for result in done if result.improved]
        last_improved = max(improved, default=self.first_epoch - 1)
        if last >= self.last_epoch or last - last_improved >= self.patience:
            return None
        return last + 1


def phases_of(config: TrainingConfig) -> list[Phase]:
    """Teacher forcing, fine-tuning and self-critical training; phases not asked for are empty."""
    frozen_epochs = config.epochs if config.fine_tune_from is None else config.fine_tune_after
    return [
        Phase(
            TeacherForcing,
            first_epoch=1,
            last_epoch=frozen_epochs,
            patience=config.patience,
            base_lr=config.learning_rate,
            lr_factor=config.lr_factor,
        ),
        Phase(
            TeacherForcing,
            first_epoch=frozen_epochs + 1,
            last_epoch=config.epochs,
            patience=config.patience,
            base_lr=config.learning_rate,
            lr_factor=config.lr_factor,
            fine_tune_from=config.fine_tune_from,
        ),
        Phase(
            SelfCritical,
            first_epoch=config.epochs + 1,
            last_epoch=config.epochs + config.self_critical_epochs,
            patience=config.patience,
            base_lr=config.self_critical_learning_rate,
            lr_factor=constant,
        ),
    ]
