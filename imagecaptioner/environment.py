"""Typed readers of environment variables, for the settings.

Each returns its default where the variable is unset or empty, and raises ImproperlyConfigured with
a sentence that names the variable and its value where it makes no sense.
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
    """Read true or false, in the usual spellings."""
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    if value.lower() not in TRUE + FALSE:
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")
    return value.lower() in TRUE


def read_int(
    name: str, *, default: int, minimum: int | None = None, maximum: int | None = None
) -> int:
    """Read a whole number within the limits."""
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
    """Read one of the choices, in capitals or not."""
    value = os.environ.get(name, "").strip().upper()
    if not value:
        return default
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return value


def read_list(name: str, *, default: Sequence[str] = ()) -> list[str]:
    """Read values separated by commas; spaces around them do not count."""
    value = os.environ.get(name, "").strip()
    if not value:
        return list(default)
    return [part.strip() for part in value.split(",") if part.strip()]


def read_path(name: str, *, default: Path) -> Path:
    """Read a path; a relative one starts at the current directory, `~` at home."""
    value = os.environ.get(name, "").strip()
    return Path(value).expanduser().absolute() if value else default


def read_secret_key(name: str, *, file: Path) -> str:
    """Read the secret key in the variable, else the one kept in `file`, made on first use.

    So a newcomer needs no key, and restarts keep the same one.
    """
    if value := os.environ.get(name, "").strip():
        return value
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _kept_key(name, file)
    except OSError as error:
        raise ImproperlyConfigured(
            f"A secret key could not be kept in {file} ({error.strerror}). "
            f"Set {name} to a long random text instead."
        ) from error
    key = secrets.token_urlsafe(50)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(key + "\n")
    return key


def _kept_key(name: str, file: Path) -> str:
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(
            f"The secret key in {file} cannot be read ({error}). Remove the file, or set {name}."
        ) from error
    if not key:
        raise ImproperlyConfigured(f"{file} holds no secret key. Remove the file, or set {name}.")
    return key
