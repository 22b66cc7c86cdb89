import uuid

from captioning.models import Checkpoint, Owner, Picture


def test_rows_have_readable_names():
    visitor = uuid.uuid4()
    assert str(Owner(visitor=visitor)) == f"visitor {visitor}"
    assert str(Checkpoint(name="tiny", hash="0123456789abcdef")) == "tiny (0123456789ab)"
    assert str(Picture(name="photo.jpg", description="A dog.")) == "photo.jpg: A dog."


def test_the_original_keeps_only_its_suffix():
    first, second = (
        Picture._meta.get_field("original").generate_filename(Picture(), "mine.tif")
        for _ in range(2)
    )
    assert first.endswith(".tif")
    assert "mine" not in first
    assert first != second
