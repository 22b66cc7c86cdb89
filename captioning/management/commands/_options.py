"""Options of configurations, on a command line."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction, _ArgumentGroup
from typing import Any

from pytorch.model.options import Option


def add_option(parser: ArgumentParser | _ArgumentGroup, option: Option, default: Any) -> None:
    """Add an option; without it the command gets None.

    Args:
        parser: The command's parser, or a group of its options.
        option: The option.
        default: What its help calls the default; nothing if None or empty.
    """
    shown = "" if default in (None, ()) else f" (default: {default})"
    keywords: dict[str, Any] = {"help": f"{option.help}{shown}"}
    if option.kind is bool:
        keywords["action"] = BooleanOptionalAction
    else:
        keywords["type"] = option.kind
        keywords["choices"] = option.choices or None
    if option.is_tuple:
        keywords["action"] = "append"
        keywords["help"] += "; may be repeated"
    parser.add_argument(option.flag, **keywords)
