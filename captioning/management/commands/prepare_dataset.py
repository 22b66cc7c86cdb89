"""`python manage.py prepare_dataset NAME`: download, verify and unpack a data set."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from pytorch.data.datasets import DatasetError, load_dataset
from pytorch.data.downloads import DownloadError, download
from pytorch.data.published_archives import PUBLICATIONS
from pytorch.data.unpacking import UnpackError, unpack


class Command(BaseCommand):
    """Download the published archives of a data set and prepare them for training."""

    help = "Download a data set, verify it, and unpack its captions. Images stay in zip files."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("name", choices=list(PUBLICATIONS))
        parser.add_argument(
            "--data-root", type=Path, help="folder to download into (default: data/NAME)"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Download, verify and unpack; archives that are there already are only verified."""
        publication = PUBLICATIONS[options["name"]]
        root = options["data_root"] or settings.BASE_DIR / "data" / options["name"]
        self.stdout.write(publication.terms)
        try:
            for archive in publication.archives:
                self.stdout.write(f"{archive.url} -> {root}")
                path = download(archive, root, progress=sys.stderr.isatty())
                if archive.unpack:
                    unpack(path, root, archive.unpack)
            self.stdout.write(publication.also_needed or self._summary(publication.dataset, root))
        except (DownloadError, UnpackError, DatasetError, OSError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as interrupt:
            raise CommandError(
                "Stopped. Run the command again to continue.", returncode=130
            ) from interrupt

    @staticmethod
    def _summary(name: str, root: Path) -> str:
        splits = load_dataset(name, root).splits
        images = ", ".join(f"{len(examples):,} {split}" for split, examples in splits.items())
        return (
            f"Ready: {images} images. To train on them:\n"
            f"python manage.py train_captioner --dataset {name} --data-root {root}"
        )
