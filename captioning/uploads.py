"""How much of an upload is kept while it arrives."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadhandler import FileUploadHandler

MAX_UPLOAD_BYTES = 10_000_000


class BoundedUploadHandler(FileUploadHandler):
    """Lets the following handlers see a little more than the limit, and drops the rest.

    A file that was cut here is longer than the limit still, so the form refuses it as too large;
    but it did not fill the memory or the disk on its way. The limit holds for all files of a
    request together.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Pass the chunk on, unless the limit was exceeded before it."""
        if self.received > MAX_UPLOAD_BYTES:
            return None
        self.received += len(raw_data)
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Leave the file to the following handlers."""
