import hashlib
import random
import resource
import shutil
import socket

import pytest

from pytorch.data import downloads
from pytorch.data.downloads import Archive, DownloadError
from tests.file_server import serve

CONTENT = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)


@pytest.fixture
def server():
    with serve({"/data.zip": CONTENT}) as state:
        yield state


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(downloads, "CHUNK_SIZE", 10_000)


def archive(server, content=CONTENT, **changes):
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Archive(**{"url": f"{server.url}/data.zip", "checksum": checksum, **changes})


def download(server, folder, content=CONTENT, **changes):
    return downloads.download(archive(server, content, **changes), folder, pause_seconds=0)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def refused(server, folder, **changes):
    with pytest.raises(DownloadError) as failure:
        download(server, folder, **changes)
    return str(failure.value)


def test_a_download_leaves_nothing_but_the_whole_file(server, tmp_path):
    path = download(server, tmp_path / "new" / "folder", size=len(CONTENT))
    assert path == tmp_path / "new" / "folder" / "data.zip"
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["data.zip"]
    assert server.requests == [None]


def test_an_md5_checksum_is_checked_too(server, tmp_path):
    assert download(server, tmp_path, checksum=f"md5:{hashlib.md5(CONTENT).hexdigest()}").exists()
    (tmp_path / "data.zip").unlink()
    assert "its md5 is" in refused(server, tmp_path, checksum=f"md5:{'0' * 32}")


def test_a_download_continues_where_a_connection_was_dropped(server, tmp_path):
    server.drop_after = [100_000, 0, 50_000]
    assert download(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=100000-", "bytes=100000-", "bytes=150000-"]


def test_a_second_run_continues_the_first(server, tmp_path):
    server.drop_after = [100_000] + [0] * 5
    sentence = refused(server, tmp_path)
    assert "the connection ended after 100,000 of 300,000 bytes" in sentence
    assert "run the command again to continue" in sentence
    assert names(tmp_path) == ["data.zip.part", "data.zip.part.json"]
    server.requests.clear()
    assert download(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == ["bytes=100000-"]


def test_attempts_are_counted_from_zero_after_any_progress(server, tmp_path):
    server.drop_after = [1000, 0, 0, 0, 0] * 4
    assert download(server, tmp_path).read_bytes() == CONTENT


def test_pauses_double_until_data_arrives(server, tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(downloads.time, "sleep", pauses.append)
    server.drop_after = [1000, 0, 0, 1000, 0]
    downloads.download(archive(server), tmp_path, pause_seconds=2)
    assert pauses == [2, 4, 8, 2, 4]


def test_with_a_server_that_ignores_ranges_it_starts_over(server, tmp_path):
    server.ranges = False
    server.drop_after = [100_000, 200_000]
    assert download(server, tmp_path).read_bytes() == CONTENT


def test_if_the_file_has_changed_it_starts_over(server, tmp_path):
    server.drop_after = [100_000] + [0] * 5
    refused(server, tmp_path)
    server.requests.clear()
    server.files["/data.zip"] = OTHER
    assert download(server, tmp_path, OTHER).read_bytes() == OTHER
    assert server.requests == ["bytes=100000-"]  # answered with the whole of the new file


def test_a_changed_file_is_noticed_even_if_the_server_ignores_if_range(server, tmp_path):
    server.if_range = False
    server.drop_after = [100_000] + [0] * 5
    refused(server, tmp_path)
    server.files["/data.zip"] = OTHER
    assert download(server, tmp_path, OTHER).read_bytes() == OTHER


def test_if_the_file_has_shrunk_it_starts_over(server, tmp_path):
    server.if_range = False
    server.drop_after = [200_000] + [0] * 5
    refused(server, tmp_path)
    server.files["/data.zip"] = CONTENT[:100_000]
    assert download(server, tmp_path, CONTENT[:100_000]).read_bytes() == CONTENT[:100_000]


@pytest.mark.parametrize("etag", ["", 'W/"{}"'])
def test_without_a_strong_validator_it_starts_over(server, tmp_path, etag):
    server.etag = etag
    server.drop_after = [100_000]
    assert download(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, None]


@pytest.mark.parametrize("metadata", [None, "", "[]", "{}"])
def test_a_part_without_valid_metadata_is_not_used(server, tmp_path, metadata):
    (tmp_path / "data.zip.part").write_bytes(OTHER[:1000])
    if metadata is not None:
        (tmp_path / "data.zip.part.json").write_text(metadata)
    assert download(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == [None]


def test_a_complete_part_is_verified_without_a_request(server, tmp_path):
    server.drop_after = [299_999] + [0] * 5
    refused(server, tmp_path)
    with (tmp_path / "data.zip.part").open("ab") as file:
        file.write(CONTENT[-1:])
    server.requests.clear()
    assert download(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == []


def test_without_a_content_length_the_answer_is_read_to_its_end(server, tmp_path):
    server.lengths = False
    assert download(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_final_error_is_reported_at_once(server, tmp_path, status):
    server.statuses = [status]
    sentence = refused(server, tmp_path)
    assert f"{server.url}/data.zip cannot be downloaded: the server answers {status}" in sentence
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_temporary_error_is_waited_out(server, tmp_path, status):
    server.statuses = [status] * 5
    assert download(server, tmp_path).read_bytes() == CONTENT
    server.statuses = [status] * 6
    (tmp_path / "data.zip").unlink()
    assert f"the server answers {status}" in refused(server, tmp_path)


def test_a_server_that_refuses_connections_is_reported(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/data.zip"
    with pytest.raises(DownloadError, match="refused"):
        downloads.download(Archive(url, "sha256:0"), tmp_path, pause_seconds=0)


def test_a_file_with_a_wrong_checksum_is_reported_and_deleted(server, tmp_path):
    sentence = refused(server, tmp_path, content=OTHER)
    assert f"its sha256 is {hashlib.sha256(CONTENT).hexdigest()}, not " in sentence
    assert names(tmp_path) == []


def test_a_wrong_size_is_reported_before_the_download(server, tmp_path):
    assert "has 300,000 bytes instead of 299,999" in refused(server, tmp_path, size=299_999)
    assert names(tmp_path) == []


def test_too_little_room_on_the_disk_is_reported_before_the_download(server, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda path: usage)
    assert "data.zip needs 300,000 more bytes, but only 100,000 are free in" in refused(
        server, tmp_path
    )
    assert (tmp_path / "data.zip").exists() is False


def test_an_error_of_a_disk_that_fills_up_names_the_path(server, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        sentence = refused(server, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert f"{tmp_path / 'data.zip.part'} cannot be written (File too large)" in sentence
    assert "run the command again to continue" in sentence
    server.requests.clear()
    assert download(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == ["bytes=200000-"]


def test_an_existing_file_is_verified_and_not_downloaded(server, tmp_path):
    (tmp_path / "data.zip").write_bytes(CONTENT)
    assert download(server, tmp_path).read_bytes() == CONTENT
    (tmp_path / "data.zip").write_bytes(OTHER)
    assert "is not the file that was published" in refused(server, tmp_path)
    assert (tmp_path / "data.zip").read_bytes() == OTHER
    assert server.requests == []


@pytest.mark.parametrize("progress", [True, False])
def test_progress_is_shown_if_it_is_wanted(server, tmp_path, capsys, progress):
    downloads.download(archive(server), tmp_path, progress=progress)
    assert ("data.zip" in capsys.readouterr().err) == progress
