"""Options: the fields of configurations, with the help texts that commands show."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def option(default: T, help_text: str, *, choices: Iterable[str] = ()) -> T:
    """Declare a dataclass field that is an option.

    Args:
        default: The field's default.
        help_text: What the option does, as commands show it.
        choices: The values allowed; any value of the field's type if empty.
    """
    return field(default=default, metadata={"help": help_text, "choices": tuple(choices)})


@dataclass(frozen=True)
class Option:
    """One option of a configuration.

    Attributes:
        name: The field's name.
        kind: The type of its values, apart from None; of each, if it has several.
        default: Its default.
        help: What it does.
        choices: The values allowed; any value of `kind` if empty.
        is_tuple: Whether it has several values, as a tuple.
    """

    name: str
    kind: type
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    is_tuple: bool = False

    @property
    def flag(self) -> str:
        """The option as written on a command line."""
        return f"--{self.name.replace('_', '-')}"

    def checked(self, value: Any) -> Any:
        """A value from a file or a command line, converted to `kind` where that loses nothing.

        Raises:
            ValueError: The value is of another type.
        """
        if not self.is_tuple:
            return self._checked(value)
        if not isinstance(value, list | tuple):
            raise ValueError(f"{self.name} must be a list, not {value!r}.")
        return tuple(self._checked(each) for each in value)

    def _checked(self, value: Any) -> Any:
        if self.kind is Path and isinstance(value, str):
            return Path(value)
        if self.kind is float and type(value) is int:
            return float(value)
        if not isinstance(value, self.kind) or (self.kind is int and isinstance(value, bool)):
            raise ValueError(f"{self.name} must be of type {self.kind.__name__}, not {value!r}.")
        return value


def options_of(config: type) -> tuple[Option, ...]:
    """The options of a configuration, a dataclass whose fields `option` declares."""
    kinds = typing.get_type_hints(config)
    return tuple(
        Option(
            name=entry.name,
            kind=_kind(kinds[entry.name]),
            default=entry.default,
            help=entry.metadata["help"],
            choices=entry.metadata["choices"],
            is_tuple=typing.get_origin(kinds[entry.name]) is tuple,
        )
        for entry in dataclasses.fields(config)
    )


def _kind(annotation: Any) -> type:
    """The type in `type`, `type | None` or `tuple[type, ...]`."""
    if isinstance(annotation, types.UnionType):
        [annotation] = (part for part in typing.get_args(annotation) if part is not types.NoneType)
    if typing.get_origin(annotation) is tuple:
        annotation, _ = typing.get_args(annotation)
    plain: type = annotation
    return plain
