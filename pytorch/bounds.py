"""Checks of numbers in configurations, by the names of their fields.

Each raises ValueError for the first field out of bounds, and for one that is not a number.
"""

from __future__ import annotations


def check_at_least(config: object, bound: int, *names: str) -> None:
    """Refuse values below `bound`."""
    for name in names:
        value = getattr(config, name)
        if not value >= bound:
            raise ValueError(f"{name} must be at least {bound}, not {value}.")


def check_positive(config: object, *names: str) -> None:
    """Refuse zero and values below it."""
    for name in names:
        value = getattr(config, name)
        if not value > 0:
            raise ValueError(f"{name} must be above 0, not {value}.")


def check_shares(config: object, *names: str) -> None:
    """Refuse values below zero, and one and values above it."""
    for name in names:
        value = getattr(config, name)
        if not 0 <= value < 1:
            raise ValueError(f"{name} must be at least 0 and below 1, not {value}.")
