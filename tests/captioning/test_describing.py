import os
import stat

import pytest

from captioning.describing import AlreadyDescribedError, describe_file
from captioning.metadata import MetadataError, description_of, keywords_of, xmp
from tests.captioning.pictures import encoded


@pytest.fixture
def photo(tmp_path, coffee_jpeg):
    path = tmp_path / "photo.jpg"
    path.write_bytes(coffee_jpeg)
    return path


def describe(path, description="Coffee.", keywords=(), *, backup=True, overwrite=False):
    return describe_file(path, description, keywords, backup=backup, overwrite=overwrite)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def description(path):
    return description_of(path.read_bytes(), "JPEG")


def test_the_description_is_written_and_the_former_file_kept(photo, coffee_jpeg):
    assert describe(photo) == photo
    assert description(photo) == "Coffee."
    assert names(photo.parent) == ["photo.jpg", "photo.jpg.orig"]
    assert (photo.parent / "photo.jpg.orig").read_bytes() == coffee_jpeg


def test_without_backup_no_copy_is_kept(photo):
    describe(photo, backup=False)
    assert names(photo.parent) == ["photo.jpg"]


def test_an_earlier_backup_is_not_replaced(photo, coffee_jpeg):
    describe(photo)
    describe(photo, "Tea.", overwrite=True)
    assert description(photo) == "Tea."
    assert (photo.parent / "photo.jpg.orig").read_bytes() == coffee_jpeg


def test_a_description_is_replaced_only_with_overwrite(photo):
    describe(photo, backup=False)
    with pytest.raises(AlreadyDescribedError):
        describe(photo, "Tea.")
    assert description(photo) == "Coffee."
    assert names(photo.parent) == ["photo.jpg"]


def test_keywords_join_those_of_the_file(photo):
    describe(photo, "Coffee.", ["cup"], backup=False)
    describe(photo, "Tea.", ["Cup", "spoon"], overwrite=True)
    assert keywords_of(photo.read_bytes(), "JPEG") == ["cup", "spoon"]


def test_a_file_that_has_a_description_gets_no_keywords(photo):
    describe(photo, backup=False)
    with pytest.raises(AlreadyDescribedError):
        describe(photo, "Tea.", ["cup"])
    assert keywords_of(photo.read_bytes(), "JPEG") == []


def test_permissions_stay(photo):
    photo.chmod(0o640)
    describe(photo)
    for name in ("photo.jpg", "photo.jpg.orig"):
        assert stat.S_IMODE((photo.parent / name).stat().st_mode) == 0o640


def test_a_symbolic_link_is_not_replaced(photo, tmp_path):
    link = tmp_path / "link.jpg"
    link.symlink_to(photo)
    assert describe(link) == photo
    assert link.is_symlink()
    assert description(photo) == "Coffee."


def test_a_file_of_another_format_is_unchanged_and_gets_a_sidecar(tmp_path, coffee):
    content = encoded(coffee, "GIF")
    (tmp_path / "photo.gif").write_bytes(content)
    written = describe(tmp_path / "photo.gif", "Coffee.", ["cup"])
    assert xmp.keywords_in(written.read_bytes()) == ["cup"]
    assert written == tmp_path / "photo.gif.xmp"
    assert xmp.description_in(written.read_bytes()) == "Coffee."
    assert (tmp_path / "photo.gif").read_bytes() == content
    with pytest.raises(AlreadyDescribedError):
        describe(tmp_path / "photo.gif", "Tea.")
    describe(tmp_path / "photo.gif", "Tea.", overwrite=True)
    assert xmp.description_in(written.read_bytes()) == "Tea."
    assert names(tmp_path) == ["photo.gif", "photo.gif.xmp", "photo.gif.xmp.orig"]


def test_damaged_metadata_changes_no_file(tmp_path, coffee):
    content = encoded(coffee, "JPEG", xmp=b"<damaged")
    (tmp_path / "photo.jpg").write_bytes(content)
    with pytest.raises(MetadataError):
        describe(tmp_path / "photo.jpg")
    assert names(tmp_path) == ["photo.jpg"]
    assert (tmp_path / "photo.jpg").read_bytes() == content


def test_a_failure_leaves_no_half_a_file(photo, monkeypatch, coffee_jpeg):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        describe(photo)
    assert names(photo.parent) == ["photo.jpg"]
    assert photo.read_bytes() == coffee_jpeg


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any file")
def test_a_read_only_file_is_not_replaced(photo):
    photo.chmod(0o440)
    with pytest.raises(PermissionError):
        describe(photo)
    assert names(photo.parent) == ["photo.jpg"]
