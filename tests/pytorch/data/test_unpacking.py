import shutil
import stat
import zipfile

import pytest

from pytorch.data import unpacking
from pytorch.data.unpacking import UnpackError, unpack


def write_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def link(name):
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.fixture
def folder(tmp_path):
    """Where to unpack; whatever else appears beside it has escaped."""
    folder = tmp_path / "place" / "folder"
    folder.mkdir(parents=True)
    return folder


def everything_in(path):
    return sorted(str(found.relative_to(path)) for found in path.rglob("*"))


def test_files_are_unpacked_with_their_folders(tmp_path, folder):
    members = {"read me.txt": b"first", "texts/": b"", "texts/deep/captions.json": b"second"}
    paths = unpack(write_zip(tmp_path / "a.zip", members), folder)
    assert [path.read_bytes() for path in paths] == [b"first", b"second"]
    assert paths == [folder / "read me.txt", folder / "texts" / "deep" / "captions.json"]
    assert len(everything_in(folder)) == 4


def test_only_matching_files_are_unpacked(tmp_path, folder):
    members = {"annotations/captions_a.json": b"1", "annotations/other.json": b"2", "x.json": b"3"}
    unpack(write_zip(tmp_path / "a.zip", members), folder, "annotations/captions_*.json")
    assert everything_in(folder) == ["annotations", "annotations/captions_a.json"]


def test_an_archive_without_matching_files_is_refused(tmp_path, folder):
    with pytest.raises(UnpackError, match=r"There is no \*\.json in .*a\.zip"):
        unpack(write_zip(tmp_path / "a.zip", {"a.txt": b""}), folder, "*.json")


def test_an_older_file_is_replaced(tmp_path, folder):
    (folder / "a.txt").write_text("old, and longer")
    unpack(write_zip(tmp_path / "a.zip", {"a.txt": b"new"}), folder)
    assert (folder / "a.txt").read_text() == "new"


@pytest.mark.parametrize(
    "name",
    [
        "../escaped.txt",
        "texts/../../escaped.txt",
        "texts/..",
        "/tmp/escaped.txt",
        "//host/escaped.txt",
        "..\\escaped.txt",
        "C:\\escaped.txt",
        "C:escaped.txt",
        link("link"),
    ],
    ids=str,
)
def test_no_path_escapes_and_nothing_is_written(tmp_path, folder, name):
    archive = write_zip(tmp_path / "a.zip", {"harmless.txt": b"", name: b"/etc/passwd"})
    with pytest.raises(UnpackError, match="do not trust this archive"):
        unpack(archive, folder)
    assert everything_in(folder.parent) == ["folder"]


def test_nothing_is_written_through_a_folder_that_is_a_link(tmp_path, folder):
    (tmp_path / "elsewhere").mkdir()
    (folder / "texts").symlink_to(tmp_path / "elsewhere")
    archive = write_zip(tmp_path / "a.zip", {"texts/a.txt": b"1"})
    with pytest.raises(UnpackError, match="outside"):
        unpack(archive, folder)
    assert everything_in(tmp_path / "elsewhere") == []


def test_a_file_that_is_a_link_is_replaced_and_not_followed(tmp_path, folder):
    (tmp_path / "precious.txt").write_text("precious")
    (folder / "a.txt").symlink_to(tmp_path / "precious.txt")
    unpack(write_zip(tmp_path / "a.zip", {"a.txt": b"new"}), folder)
    assert (tmp_path / "precious.txt").read_text() == "precious"
    assert (folder / "a.txt").read_text() == "new"


def test_too_little_room_on_the_disk_is_noticed_before_anything_is_written(
    tmp_path, folder, monkeypatch
):
    archive = write_zip(tmp_path / "a.zip", {"a.txt": bytes(1000), "b.txt": bytes(1000)})
    usage = shutil.disk_usage(folder)._replace(free=1999)
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UnpackError, match="unpacks to 2,000 bytes, but only 1,999 are free in"):
        unpack(archive, folder)
    assert everything_in(folder) == []


def test_a_member_larger_than_declared_is_refused(tmp_path, folder):
    archive = write_zip(tmp_path / "a.zip", {"bomb.txt": bytes(1_000_000)})
    declared = (1_000_000).to_bytes(4, "little")
    content = archive.read_bytes()
    assert content.count(declared) == 2  # in the file's own header and in the directory
    archive.write_bytes(content.replace(declared, (10).to_bytes(4, "little")))
    with pytest.raises(UnpackError, match="is damaged"):
        unpack(archive, folder)
    assert everything_in(folder) == []


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_damaged_archive_is_refused(tmp_path, folder, damage):
    archive = write_zip(tmp_path / "a.zip", {"a.txt": bytes(range(256)) * 10})
    content = archive.read_bytes()
    middle = len(content) // 4
    archive.write_bytes(
        {
            "cut": content[:middle],
            "flipped": content[:middle] + b"damage" + content[middle + 6 :],
            "text": b"no zip",
        }[damage]
    )
    with pytest.raises(UnpackError, match=r"a\.zip is damaged"):
        unpack(archive, folder)
    assert everything_in(folder) == []
