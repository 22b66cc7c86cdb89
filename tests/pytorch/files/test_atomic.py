import os
import resource
import signal
import stat
import subprocess
import sys
import threading

import pytest

from pytorch.files import atomic
from pytorch.files.atomic import move_into_place, new_file, new_folder, write_file


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", [b"\x00\xff", "naïve"])
def test_new_content_replaces_the_old(tmp_path, content):
    path = tmp_path / "file"
    path.write_text("former")
    write_file(path, content)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert names(tmp_path) == ["file"]


def test_the_file_that_a_link_points_to_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    link, target = tmp_path / "link", tmp_path / "folder" / "file"
    link.symlink_to(target)
    for content in ("first", "second"):
        write_file(link, content)
        assert link.is_symlink()
        assert target.read_text() == content


def test_a_device_or_pipe_is_refused(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="Not a regular file"):
        write_file(pipe, "content")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_an_exception_leaves_the_old_content(tmp_path):
    path = tmp_path / "file"
    path.write_text("former")

    def write_half():
        with new_file(path) as file:
            file.write(b"half of the")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        write_half()
    assert path.read_text() == "former"
    assert names(tmp_path) == ["file"]


def test_a_reader_sees_nothing_of_a_file_that_is_being_written(tmp_path):
    path = tmp_path / "file"
    with new_file(path) as file:
        file.write(b"half of the")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"half of the"


def test_the_umask_decides_the_permissions(tmp_path):
    former = os.umask(0o027)
    try:
        write_file(tmp_path / "file", "text")
        with new_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o750


def test_permissions_can_be_those_of_another_file(tmp_path):
    example = tmp_path / "example"
    example.write_text("")
    example.chmod(0o604)
    write_file(tmp_path / "file", "text", mode_of=example)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o604


def test_a_new_folder_replaces_all_of_the_old_one(tmp_path):
    path = tmp_path / "folder"
    for generation in ("one", "two"):
        with new_folder(path) as new:
            (new / generation).write_text(generation)
            (new / "inner").mkdir()
            (new / "inner" / "file").write_text(generation)
        assert names(path) == ["inner", generation]
        assert (path / "inner" / "file").read_text() == generation
    assert names(tmp_path) == ["folder"]


def test_an_exception_leaves_the_old_folder(tmp_path):
    path = tmp_path / "folder"
    with new_folder(path) as new:
        (new / "file").write_text("former")

    def write_half():
        with new_folder(path) as new:
            (new / "file").write_text("new")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        write_half()
    assert (path / "file").read_text() == "former"
    assert names(tmp_path) == ["folder"]


def test_there_is_a_folder_at_every_moment(tmp_path):
    path, stop, misses = tmp_path / "folder", threading.Event(), []

    def fill(generation):
        with new_folder(path) as new:
            for name in ("a", "b"):
                (new / name).write_text(str(generation))

    def read():
        while not stop.is_set():
            try:
                # Keep a descriptor, since the name may already belong to the next folder.
                folder = os.open(path, os.O_RDONLY)
            except FileNotFoundError as error:
                misses.append(error)
            else:
                os.close(folder)

    fill(0)
    reader = threading.Thread(target=read)
    reader.start()
    for generation in range(1, 200):
        fill(generation)
    stop.set()
    reader.join()
    assert not misses
    assert [(path / name).read_text() for name in ("a", "b")] == ["199", "199"]


def test_a_folder_is_replaced_even_if_names_cannot_be_exchanged(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    path = tmp_path / "folder"
    for generation in ("one", "two"):
        with new_folder(path) as new:
            (new / generation).write_text(generation)
    assert names(path) == ["two"]
    assert names(tmp_path) == ["folder"]


def test_the_former_folder_returns_if_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    path = tmp_path / "folder"
    with new_folder(path) as new:
        (new / "former").write_text("")
    replace = os.replace

    def fail_for_the_new_folder(source, target):
        if target == path and source.suffix == ".tmp":
            raise OSError("out of luck")
        replace(source, target)

    def fill():
        with new_folder(path) as new:
            (new / "new").write_text("")

    monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    monkeypatch.setattr(os, "replace", fail_for_the_new_folder)
    with pytest.raises(OSError, match="out of luck"):
        fill()
    assert names(path) == ["former"]
    assert names(tmp_path) == ["folder"]


KILLED = """
import sys, time
from pathlib import Path
from pytorch.files.atomic import new_file, new_folder
with {function}(Path(sys.argv[1])):
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("function", [new_file, new_folder], ids=lambda each: each.__name__)
def test_the_temporary_of_a_killed_writer_is_removed_by_the_next(tmp_path, function):
    path = tmp_path / "target [1]"
    command = [sys.executable, "-c", KILLED.format(function=function.__name__), path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with function(path):
            assert len(names(tmp_path)) == 2, "The temporary of a running writer must stay."
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(names(tmp_path)) == 2
    with function(path):
        pass
    assert names(tmp_path) == ["target [1]"]


def test_temporaries_of_other_targets_stay(tmp_path):
    other = tmp_path / ".other.0123abcd.tmp"
    other.write_text("")
    write_file(tmp_path / "file", "text")
    assert other.exists()


def test_a_finished_file_is_moved_into_place(tmp_path):
    part, path = tmp_path / "file.part", tmp_path / "file"
    part.write_text("all of it")
    path.write_text("former")
    move_into_place(part, path)
    assert path.read_text() == "all of it"
    assert names(tmp_path) == ["file"]


def test_a_folder_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_file(tmp_path / "nowhere" / "file", "text")


def test_several_threads_may_write_the_same_file(tmp_path):
    path = tmp_path / "file"
    threads = [
        threading.Thread(target=lambda n=number: write_file(path, str(n) * 10_000))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    content = path.read_text()
    assert content == content[0] * 10_000
    assert names(tmp_path) == ["file"]


@pytest.fixture
def _full_disk():
    """A limit on the size of files: writing beyond it fails as it does on a full disk."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, former[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, former)


@pytest.mark.usefixtures("_full_disk")
def test_a_full_disk_is_reported_with_the_target(tmp_path):
    write_file(tmp_path / "file", "former")
    with pytest.raises(OSError, match=f"File too large: '{tmp_path}/file'"):
        write_file(tmp_path / "file", "much" * 1000)
    assert (tmp_path / "file").read_text() == "former"
    with (
        pytest.raises(OSError, match=f"File too large: '{tmp_path}/folder'"),
        new_folder(tmp_path / "folder") as folder,
    ):
        (folder / "file").write_text("much" * 1000)
    assert names(tmp_path) == ["file"]
