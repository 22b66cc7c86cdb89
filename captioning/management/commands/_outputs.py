"""Checks of the files that commands are to write, before any work is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError


def check_outputs(options: dict[str, Any], *names: str) -> None:
    """Refuse options of these names whose file could not be written, or is another one's too."""
    seen: dict[Path, str] = {}
    for name in names:
        path, flag = options[name], f"--{name.replace('_', '-')}"
        if path is None:
            continue
        if path.is_dir() or not path.parent.is_dir():
            raise CommandError(
                f"{flag} {path} cannot be written: it must be a file in a folder that exists."
            )
        if (other := seen.setdefault(path.resolve(), flag)) != flag:
            raise CommandError(f"{other} and {flag} name the same file, {path}.")
