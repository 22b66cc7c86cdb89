"""Typed readers of environment variables, for the settings.

Each reader returns its default if the variable is unset or blank. It raises ImproperlyConfigured,
naming the variable and its value, if the value is not valid.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = ("1", "true", "yes", "on")
FALSE = ("0", "false", "no", "off")


def read_bool(name: str, *, default: bool) -> bool:
    """Read a boolean: 1, true, yes or on; 0, false, no or off; in any case."""
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    if value.lower() not in TRUE + FALSE:
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")
    return value.lower() in TRUE


def read_int(
    name: str, *, default: int, minimum: int | None = None, maximum: int | None = None
) -> int:
    """Read an integer from `minimum` to `maximum`, both included."""
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    try:
        number = int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from error
    if minimum is not None and number < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {number}.")
    if maximum is not None and number > maximum:
        raise ImproperlyConfigured(f"{name} must be at most {maximum}, not {number}.")
    return number


def read_choice(name: str, *, default: str, choices: Sequence[str]) -> str:
    """Read one of the upper-case choices, written in any case."""
    value = os.environ.get(name, "").strip().upper()
    if not value:
        return default
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return value


def read_list(name: str, *, default: Sequence[str] = ()) -> list[str]:
    """Read comma-separated values, ignoring spaces around them and empty ones."""
    value = os.environ.get(name, "").strip()
    if not value:
        return list(default)
    return [part.strip() for part in value.split(",") if part.strip()]


def read_path(name: str, *, default: Path) -> Path:
    """Read a path as absolute, resolving `~` and the current directory."""
    value = os.environ.get(name, "").strip()
    return Path(value).expanduser().absolute() if value else default


def read_secret_key(name: str, *, file: Path) -> str:
    """Read the secret key from the variable, or from `file`, which is created on first use.

    Newcomers need not set a key, and sessions survive a restart.

    Raises:
        ImproperlyConfigured: The file cannot be created or read, or is empty.
    """
    if value := os.environ.get(name, "").strip():
        return value
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_key_file(name, file)
    except OSError as error:
        raise ImproperlyConfigured(
            f"Cannot write a secret key to {file} ({error.strerror}). "
            f"Set {name} to a long random text instead."
        ) from error
    key = secrets.token_urlsafe(50)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(key + "\n")
    return key


def _read_key_file(name: str, file: Path) -> str:
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(
            f"Cannot read the secret key in {file} ({error}). Remove the file, or set {name}."
        ) from error
    if not key:
        raise ImproperlyConfigured(f"The secret key file {file} is empty. Remove it or set {name}.")
    return key
