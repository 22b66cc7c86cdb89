"""Atomic writing of files and folders: all of the new content appears, or none of it.

New content is written under a temporary name beside its target, synced to the disk, and renamed.
Readers see either the old or the new content, even after a crash or a power cut. A crash leaves
its temporary behind, and the next writer of the same target removes it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

# From linux/fcntl.h and linux/fs.h.
AT_FDCWD = -100
RENAME_EXCHANGE = 2

# What writing fails with when a disk or a quota is full, a file too large, or a device broken.
WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def write_file(path: Path, content: bytes | str, *, mode_of: Path | None = None) -> None:
    """Replace the content of `path` with bytes, or with text as UTF-8.

    Args:
        path: The target; its folder must exist.
        content: The new content.
        mode_of: A file whose permissions to copy; by default the umask decides.

    Raises:
        OSError: The file cannot be written; `path` is unchanged.
    """
    with new_file(path, mode_of=mode_of) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def new_file(path: Path, *, mode_of: Path | None = None) -> Iterator[BinaryIO]:
    """Open a binary file that replaces `path` when the block ends.

    After an exception `path` is unchanged. A symbolic link keeps pointing to its file, and that is
    replaced. Arguments and errors are those of `write_file`.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():  # /dev/null must not become a file
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    _remove_abandoned(path)
    temporary, descriptor = _locked_temporary(path, is_folder=False)
    try:
        with _named(path), os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if mode_of is not None:
                shutil.copymode(mode_of, temporary)
            # Rename it while it is open and so locked: no other writer thinks it abandoned.
            move_into_place(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Make an empty folder to fill, which replaces `path` when the block ends.

    The former folder is removed. If the file system can exchange two names, as Linux's usual ones
    can, there is a complete folder at `path` at every moment; otherwise there is none for the
    instant between two renames. After an exception `path` is unchanged.

    Args:
        path: The target; its parent folder must exist.

    Raises:
        OSError: The folder cannot be written.
    """
    _remove_abandoned(path)
    temporary, descriptor = _locked_temporary(path, is_folder=True)
    try:
        with _named(path):
            yield temporary
        for folder, _, names in os.walk(temporary):
            for name in names:
                _sync(Path(folder, name))
            _sync(Path(folder))
        if not path.exists():
            os.replace(temporary, path)
        elif not _exchange(temporary, path):
            # Not named as a temporary: after a crash, no later writer may remove it.
            former = path.with_name(f".{path.name}.{secrets.token_hex(4)}.former")
            os.replace(path, former)
            try:
                os.replace(temporary, path)
            except OSError:
                os.replace(former, path)
                raise
            os.replace(former, temporary)
        _sync(path.parent)
    finally:
        # The unfinished folder after an exception, otherwise the former one.
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(descriptor)


def move_into_place(temporary: Path, path: Path) -> None:
    """Rename a finished file to `path`, after syncing it to the disk.

    Raises:
        OSError: It cannot be synced or renamed.
    """
    _sync(temporary)
    os.replace(temporary, path)
    _sync(path.parent)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the target in errors of writing, in which the system names no file."""
    try:
        yield
    except OSError as error:
        if error.errno in WRITE_ERRORS and error.filename is None:
            error.filename = str(path)
        raise


def _locked_temporary(path: Path, *, is_folder: bool) -> tuple[Path, int]:
    """Make a file or folder beside `path`, and return it with a descriptor that locks it.

    The lock tells other writers that the temporary is in use. It ends with the process.
    """
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        if is_folder:
            temporary.mkdir()
            descriptor = os.open(temporary, os.O_RDONLY)
        else:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # another writer thinks it abandoned and is about to remove it
        else:
            if temporary.exists():
                return temporary, descriptor
        os.close(descriptor)


def _remove_abandoned(path: Path) -> None:
    """Remove the temporaries of writers of the same target that were killed."""
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        try:
            descriptor = os.open(temporary, os.O_RDONLY)
        except OSError:  # already removed, or another user's
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # in use
        else:
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            else:
                temporary.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; return False if the system cannot."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    if renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(other))


def _sync(path: Path) -> None:
    """Wait until the content of a file or the names in a folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
