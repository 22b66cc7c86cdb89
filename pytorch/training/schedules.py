"""Learning rates over a training, as a share of the full rate.

A schedule is a function of how far teacher forcing has come and of the dev scores so far; it keeps
no state of its own, so that a resumed run has the same rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Schedule = Callable[..., float]


def constant(**_: object) -> float:
    """The full rate throughout."""
    return 1.0


def halving(*, done: float, base_lr_epochs: int, **_: object) -> float:
    """The full rate for `base_lr_epochs`, then half of it, halved again every second epoch.

    `done` counts the epochs of teacher forcing that have been run, with fractions.
    """
    return 0.5 ** max(0, math.floor((math.floor(done) - base_lr_epochs) / 2) + 1)


def cosine(*, done: float, epochs: int, **_: object) -> float:
    """Half a cosine from the full rate to zero (Loshchilov and Hutter, "SGDR", 2017)."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done / epochs)))


def plateau(*, improvements: Sequence[bool], **_: object) -> float:
    """Halve after each epoch without a better dev score; `improvements` has one entry an epoch."""
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
