"""Options of a configuration, each with its help text beside its field."""

from __future__ import annotations

from dataclasses import field
from typing import TypeVar

T = TypeVar("T")


def option(default: T, help_text: str) -> T:
    """Declare a dataclass field with a default and the help text that commands show.

    The text is the field's `metadata["help"]`.
    """
    return field(default=default, metadata={"help": help_text})
