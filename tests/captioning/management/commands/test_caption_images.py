import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from captioning import engine
from captioning.metadata import described, description_of, keywords_of, xmp
from tests.photographs import photographs

ROOT = Path(__file__).resolve().parents[4]
NAMES = ["astronaut.jpg", "chelsea.png", "coffee.webp", "rocket.tiff"]


@pytest.fixture
def folder(tmp_path):
    """A folder of four photographs, one of them in a folder of its own, and other files."""
    (tmp_path / "deeper").mkdir()
    for name, photograph in zip(NAMES, photographs(), strict=True):
        photograph.resize((64, 48)).save(tmp_path / name, quality=95)
    (tmp_path / "rocket.tiff").rename(tmp_path / "deeper" / "rocket.TIFF")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.jpg").write_bytes(b"no picture")
    return tmp_path


@pytest.fixture
def in_folder(folder):
    """The photographs of the folder in the order that they come."""
    return [folder / name for name in [*NAMES[:3], "deeper/rocket.TIFF"]]


def run(*arguments):
    """Output, errors and the message that the command failed with."""
    output, errors, failure = io.StringIO(), io.StringIO(), None
    try:
        call_command("caption_images", *map(str, arguments), stdout=output, stderr=errors)
    except CommandError as error:
        failure = str(error)
    return output.getvalue(), errors.getvalue(), failure


def process(*arguments, **options):
    """The command in a process of its own."""
    environment = os.environ | {"CAPTIONER_CHECKPOINT": str(options.pop("checkpoint"))}
    command = [sys.executable, "manage.py", "caption_images", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, **options)


def test_a_file_gets_its_path_and_caption(folder):
    path = folder / "coffee.webp"
    output, errors, failure = run(path)
    assert re.fullmatch(rf"{path}\t[A-Z].*\.\n", output)
    assert (errors, failure) == ("", None)


def test_a_folder_is_searched_through_in_order(folder, in_folder):
    output, errors, failure = run(folder)
    assert [line.split("\t")[0] for line in output.splitlines()] == list(map(str, in_folder))
    assert (errors, failure) == ("", None)


def test_a_caption_does_not_depend_on_the_batch(folder, in_folder):
    together, _, _ = run(folder)
    assert together == "".join(run(path)[0] for path in in_folder)


def test_more_files_than_a_batch_are_captioned(folder):
    output, _, _ = run(*[folder / "coffee.webp"] * 19)
    assert len(output.splitlines()) == 19


def test_a_named_file_is_tried_whatever_its_suffix(folder):
    odd = (folder / "coffee.webp").rename(folder / "coffee.dat")
    assert run(odd)[0].startswith(f"{odd}\t")


def test_an_unreadable_file_is_reported_and_the_rest_are_captioned(folder):
    (folder / "broken.jpg").write_bytes(b"no picture")
    output, errors, failure = run(folder)
    assert len(output.splitlines()) == 4
    assert errors.startswith(f"{folder / 'broken.jpg'}: This file is not a picture")
    assert failure.startswith("1 of the paths could not be captioned")


def test_a_file_that_may_not_be_opened_is_reported(folder):
    (folder / "coffee.webp").unlink()
    (folder / "coffee.webp").symlink_to(folder / "nowhere")
    output, errors, failure = run(folder)
    assert len(output.splitlines()) == 3
    assert errors == f"{folder / 'coffee.webp'}: No such file or directory.\n"
    assert failure is not None


def test_a_missing_path_is_reported_and_the_rest_are_captioned(folder):
    output, errors, failure = run(folder / "absent", folder / "coffee.webp")
    assert len(output.splitlines()) == 1
    assert errors == f"{folder / 'absent'}: No such file or folder.\n"
    assert failure.startswith("1 of the paths could not be captioned")


def test_no_picture_at_all_is_an_error(tmp_path):
    assert run(tmp_path)[2].startswith(
        "No image files found. Their names must end in .avif, .bmp, .gif"
    )


def test_csv_has_a_header_and_quotes_what_needs_it(folder):
    path = (folder / "coffee.webp").rename(folder / 'cup, "red".webp')
    output, _, _ = run(path, "--format", "csv")
    header, row = csv.reader(io.StringIO(output))
    assert header == ["path", "caption", "confidence", "tags"]
    assert row[0] == str(path)
    assert row[1].endswith(".")
    assert row[2:] == ["", ""]


def test_csv_has_the_confidence_and_the_tags(folder, tagging):
    tagging(0.8, cup=0.9, spoon=0.5)
    output, _, _ = run(folder / "coffee.webp", "--format", "csv")
    [row] = csv.DictReader(io.StringIO(output))
    assert (row["confidence"], row["tags"]) == ("0.8", "cup, spoon")


def test_json_has_the_confidence_and_the_tags_with_their_scores(folder, tagging):
    tagging(0.8, cup=0.9)
    [row] = json.loads(run(folder / "coffee.webp", "--format", "json")[0])
    assert row["confidence"] == 0.8
    assert row["tags"] == [{"word": "cup", "score": 0.9}]


def test_json_is_a_list_with_probabilities(folder, in_folder):
    rows = json.loads(run(folder, "--format", "json")[0])
    assert [row["path"] for row in rows] == list(map(str, in_folder))
    assert all(row["caption"].endswith(".") and 0 < row["probability"] <= 1 for row in rows)


def test_json_of_nothing_is_an_empty_list(tmp_path):
    assert json.loads(run(tmp_path, "--format", "json")[0]) == []


def test_the_beam_size_reaches_the_engine(folder, monkeypatch):
    sizes, caption = [], engine.caption_photographs

    def record(images, decoding):
        sizes.append(decoding.beam_size)
        return caption(images, decoding)

    monkeypatch.setattr(engine, "caption_photographs", record)
    run(folder / "coffee.webp", "--beam-size", "5")
    run(folder / "coffee.webp")
    assert sizes == [5, engine.get_captioner().decoding.beam_size]


@pytest.mark.parametrize(
    ("beam_size", "message"),
    [("0", "must be at least 1, not 0"), ("-3", "not -3"), ("x", "'x' is not a whole number")],
)
def test_a_bad_beam_size_is_refused(folder, beam_size, message):
    assert message in run(folder, f"--beam-size={beam_size}")[2]


def test_captions_say_the_words_they_must_and_none_that_they_must_not(folder):
    words = ("--must-say", "snow", "--must-say", "dog|cat", "--must-not-say", "the")
    output, errors, failure = run(folder, *words)
    captions = [line.rpartition("\t")[2].rstrip(".").lower() for line in output.splitlines()]
    assert (len(captions), errors, failure) == (4, "", None)
    for caption in map(str.split, captions):
        assert "snow" in caption
        assert {"dog", "cat"} & set(caption)
        assert "the" not in caption


def test_a_word_that_the_model_does_not_know_is_refused(folder):
    _, _, failure = run(folder, "--must-say", "zebra")
    assert failure.startswith("must_say has 'zebra', which is not one of the 18 words")


def test_no_path_is_refused():
    assert "PATH" in run()[2]


def test_captions_come_batch_by_batch(folder, monkeypatch):
    output, lines_at_each_batch, caption = io.StringIO(), [], engine.caption_photographs

    def record(images, decoding):
        lines_at_each_batch.append(len(output.getvalue().splitlines()))
        return caption(images, decoding)

    monkeypatch.setattr(engine, "caption_photographs", record)
    call_command("caption_images", *[str(folder / "coffee.webp")] * 17, stdout=output)
    assert lines_at_each_batch == [0, 8, 16]


@pytest.mark.slow
def test_the_exit_status_is_1_after_a_failure(folder, tiny_checkpoint):
    command = process(
        folder / "coffee.webp",
        folder / "absent",
        checkpoint=tiny_checkpoint,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = command.communicate()
    assert command.returncode == 1
    assert output.startswith(str(folder / "coffee.webp").encode() + b"\t")
    assert b"Traceback" not in errors
    assert b"%|" not in errors  # no progress bar away from a terminal


@pytest.mark.slow
def test_a_closed_pipe_causes_no_traceback(folder, tiny_checkpoint):
    command = process(
        *[folder / "coffee.webp"] * 17,
        checkpoint=tiny_checkpoint,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    command.stdout.close()
    assert command.stderr.read() == b""
    assert command.wait() == 1


@pytest.mark.slow
def test_a_file_name_that_is_not_utf8_is_printed_unchanged(folder, tiny_checkpoint):
    path = os.fsencode(folder) + b"/\xff.webp"
    os.rename(folder / "coffee.webp", path)
    command = process(os.fsdecode(path), checkpoint=tiny_checkpoint, stdout=subprocess.PIPE)
    output, _ = command.communicate()
    assert output.startswith(path + b"\t")
    assert command.returncode == 0


@pytest.mark.slow
def test_a_terminal_shows_progress_and_whole_lines(folder, tiny_checkpoint):
    terminal, inner = pty.openpty()
    termios.tcsetwinsize(inner, (24, 100))
    command = process(
        *[folder / "coffee.webp"] * 9, checkpoint=tiny_checkpoint, stdout=inner, stderr=inner
    )
    os.close(inner)
    screen = b""
    try:
        while part := os.read(terminal, 65536):
            screen += part
    except OSError:  # how a terminal ends
        pass
    assert command.wait() == 0
    assert b"%|" in screen
    captions = re.findall(rb"\r" + os.fsencode(folder / "coffee.webp") + rb"\t[^\r]+\.\r\n", screen)
    assert len(captions) == 9


def descriptions(folder):
    """What exiftool and others would read from the files, by their names."""
    formats = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
    return {
        path.name: description_of(path.read_bytes(), formats[path.suffix])
        for path in sorted(folder.iterdir())
        if path.suffix in formats and not path.name.startswith(".")
    }


def test_captions_are_written_into_the_files_and_also_printed(folder, in_folder):
    plain, _, _ = run(folder, "--beam-size", "3", "--format", "csv")
    output, errors, failure = run(folder, "--write-metadata", "--beam-size", "3", "--format", "csv")
    assert (output, failure) == (plain, None)
    rows = list(csv.DictReader(io.StringIO(output)))
    assert descriptions(folder) == {Path(r["path"]).name: r["caption"] for r in rows[:3]}
    sidecar = folder / "deeper" / "rocket.TIFF.xmp"
    assert xmp.description_in(sidecar.read_bytes()) == rows[3]["caption"]
    assert errors == (
        f"{in_folder[3]}: Its format cannot hold a description, so rocket.TIFF.xmp does.\n"
    )
    assert sorted(path.name for path in folder.glob("*.orig")) == [f"{n}.orig" for n in NAMES[:3]]


def test_tags_join_the_keywords_of_the_files(folder, in_folder, tagging):
    photo, sidecar = folder / NAMES[0], folder / "deeper" / "rocket.TIFF.xmp"
    photo.write_bytes(described(photo.read_bytes(), "JPEG", "", ["NASA", "portrait"]))
    tagging(portrait=0.9, flag=0.5)
    run(folder, "--write-metadata")
    assert keywords_of(photo.read_bytes(), "JPEG") == ["NASA", "portrait", "flag"]
    assert keywords_of(in_folder[1].read_bytes(), "PNG") == ["portrait", "flag"]
    assert xmp.keywords_in(sidecar.read_bytes()) == ["portrait", "flag"]


def test_keywords_can_be_left_alone(folder, tagging):
    photo = folder / NAMES[0]
    tagging(flag=0.9)
    run(photo, "--write-metadata", "--no-keywords")
    assert descriptions(folder)[NAMES[0]]
    assert keywords_of(photo.read_bytes(), "JPEG") == []


def test_without_backup_there_are_no_copies(folder):
    before = {path.name for path in folder.iterdir()}
    run(folder, "--write-metadata", "--no-backup")
    assert {path.name for path in folder.iterdir()} == before


def test_descriptions_are_replaced_only_with_overwrite(folder):
    path = folder / NAMES[0]
    path.write_bytes(described(path.read_bytes(), "JPEG", "An astronaut, said I."))
    output, errors, failure = run(path, "--write-metadata")
    assert descriptions(folder)[NAMES[0]] == "An astronaut, said I."
    assert errors == f"{path}: It has a description already. Add --overwrite to replace it.\n"
    assert (len(output.splitlines()), failure) == (1, None)
    output, errors, _ = run(path, "--write-metadata", "--overwrite")
    assert output == f"{path}\t{descriptions(folder)[NAMES[0]]}\n"
    assert errors == ""


def test_a_file_that_cannot_be_written_is_reported_and_the_rest_are_captioned(folder):
    # Its own name fits, that of its backup would be too long.
    long = (folder / NAMES[0]).rename(folder / ("x" * 250 + ".jpg"))
    output, errors, failure = run(folder, "--write-metadata")
    assert len(output.splitlines()) == 4
    assert f"{long}: It cannot be written: File name too long.\n" in errors
    assert failure == "1 of the paths could not be captioned or written to; see above."
    assert all(text for name, text in descriptions(folder).items() if name != long.name)


def test_damaged_metadata_is_reported(folder):
    photographs()[0].save(folder / NAMES[0], xmp=b"<damaged")
    _, errors, failure = run(folder / NAMES[0], "--write-metadata")
    assert errors.startswith(f"{folder / NAMES[0]}: The XMP metadata of this file is damaged")
    assert failure is not None


@pytest.mark.parametrize("option", ["--overwrite", "--no-keywords", "--no-backup"])
def test_options_for_writing_need_write_metadata(folder, option):
    assert "need --write-metadata" in run(folder, option)[2]
