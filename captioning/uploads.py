"""A limit on uploads while they arrive."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadhandler import FileUploadHandler

MAX_UPLOAD_BYTES = 10_000_000


class BoundedUploadHandler(FileUploadHandler):
    """Passes on slightly more than MAX_UPLOAD_BYTES of a request's files, and drops the rest.

    A file that is cut here is still larger than the limit, so that the form refuses it as too
    large, but it cannot fill the memory or the disk meanwhile.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Pass the chunk on, unless the chunks before it exceed the limit."""
        if self.received > MAX_UPLOAD_BYTES:
            return None
        self.received += len(raw_data)
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Leave the file to the handlers after this one."""
