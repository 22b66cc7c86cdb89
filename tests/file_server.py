"""A local HTTP server with the faults that downloads meet."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class FileServer:
    """What the server holds and how it behaves; tests change it between or during requests.

    Attributes:
        files: Content by path, such as "/a.zip".
        url: The server's address.
        etag: Sent with every file, {} being replaced by a hash of the file; not sent if empty.
        ranges: Whether the server honours Range.
        if_range: Whether the server honours If-Range.
        drop_after: For each of the next answers, after how many bytes the connection is dropped.
        statuses: For each of the next requests, the error status to answer with.
        lengths: Whether the server sends Content-Length.
        requests: The Range header of each request so far.
    """

    files: dict[str, bytes]
    url: str = ""
    etag: str = '"{}"'
    ranges: bool = True
    if_range: bool = True
    lengths: bool = True
    drop_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    requests: list[str | None] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    state: FileServer

    def do_GET(self) -> None:
        state, wanted = self.state, self.headers.get("Range")
        state.requests.append(wanted)
        if state.statuses:
            self.send_error(state.statuses.pop(0))
            return
        content = state.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        etag = state.etag.format(hash(content))
        start = 0
        unchanged = not state.if_range or self.headers.get("If-Range") in (None, etag)
        if wanted and state.ranges and unchanged:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            last, total = len(content) - 1, len(content)
            self.send_header("Content-Range", f"bytes {start}-{last}/{total}")
        else:
            self.send_response(200)
        if etag:
            self.send_header("ETag", etag)
        if state.lengths:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = start + state.drop_after.pop(0) if state.drop_after else len(content)
        self.wfile.write(content[start:end])
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[FileServer]:
    """Serve the files on a free port of this machine for as long as the context lasts."""
    state = FileServer(files)
    handler = type("BoundHandler", (Handler,), {"state": state})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
