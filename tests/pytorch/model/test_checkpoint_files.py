import json
import re

import pytest

from pytorch.model.checkpoint_files import (
    HASHED,
    CheckpointError,
    CheckpointMissingError,
    check_replaceable,
    new_checkpoint,
    verify_files,
    write_config,
    write_json,
)


@pytest.fixture
def checkpoint(tmp_path):
    directory = tmp_path / "checkpoint"
    directory.mkdir()
    for name in HASHED:
        (directory / name).write_text(f"content of {name}")
    write_config(directory, {"encoder": {"name": "tiny"}})
    return directory


def test_a_whole_checkpoint_gives_its_configuration(checkpoint):
    assert verify_files(checkpoint)["encoder"] == {"name": "tiny"}


def test_a_missing_checkpoint_is_told_apart_from_a_damaged_one(tmp_path):
    with pytest.raises(
        CheckpointMissingError, match=r"no checkpoint at .*nowhere.*train_captioner"
    ):
        verify_files(tmp_path / "nowhere")


@pytest.mark.parametrize("name", HASHED)
def test_a_missing_file_is_named(checkpoint, name):
    (checkpoint / name).unlink()
    with pytest.raises(CheckpointError, match=f"incomplete: {name} is missing"):
        verify_files(checkpoint)


@pytest.mark.parametrize("name", HASHED)
def test_a_changed_file_is_named(checkpoint, name):
    (checkpoint / name).write_text("something else")
    with pytest.raises(CheckpointError, match=f"{name} is not the file"):
        verify_files(checkpoint)


@pytest.mark.parametrize("text", ["", "{", "\xff", "[1, 2]", "null", '{"format_version": 99}'])
def test_a_damaged_configuration_is_refused(checkpoint, text):
    (checkpoint / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read|format version"):
        verify_files(checkpoint)


def test_a_configuration_without_hashes_is_refused(checkpoint):
    (checkpoint / "config.json").write_text(json.dumps({"format_version": 1}))
    with pytest.raises(CheckpointError, match="is not the file"):
        verify_files(checkpoint)


def test_a_run_folder_is_told_from_the_checkpoint_in_it(checkpoint, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text('{"dataset": "flickr8k"}')
    checkpoint.rename(run / "checkpoint")
    message = f"{run} is the folder of a training run; its checkpoint is {run / 'checkpoint'}."
    with pytest.raises(CheckpointMissingError, match=re.escape(message)):
        verify_files(run)


def test_a_checkpoint_may_take_the_place_of_nothing_or_of_a_checkpoint(checkpoint, tmp_path):
    check_replaceable(checkpoint)
    check_replaceable(tmp_path / "new" / "place")
    (tmp_path / "empty").mkdir()
    check_replaceable(tmp_path / "empty")


@pytest.mark.parametrize("name", ["notes.txt", "config.json"])
def test_a_checkpoint_may_not_take_the_place_of_anything_else(tmp_path, name):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("{}")
    for place in (tmp_path / "mine", tmp_path / "mine" / name):
        with pytest.raises(CheckpointError, match="holds something else than a checkpoint"):
            check_replaceable(place)


def test_a_place_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"written to .*file.mine: File exists\."):
        check_replaceable(tmp_path / "file" / "mine")


def fill(directory, content):
    write_json(directory / "config.json", {"format_version": 1})
    (directory / content).write_text(content)


def test_a_replacement_takes_the_place_of_the_old_directory_whole(tmp_path):
    target = tmp_path / "target"
    for content in ("old", "new"):
        with new_checkpoint(target) as directory:
            fill(directory, content)
    assert {path.name for path in target.iterdir()} == {"config.json", "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_failed_replacement_leaves_the_old_directory(tmp_path):
    target = tmp_path / "target"
    with new_checkpoint(target) as directory:
        fill(directory, "old")

    def fail():
        with new_checkpoint(target) as directory:
            (directory / "new").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert {path.name for path in target.iterdir()} == {"config.json", "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_replacement_leaves_what_is_no_checkpoint(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "mine").write_text("dear to me")
    with pytest.raises(CheckpointError, match="holds something else"):
        new_checkpoint(tmp_path / "target").__enter__()
    assert (tmp_path / "target" / "mine").read_text() == "dear to me"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
