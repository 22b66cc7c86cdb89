"""Checks of the numbers in configurations.

Each check takes a configuration and the names of fields, and raises ValueError, naming the field,
for the first value that is out of range, infinite or not a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable


def check_at_least(config: object, bound: int, *names: str) -> None:
    """Refuse values below `bound`."""
    _check(config, names, f"at least {bound}", lambda value: value >= bound)


def check_positive(config: object, *names: str) -> None:
    """Refuse zero and negative values."""
    _check(config, names, "above 0", lambda value: value > 0)


def check_fractions(config: object, *names: str) -> None:
    """Refuse negative values, and values of 1 or more."""
    _check(config, names, "at least 0 and below 1", lambda value: 0 <= value < 1)


def _check(config: object, names: Iterable[str], rule: str, holds: Callable[[float], bool]) -> None:
    for name in names:
        value = getattr(config, name)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number, not {value}.")
        if not holds(value):
            raise ValueError(f"{name} must be {rule}, not {value}.")
