"""`python manage.py export_corrections`: corrected pictures as a data set to fine-tune on."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from captioning.library.exports import File
from captioning.library.queries import corrected
from captioning.library.training_set import training_set
from captioning.models import Picture


class Command(BaseCommand):
    """Write corrected pictures as a data set."""

    help = (
        "Write the corrected pictures of the accounts named as a data set in the captions-csv "
        "layout. Ask the people first: the pictures are theirs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add where to write, and whose pictures."""
        parser.add_argument("--output", type=Path, required=True, help="folder to write")
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--account", nargs="+", metavar="NAME", help="accounts that agreed")
        whose.add_argument(
            "--everyone", action="store_true", help="all accounts, and visitors without one"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Write the folder, which must not hold anything yet."""
        output: Path = options["output"]
        pictures = corrected(Picture.objects.all())
        if not options["everyone"]:
            accounts = get_user_model().objects.filter(username__in=options["account"])
            if unknown := set(options["account"]) - {user.get_username() for user in accounts}:
                raise CommandError(f"There is no account {sorted(unknown)[0]!r}.")
            pictures = pictures.filter(owner__account__in=accounts)
        number = pictures.count()
        if not number:
            raise CommandError("None of their pictures is corrected. Nothing is written.")
        try:
            output.mkdir(parents=True, exist_ok=True)
            if any(output.iterdir()):
                raise CommandError(f"{output} is not empty. Name a new folder.")
            for file in training_set(pictures):
                _write(output, file)
        except OSError as error:
            raise CommandError(f"{output} cannot be written to: {error.strerror}.") from error
        self.stdout.write(
            f"{number} corrections written to {output}. Train on them with\n"
            f"python manage.py train_captioner --init-from CHECKPOINT --dataset captions-csv "
            f"--data-root {output}"
        )


def _write(folder: Path, file: File) -> None:
    path, content = file
    target = folder / path
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(content)
