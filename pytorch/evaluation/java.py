"""Finds the Java programs of metrics, which come with the package pycocoevalcap."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "pycocoevalcap"


class JavaMetricError(Exception):
    """A metric's Java program is missing or failed; the message says why in one sentence."""


def find_java() -> str:
    """Return the path of the `java` command.

    Raises:
        JavaMetricError: There is none.
    """
    java = shutil.which("java")
    if java is None:
        raise JavaMetricError("it needs Java, and there is no `java` command.")
    return java


def find_program(folder: str, jar: str) -> Path:
    """Return the full path of a folder of the installed pycocoevalcap that holds a program.

    Args:
        folder: The folder's name within the package.
        jar: The program's file name within the folder.

    Raises:
        JavaMetricError: The package or the program is missing.
    """
    package = find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise JavaMetricError(f"it needs the package {PACKAGE}, which is not installed.")
    path = Path(package.submodule_search_locations[0], folder)
    if not (path / jar).is_file():
        raise JavaMetricError(f"it needs {jar}, which the installed {PACKAGE} lacks.")
    return path


def program_failed(error_output: bytes, otherwise: str = "it gave no reason") -> JavaMetricError:
    """Make the error for a failed program.

    Args:
        error_output: What it wrote to stderr; the message quotes the first line.
        otherwise: The reason to give if it wrote nothing.
    """
    lines = error_output.decode(errors="replace").strip().splitlines()
    reasons = (line for line in lines if "Picked up " not in line)  # options from the environment
    return JavaMetricError(f"its Java program failed ({next(reasons, otherwise)}).")


def unreadable_scores() -> JavaMetricError:
    """Make the error for a program whose output is not the scores it should be."""
    return JavaMetricError("its Java program wrote no scores that can be read.")
