"""Checks of a command's output files before it starts to work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError


def check_outputs(options: dict[str, Any], *names: str) -> None:
    """Refuse output files that cannot be written, or that two options share.

    Args:
        options: The command's options.
        names: The names of those that are output files; None stands for no file.

    Raises:
        CommandError: One of them is refused.
    """
    seen: dict[Path, str] = {}
    for name in names:
        path, flag = options[name], f"--{name.replace('_', '-')}"
        if path is None:
            continue
        if (path.exists() and not path.is_file()) or not path.parent.is_dir():
            raise CommandError(
                f"{flag} {path} cannot be written: name a file in a folder that exists."
            )
        if (other := seen.setdefault(path.resolve(), flag)) != flag:
            raise CommandError(f"{other} and {flag} name the same file, {path}.")
