"""Learning rate schedules, as factors of the base learning rate.

A schedule is a function of the epochs done and of the dev scores so far. It keeps no state, so a
resumed run has the same learning rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Schedule = Callable[..., float]


def constant(**_: object) -> float:
    """The base rate throughout."""
    return 1.0


def halving(*, done: float, base_lr_epochs: int, **_: object) -> float:
    """The base rate for `base_lr_epochs`, then half of it, halved again every second epoch.

    Args:
        done: Epochs of teacher forcing done, with fractions.
        base_lr_epochs: Epochs at the base rate.
    """
    return 0.5 ** max(0, math.floor((math.floor(done) - base_lr_epochs) / 2) + 1)


def cosine(*, done: float, epochs: int, **_: object) -> float:
    """Half a cosine from the base rate to zero (Loshchilov and Hutter, "SGDR", 2017)."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done / epochs)))


def plateau(*, improvements: Sequence[bool], **_: object) -> float:
    """Halve after each epoch without a better dev score.

    Args:
        improvements: Whether each epoch so far improved the dev score.
    """
    return 0.5 ** sum(not improved for improved in improvements)


SCHEDULES: dict[str, Schedule] = {
    "constant": constant,
    "halving": halving,
    "cosine": cosine,
    "plateau": plateau,
}


def warm_up(*, done: float, warm_up_epochs: float) -> float:
    """A factor that rises from zero to one over the first `warm_up_epochs`."""
    return 1.0 if done >= warm_up_epochs else done / warm_up_epochs
