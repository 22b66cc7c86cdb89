"""`python manage.py export_corrections`: corrected pictures as a data set for fine-tuning."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from captioning.library.exports import File
from captioning.library.queries import corrected
from captioning.library.training_set import training_set
from captioning.models import Picture
from pytorch.files.atomic import new_folder


class Command(BaseCommand):
    """Export corrected pictures as a data set."""

    help = (
        "Export corrected pictures as a data set in the captions-csv format. "
        "The pictures belong to their owners: ask them first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the output folder, and the accounts."""
        parser.add_argument(
            "--output", type=Path, required=True, help="new folder for the data set"
        )
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--account", nargs="+", metavar="NAME", help="accounts that have agreed")
        whose.add_argument(
            "--everyone", action="store_true", help="all accounts, and visitors without an account"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Write the data set.

        Raises:
            CommandError: There is no such account, no correction, or no way to write there.
        """
        output: Path = options["output"]
        pictures = _corrected_pictures(None if options["everyone"] else options["account"])
        number = pictures.count()
        if not number:
            raise CommandError("They have corrected no pictures, so nothing is written.")
        try:
            if output.exists() and any(output.iterdir()):
                raise CommandError(f"{output} is not empty. Name a new folder.")
            _write(output.resolve(), training_set(pictures))
        except OSError as error:
            raise CommandError(
                f"{output} cannot be written: {error.strerror}: {error.filename}."
            ) from error
        self.stdout.write(
            f"{number} corrections written to {output}. Train on them with\n"
            f"python manage.py train_captioner --init-from CHECKPOINT --dataset captions-csv "
            f"--data-root {output}"
        )


def _corrected_pictures(names: Collection[str] | None) -> QuerySet[Picture]:
    """Find the corrected pictures of these accounts; None means everybody. Raises CommandError."""
    pictures = corrected(Picture.objects.all())
    if names is None:
        return pictures
    accounts = get_user_model().objects.filter(username__in=names)
    if unknown := set(names) - {account.get_username() for account in accounts}:
        raise CommandError(f"There is no account {sorted(unknown)[0]!r}.")
    return pictures.filter(owner__account__in=accounts)


def _write(output: Path, files: Iterable[File]) -> None:
    """Write the files into a new folder, which appears only when all of them are written."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(output) as folder:
        for path, content in files:
            target = folder / path
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content)
