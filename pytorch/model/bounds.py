"""Checks of numbers in configurations, by the names of their fields.

Each raises ValueError for the first field out of bounds, and for one that is not a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable


def check_at_least(config: object, bound: int, *names: str) -> None:
    """Refuse values below `bound`."""
    _check(config, names, f"at least {bound}", lambda value: value >= bound)


def check_positive(config: object, *names: str) -> None:
    """Refuse zero and values below it."""
    _check(config, names, "above 0", lambda value: value > 0)


def check_fractions(config: object, *names: str) -> None:
    """Refuse values below zero, and one and values above it."""
    _check(config, names, "at least 0 and below 1", lambda value: 0 <= value < 1)


def _check(config: object, names: Iterable[str], rule: str, holds: Callable[[float], bool]) -> None:
    for name in names:
        value = getattr(config, name)
        if not holds(value):
            raise ValueError(f"{name} must be {rule}, not {value}.")
