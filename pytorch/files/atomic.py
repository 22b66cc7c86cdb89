"""Files and folders written whole or not at all.

New content is written under a temporary name beside its target, synced to the disk, and renamed.
Readers see the old content or the new, also after a crash or a power cut. A crash leaves its
temporary behind; the next writer of the same target removes it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
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


def write_file(path: Path, content: bytes | str, *, mode_of: Path | None = None) -> None:
    """Write bytes, or text as UTF-8, in place of whatever `path` held.

    Args:
        path: The target; its folder must exist.
        content: All of the new content.
        mode_of: The file whose permissions the new one gets. By default the umask decides.

    Raises:
        OSError: The file cannot be written; then `path` is as it was.
    """
    with new_file(path, mode_of=mode_of) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def new_file(path: Path, *, mode_of: Path | None = None) -> Iterator[BinaryIO]:
    """A binary file to write, which takes the place of `path` when the block ends.

    After an exception `path` is as it was. Arguments and errors are those of `write_file`.
    """
    _remove_abandoned(path)
    temporary, descriptor = _locked_temporary(path, is_folder=False)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if mode_of is not None:
                shutil.copymode(mode_of, temporary)
            # Renamed while still open, and so locked: nobody takes it for abandoned.
            move_into_place(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of `path` when the block ends.

    The folder that was at `path` is removed. Where the file system can exchange two names (Linux,
    on its usual file systems), there is a whole folder at `path` at every moment; elsewhere there
    is none for the instant between two renames. After an exception `path` is as it was.

    Args:
        path: The target; the folder above it must exist.

    Raises:
        OSError: The folder cannot be written.
    """
    _remove_abandoned(path)
    temporary, descriptor = _locked_temporary(path, is_folder=True)
    try:
        yield temporary
        for folder, _, names in os.walk(temporary):
            for name in names:
                _sync(Path(folder, name))
            _sync(Path(folder))
        if not path.exists():
            os.replace(temporary, path)
        elif not _exchange(temporary, path):
            former = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
            os.replace(path, former)
            os.replace(temporary, path)
            os.replace(former, temporary)
        _sync(path.parent)
    finally:
        # After an exception the unfinished folder, otherwise the former one.
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(descriptor)


def move_into_place(temporary: Path, path: Path) -> None:
    """Rename a finished file to `path`, once its bytes are safely on the disk. Raises OSError."""
    _sync(temporary)
    os.replace(temporary, path)
    _sync(path.parent)


def _locked_temporary(path: Path, *, is_folder: bool) -> tuple[Path, int]:
    """A new file or folder beside `path`, and a descriptor that holds a lock on it.

    The lock tells other writers that the temporary is in use; it ends with the process.
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
            pass  # another writer is about to remove it
        else:
            if temporary.exists():
                return temporary, descriptor
        os.close(descriptor)


def _remove_abandoned(path: Path) -> None:
    """Remove what writers of the same target left behind when they were killed."""
    for temporary in path.parent.glob(f".{_literal(path.name)}.*.tmp"):
        try:
            descriptor = os.open(temporary, os.O_RDONLY)
        except OSError:  # gone by now, or another user's
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


def _literal(name: str) -> str:
    """The name as a pattern that matches itself alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange what two names stand for, in one step; False where the system cannot."""
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
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
