import io

from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http.multipartparser import MultiPartParser
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from captioning.uploads import MAX_UPLOAD_BYTES, BoundedUploadHandler


class Recorder(TemporaryFileUploadHandler):
    """Counts what arrives after the bound."""

    received = 0

    def receive_data_chunk(self, raw_data, start):
        self.received += len(raw_data)
        return super().receive_data_chunk(raw_data, start)


def upload(*contents):
    """Parse an upload of files; return them with the number of bytes that passed the bound."""
    files = {}
    for number, content in enumerate(contents):
        files[f"file{number}"] = io.BytesIO(content)
        files[f"file{number}"].name = "photo.jpg"
    body = encode_multipart(BOUNDARY, files)
    recorder = Recorder()
    meta = {"CONTENT_TYPE": MULTIPART_CONTENT, "CONTENT_LENGTH": len(body)}
    parser = MultiPartParser(meta, io.BytesIO(body), [BoundedUploadHandler(), recorder])
    _, uploaded = parser.parse()
    return uploaded, recorder.received


def test_a_file_within_the_limit_arrives_whole(coffee_jpeg):
    files, _ = upload(coffee_jpeg)
    assert files["file0"].read() == coffee_jpeg


def test_a_larger_file_is_cut_but_still_known_as_too_large():
    files, passed = upload(bytes(3 * MAX_UPLOAD_BYTES))
    assert files["file0"].size > MAX_UPLOAD_BYTES
    assert passed < MAX_UPLOAD_BYTES + 200_000


def test_the_limit_holds_for_all_files_together():
    _, passed = upload(*[bytes(MAX_UPLOAD_BYTES // 2)] * 5)
    assert passed < MAX_UPLOAD_BYTES + 200_000
