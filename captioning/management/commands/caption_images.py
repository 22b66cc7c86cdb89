"""`python manage.py caption_images PATH...`: captions for files and folders, from the shell."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from tqdm import tqdm

from captioning import engine
from captioning.describing import AlreadyDescribedError, describe_file
from captioning.metadata import SIDECAR_SUFFIX, MetadataError
from pytorch.files.photographs import SUFFIXES, PhotographError, open_photograph

if TYPE_CHECKING:
    from pytorch.model.captioner import Caption

BATCH_SIZE = 8

Report = Callable[[Path, str], None]


class Command(BaseCommand):
    """Caption image files and print the captions."""

    help = "Caption image files, and those in folders, and print one caption for each."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add what to caption and how to print it."""
        parser.add_argument(
            "paths", nargs="+", type=Path, metavar="PATH", help="image file, or folder of them"
        )
        parser.add_argument(
            "--beam-size",
            type=_beam_size,
            metavar="N",
            help="captions that the search keeps at every word (default: the checkpoint's)",
        )
        parser.add_argument(
            "--format", choices=list(WRITERS), default="text", help="default: %(default)s"
        )
        parser.add_argument(
            "--write-metadata",
            action="store_true",
            help="write each caption into its file, as the XMP and IPTC description",
        )
        parser.add_argument(
            "--overwrite",
            action="store_true",
            help="do so in files that have a description already",
        )
        parser.add_argument(
            "--no-backup",
            action="store_false",
            dest="backup",
            help="do not keep the files as they were, as FILE.orig",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Print a caption for each file; exits with 1 where one could not be captioned.

        So it does where one could not be written to.
        """
        write_metadata, overwrite = options["write_metadata"], options["overwrite"]
        if not write_metadata and (overwrite or not options["backup"]):
            raise CommandError("--overwrite and --no-backup are about --write-metadata; add it.")
        if isinstance(sys.stdout, io.TextIOWrapper):
            # File names need not be text: they leave as the bytes that they came as.
            sys.stdout.reconfigure(errors="surrogateescape")
        output, errors = _AboveProgressBar(self.stdout), _AboveProgressBar(self.stderr)
        failures = 0

        def note(path: Path, remark: str) -> None:
            errors.write(f"{path}: {remark}\n")

        def report(path: Path, reason: str) -> None:
            nonlocal failures
            failures += 1
            note(path, reason)

        try:
            files = find_photographs(options["paths"], report)
            with tqdm(files, unit="photo", leave=False, disable=None) as progress:
                captions = caption_files(progress, beam_size=options["beam_size"], report=report)
                if write_metadata:
                    captions = describe_files(
                        captions,
                        backup=options["backup"],
                        overwrite=overwrite,
                        report=report,
                        note=note,
                    )
                WRITERS[options["format"]](captions, output)
        except engine.EngineError as error:
            raise CommandError(str(error)) from error
        except BrokenPipeError:
            # The reader, such as `head`, has seen enough. Python would complain once more when it
            # flushes stdout at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        if failures:
            aim = "captioned or written to" if write_metadata else "captioned"
            raise CommandError(f"{failures} of the paths could not be {aim}; see above.")
        if not files:
            raise CommandError(f"No pictures found; looked for {', '.join(sorted(SUFFIXES))}.")


def find_photographs(paths: Sequence[Path], report: Report) -> list[Path]:
    """List the files among the paths, and the picture files in the folders among them.

    Files in folders are known by their suffix and come sorted; hidden ones are left out. What does
    not exist or cannot be entered goes to `report`.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += _in_folder(path, report)
        elif path.exists():
            files.append(path)
        else:
            report(path, "There is no such file or folder.")
    return files


def caption_files(
    files: Iterable[Path], *, beam_size: int | None, report: Report
) -> Iterator[tuple[Path, Caption]]:
    """Caption files batch by batch; those that cannot be read go to `report`, with the reason."""
    remaining = iter(files)
    while batch := list(islice(remaining, BATCH_SIZE)):
        opened = []
        for path in batch:
            try:
                with path.open("rb") as file:
                    opened.append((path, open_photograph(file)))
            except PhotographError as error:
                report(path, error.message)
            except OSError as error:
                report(path, f"{error.strerror}.")
        captions = engine.caption_photographs(
            [photograph for _, photograph in opened], engine.decoding(beam_size=beam_size)
        )
        for (path, _), caption in zip(opened, captions, strict=True):
            yield path, caption


def describe_files(
    captions: Iterable[tuple[Path, Caption]],
    *,
    backup: bool,
    overwrite: bool,
    report: Report,
    note: Report,
) -> Iterator[tuple[Path, Caption]]:
    """Write each caption into its file, or a sidecar, and pass it on.

    Files that cannot be written to go to `report`; those that are left alone, because they have a
    description, and those that cannot hold one, go to `note`.
    """
    for path, caption in captions:
        try:
            written = describe_file(path, caption.sentence, backup=backup, overwrite=overwrite)
            if written.suffix == SIDECAR_SUFFIX:
                note(path, f"A file of its format holds no description; {written.name} does.")
        except AlreadyDescribedError:
            note(path, "It has a description, which stays. --overwrite replaces it.")
        except (MetadataError, PhotographError) as error:
            report(path, str(error))
        except OSError as error:
            report(path, f"It cannot be written to: {error.strerror}.")
        yield path, caption


def _in_folder(folder: Path, report: Report) -> Iterator[Path]:
    def report_folder(error: OSError) -> None:
        report(Path(error.filename), f"{error.strerror}.")

    for root, folders, names in os.walk(folder, onerror=report_folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(root, name)
            if not name.startswith(".") and path.suffix.lower() in SUFFIXES:
                yield path


def _beam_size(text: str) -> int:
    try:
        beam_size = int(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a whole number") from error
    if beam_size < 1:
        raise ArgumentTypeError(f"it must be at least 1, not {beam_size}")
    return beam_size


class _AboveProgressBar:
    """Writes to a stream at once, above the progress bar if there is one."""

    def __init__(self, stream: OutputWrapper) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        with tqdm.external_write_mode(file=sys.stderr):
            self.stream.write(text, ending="")
            self.stream.flush()


def _write_text(captions: Iterable[tuple[Path, Caption]], output: _AboveProgressBar) -> None:
    for path, caption in captions:
        output.write(f"{path}\t{caption.sentence}\n")


def _write_csv(captions: Iterable[tuple[Path, Caption]], output: _AboveProgressBar) -> None:
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(["path", "caption"])
    for path, caption in captions:
        writer.writerow([path, caption.sentence])


def _write_json(captions: Iterable[tuple[Path, Caption]], output: _AboveProgressBar) -> None:
    separator = "[\n"
    for path, caption in captions:
        row = {
            "path": str(path),
            "caption": caption.sentence,
            "probability": caption.probability,
        }
        output.write(separator + json.dumps(row))
        separator = ",\n"
    output.write("\n]\n" if separator == ",\n" else "[]\n")


WRITERS = {"text": _write_text, "csv": _write_csv, "json": _write_json}
