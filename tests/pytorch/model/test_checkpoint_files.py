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


def test_a_missing_checkpoint_has_an_error_of_its_own(tmp_path):
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


def test_for_a_run_folder_the_error_names_the_checkpoint_in_it(checkpoint, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text('{"dataset": "flickr8k"}')
    checkpoint.rename(run / "checkpoint")
    message = f"{run} is the folder of a training run; its checkpoint is {run / 'checkpoint'}."
    with pytest.raises(CheckpointMissingError, match=re.escape(message)):
        verify_files(run)


def test_a_checkpoint_may_replace_nothing_or_a_checkpoint(checkpoint, tmp_path):
    check_replaceable(checkpoint)
    check_replaceable(tmp_path / "new" / "place")
    (tmp_path / "empty").mkdir()
    check_replaceable(tmp_path / "empty")


@pytest.mark.parametrize("name", ["notes.txt", "config.json"])
def test_a_checkpoint_may_not_replace_anything_else(tmp_path, name):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("{}")
    for place in (tmp_path / "mine", tmp_path / "mine" / name):
        with pytest.raises(CheckpointError, match="is not a checkpoint, and writing one would"):
            check_replaceable(place)


def test_a_place_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"written to .*file.mine: File exists\."):
        check_replaceable(tmp_path / "file" / "mine")


def test_a_file_that_cannot_be_read_is_named(checkpoint):
    # Reading a process's memory at address 0 is an input/output error, even for root.
    path = checkpoint / "weights.safetensors"
    path.unlink()
    path.symlink_to("/proc/self/mem")
    with pytest.raises(CheckpointError, match=rf"^{path} cannot be read: Input/output error\.$"):
        verify_files(checkpoint)


def test_a_configuration_that_cannot_be_read_is_named(checkpoint):
    path = checkpoint / "config.json"
    path.unlink()
    path.symlink_to("/proc/self/mem")
    with pytest.raises(CheckpointError, match=rf"^{path} cannot be read: Input/output error\.$"):
        verify_files(checkpoint)


def test_the_error_of_a_full_disk_names_the_checkpoint(checkpoint):
    former = (checkpoint / "config.json").read_bytes()

    def write():
        with new_checkpoint(checkpoint) as directory:
            (directory / "weights.safetensors").symlink_to("/dev/full")
            (directory / "weights.safetensors").write_bytes(b"weights")

    message = rf"^No checkpoint can be written to {checkpoint}: No space left on device\.$"
    with pytest.raises(CheckpointError, match=message):
        write()
    assert (checkpoint / "config.json").read_bytes() == former
    assert [path.name for path in checkpoint.parent.iterdir()] == [checkpoint.name]


def fill(directory, content):
    write_json(directory / "config.json", {"format_version": 1})
    (directory / content).write_text(content)


def test_a_new_checkpoint_replaces_all_of_the_old_one(tmp_path):
    target = tmp_path / "target"
    for content in ("old", "new"):
        with new_checkpoint(target) as directory:
            fill(directory, content)
    assert {path.name for path in target.iterdir()} == {"config.json", "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_after_a_failure_the_old_checkpoint_is_still_there(tmp_path):
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


def test_what_is_not_a_checkpoint_is_not_replaced(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "mine").write_text("dear to me")
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        new_checkpoint(tmp_path / "target").__enter__()
    assert (tmp_path / "target" / "mine").read_text() == "dear to me"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
