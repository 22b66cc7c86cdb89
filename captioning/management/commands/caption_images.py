"""`python manage.py caption_images PATH...`: caption image files and folders of them."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from tqdm import tqdm

from captioning import engine
from captioning.caption_data import caption_data
from captioning.describing import AlreadyDescribedError, describe_file
from captioning.metadata import SIDECAR_SUFFIX, MetadataError
from captioning.tags import tag_words
from pytorch.files.photographs import SUFFIXES, PhotographError, open_photograph

if TYPE_CHECKING:
    from pytorch.model.captioner import Caption

BATCH_SIZE = 8
# The options for writing metadata that apply unless others are given.
UNCHANGED = {"keywords": True, "backup": True, "overwrite": False}
DECODING = ("beam_size", "must_say", "must_not_say")

Report = Callable[[Path, str], None]


class Command(BaseCommand):
    """Caption image files, print the captions, and write them into the files if asked to."""

    help = "Caption image files, or all image files in folders, and print one caption for each."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the paths, and options for captioning, printing and writing."""
        parser.add_argument(
            "paths",
            nargs="+",
            type=Path,
            metavar="PATH",
            help="image file, or folder of image files",
        )
        parser.add_argument(
            "--beam-size",
            type=_beam_size,
            metavar="N",
            help="captions that beam search keeps at every word (default: the checkpoint's)",
        )
        parser.add_argument(
            "--must-say",
            action="append",
            metavar="WORD",
            help="word that captions must say, or words joined by |, any of which will do; may be "
            "repeated",
        )
        parser.add_argument(
            "--must-not-say",
            action="append",
            metavar="WORD",
            help="word that captions must not say; may be repeated",
        )
        parser.add_argument(
            "--format",
            choices=list(WRITERS),
            default="text",
            help="format of the output (default: %(default)s)",
        )
        parser.add_argument(
            "--write-metadata",
            action="store_true",
            help="write each caption into its file as the XMP and IPTC description, and add its "
            "tags to the keywords",
        )
        parser.add_argument(
            "--overwrite",
            action="store_true",
            help="with --write-metadata, replace descriptions that files have already",
        )
        parser.add_argument(
            "--no-keywords",
            action="store_false",
            dest="keywords",
            help="with --write-metadata, leave the keywords of the files alone",
        )
        parser.add_argument(
            "--no-backup",
            action="store_false",
            dest="backup",
            help="with --write-metadata, do not keep a copy of each file as FILE.orig",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Print a caption for each file.

        Raises:
            CommandError: A file could not be captioned or written, or there are no files.
        """
        write_metadata = options["write_metadata"]
        changes = {name: options[name] for name in ("keywords", "backup", "overwrite")}
        if not write_metadata and changes != UNCHANGED:
            raise CommandError("--overwrite, --no-keywords and --no-backup need --write-metadata.")
        if isinstance(sys.stdout, io.TextIOWrapper):
            # File names need not be valid UTF-8. Print the same bytes that the file system has.
            sys.stdout.reconfigure(errors="surrogateescape")
        decoding = {name: options[name] for name in DECODING}
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
                captions = caption_files(progress, decoding=decoding, report=report)
                if write_metadata:
                    captions = describe_files(captions, **changes, report=report, note=note)
                WRITERS[options["format"]](captions, output)
        except (engine.EngineError, engine.OptionsError) as error:
            raise CommandError(str(error)) from error
        except BrokenPipeError:
            # The reader, such as `head`, has closed the pipe. Without a stdout that can be flushed,
            # Python would print another error at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        if failures:
            aim = "captioned or written to" if write_metadata else "captioned"
            raise CommandError(f"{failures} of the paths could not be {aim}; see above.")
        if not files:
            raise CommandError(
                f"No image files found. Their names must end in {', '.join(sorted(SUFFIXES))}."
            )


def find_photographs(paths: Sequence[Path], report: Report) -> list[Path]:
    """List files and the image files in folders.

    Args:
        paths: Files, which are listed whatever their name, and folders, which are searched with all
            folders in them for names with the suffix of an image format. Hidden files and folders
            are left out.
        report: Called with each path that does not exist or cannot be read.

    Returns:
        The files in the order of `paths`; those of a folder are sorted.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += _in_folder(path, report)
        elif path.exists():
            files.append(path)
        else:
            report(path, "No such file or folder.")
    return files


def caption_files(
    files: Iterable[Path], *, decoding: Mapping[str, Any], report: Report
) -> Iterator[tuple[Path, Caption]]:
    """Caption files in batches, and `report` each that cannot be read.

    Args:
        files: The files.
        decoding: Options for `engine.decoding`.
        report: Called with each file that cannot be read, and why.

    Raises:
        EngineError: No caption can be made.
        OptionsError: The model cannot caption with these options.
    """
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
            [photograph for _, photograph in opened], engine.decoding(**decoding)
        )
        for (path, _), caption in zip(opened, captions, strict=True):
            yield path, caption


def describe_files(
    captions: Iterable[tuple[Path, Caption]],
    *,
    keywords: bool,
    backup: bool,
    overwrite: bool,
    report: Report,
    note: Report,
) -> Iterator[tuple[Path, Caption]]:
    """Write each caption into its file or a sidecar, and pass it on.

    Args:
        captions: Files with their captions.
        keywords: Whether to add the tags to the keywords of each file.
        backup: Whether to keep a copy of each file.
        overwrite: Whether to replace descriptions that files have already.
        report: Called with each file that cannot be written, and why.
        note: Called with each file that keeps its description or gets a sidecar.
    """
    for path, caption in captions:
        words = tag_words(caption_data(caption)) if keywords else []
        try:
            written = describe_file(
                path, caption.sentence, words, backup=backup, overwrite=overwrite
            )
            if written.suffix == SIDECAR_SUFFIX:
                note(path, f"Its format cannot hold a description, so {written.name} does.")
        except AlreadyDescribedError:
            note(path, "It has a description already. Add --overwrite to replace it.")
        except (MetadataError, PhotographError) as error:
            report(path, str(error))
        except OSError as error:
            report(path, f"It cannot be written: {error.strerror}.")
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
    """Writes to a stream without delay, above the progress bar if there is one."""

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
    writer.writerow(["path", "caption", "confidence", "tags"])
    for path, caption in captions:
        tags = ", ".join(tag_words(caption_data(caption)))
        writer.writerow([path, caption.sentence, caption.confidence, tags])


def _write_json(captions: Iterable[tuple[Path, Caption]], output: _AboveProgressBar) -> None:
    separator = "[\n"
    for path, caption in captions:
        row = {
            "path": str(path),
            "caption": caption.sentence,
            "probability": caption.probability,
            "confidence": caption.confidence,
            "tags": caption_data(caption)["tags"],
        }
        output.write(separator + json.dumps(row))
        separator = ",\n"
    output.write("\n]\n" if separator == ",\n" else "[]\n")


WRITERS = {"text": _write_text, "csv": _write_csv, "json": _write_json}
