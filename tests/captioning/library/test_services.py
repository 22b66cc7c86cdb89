import hashlib
import threading

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from PIL import Image

from captioning import engine
from captioning.library import services
from captioning.models import Checkpoint, Picture, StoredCaption
from pytorch.files.photographs import open_photograph
from tests.captioning.library.kept import keep, kept_files, visitor
from tests.captioning.pictures import decoded, difference, encoded, photograph_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def picture(coffee_jpeg):
    return keep(visitor(), coffee_jpeg)


@pytest.fixture
def computations(monkeypatch):
    """Grows by an item whenever the model captions a photograph."""
    captioner, done = engine.get_captioner(), []
    caption = captioner.caption

    def counting(images, **options):
        done.extend(images)
        return caption(images, **options)

    monkeypatch.setattr(captioner, "caption", counting)
    return done


def test_a_kept_picture_has_its_original_file(coffee_jpeg, picture):
    assert picture.original.read() == coffee_jpeg
    assert (picture.name, picture.format, picture.media_type) == ("photo.jpg", "JPEG", "image/jpeg")
    assert (picture.width, picture.height) == (600, 400)


def test_a_kept_picture_has_the_models_caption(coffee, picture):
    [expected] = engine.caption_photographs([photograph_of(coffee)])
    assert picture.sentence == picture.description == picture.caption.sentence
    assert picture.sentence == expected.sentence
    assert picture.caption.settings["beam_size"] == 2
    assert len(picture.caption.data["candidates"]) == 1
    assert picture.caption.checkpoint.name == "tiny"


def test_a_large_picture_is_kept_with_the_size_of_its_file():
    picture = keep(visitor(), encoded(Image.new("RGB", (4000, 3000)), "JPEG"))
    assert (picture.width, picture.height) == (4000, 3000)


def test_the_checkpoint_is_known_by_the_hash_of_its_configuration(tiny_checkpoint, picture):
    config = (tiny_checkpoint / "config.json").read_bytes()
    assert picture.caption.checkpoint.hash == hashlib.sha256(config).hexdigest()


def test_pages_get_a_small_copy_and_a_thumbnail(coffee):
    picture = keep(visitor(), encoded(coffee.resize((1500, 1000)), "PNG"))
    shown, thumbnail = (decoded(file.read()) for file in (picture.shown, picture.thumbnail))
    assert (shown.format, shown.size) == ("JPEG", (1024, 683))
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (480, 320))
    assert difference(shown, coffee.resize((1024, 683))) < 8


def test_the_copies_for_pages_have_none_of_the_metadata(coffee):
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"  # GPS
    exif[0x010E] = "at home"
    picture = keep(visitor(), encoded(coffee, "JPEG", exif=exif, comment=b"at home"))
    assert b"at home" in picture.original.read()
    for file in (picture.shown, picture.thumbnail):
        content = file.read()
        assert not decoded(content).getexif()
        assert b"at home" not in content


def test_the_name_is_the_last_part_of_the_one_sent(coffee_jpeg):
    assert keep(visitor(), coffee_jpeg, "holiday.jpg").name == "holiday.jpg"


def test_files_are_named_at_random(coffee_jpeg, picture):
    other = keep(visitor(), coffee_jpeg)
    assert {file.name for file in picture.files}.isdisjoint(file.name for file in other.files)
    assert "photo" not in picture.original.name


def test_an_owner_stores_the_same_pixels_once(coffee, coffee_jpeg, picture):
    before = kept_files()
    again = keep(picture.owner, coffee_jpeg)
    turned = coffee.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = keep(picture.owner, encoded(coffee, "PNG"))
    sideways = keep(picture.owner, encoded(turned, "PNG", exif=exif))
    assert again.pk == picture.pk
    assert upright.pk == sideways.pk != picture.pk  # JPEG changes the pixels, PNG does not
    assert set(before) < set(kept_files())
    assert len(kept_files()) == 6


def test_owners_do_not_share_files(coffee_jpeg, picture):
    other = keep(visitor(), coffee_jpeg)
    assert other.pk != picture.pk
    assert len(kept_files()) == 6


def test_the_same_pixels_are_computed_once_whoever_asks(computations, coffee_jpeg):
    first, second = keep(visitor(), coffee_jpeg), keep(visitor(), coffee_jpeg)
    keep(second.owner, coffee_jpeg)
    assert len(computations) == 1
    assert second.caption.data == first.caption.data
    assert StoredCaption.objects.count() == 2


def test_another_checkpoint_adds_a_caption_of_its_own(switch_checkpoint, coffee_jpeg, picture):
    switch_checkpoint()
    again = keep(picture.owner, coffee_jpeg)
    assert again.pk == picture.pk
    assert again.captions.count() == 2
    assert again.caption.checkpoint.name == "other"
    assert again.sentence == again.caption.sentence
    assert set(Checkpoint.objects.values_list("name", flat=True)) == {"tiny", "other"}


def test_a_picture_that_cannot_be_captioned_is_not_kept(coffee_jpeg, monkeypatch):
    def fail(*_, **__):
        raise engine.EngineError("The model is busy.", permanent=False)

    monkeypatch.setattr(engine, "caption_photographs", fail)
    with pytest.raises(engine.EngineError):
        keep(visitor(), coffee_jpeg)
    assert not Picture.objects.exists()
    assert kept_files() == []


def test_a_picture_that_cannot_be_stored_leaves_no_files(coffee_jpeg, monkeypatch):
    def fail(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(Picture, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        keep(visitor(), coffee_jpeg)
    assert kept_files() == []


@pytest.mark.django_db(transaction=True)
def test_the_same_picture_sent_twice_at_once_is_kept_once(coffee_jpeg):
    owner, barrier, found = visitor(), threading.Barrier(4), []

    def send():
        barrier.wait()
        found.append(keep(owner, coffee_jpeg).pk)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [owner.pictures.get().pk] * 4
    assert len(kept_files()) == 3


def test_the_slower_of_two_requests_gets_the_picture_of_the_faster(coffee_jpeg, picture):
    """On PostgreSQL both may find that the picture is not there yet."""
    photograph = open_photograph(SimpleUploadedFile("photo.jpg", coffee_jpeg))
    assert services._store(picture.owner, photograph) == picture
    assert len(kept_files()) == 3


def test_a_kept_picture_has_the_tags_of_its_caption(coffee_jpeg, tagging):
    tagging(0.8, cup=0.9, saucer=0.6)
    picture = keep(visitor(), coffee_jpeg)
    assert picture.tags == picture.keywords == "cup saucer"
    assert picture.confidence == picture.caption.data["confidence"] == 0.8
    assert [tag["word"] for tag in picture.caption.data["tags"]] == ["cup", "saucer"]


def test_another_caption_replaces_the_tags_and_the_confidence(
    coffee_jpeg, tagging, switch_checkpoint
):
    tagging(0.8, cup=0.9)
    picture = keep(visitor(), coffee_jpeg)
    switch_checkpoint()
    again = keep(picture.owner, coffee_jpeg)
    assert (again.confidence, again.keywords) == (None, "")


def test_a_corrected_picture_has_no_keywords(coffee_jpeg, tagging):
    tagging(cup=0.9)
    picture = keep(visitor(), coffee_jpeg)
    services.correct(picture, "A mug.")
    assert (picture.tags, picture.keywords) == ("cup", "")
    services.correct(picture, "")
    assert picture.keywords == "cup"


def test_a_correction_stands_beside_the_caption(picture):
    services.correct(picture, "  A\x00cup\n of coffee. ")
    picture.refresh_from_db()
    assert picture.correction == picture.description == "A cup of coffee."
    assert picture.corrected is not None
    assert picture.sentence == picture.caption.sentence != picture.correction


def test_the_description_is_updated_at_once(picture):
    services.correct(picture, "A cup of coffee.")
    assert picture.description == "A cup of coffee."


def test_an_empty_correction_brings_the_caption_back(picture):
    services.correct(picture, "A cup of coffee.")
    services.correct(picture, " ")
    assert (picture.correction, picture.corrected) == ("", None)
    assert picture.description == picture.sentence


def test_a_correction_survives_another_caption(switch_checkpoint, coffee_jpeg, picture):
    services.correct(picture, "A cup of coffee.")
    switch_checkpoint()
    assert keep(picture.owner, coffee_jpeg).description == "A cup of coffee."


def test_a_deleted_picture_leaves_no_rows_and_no_files(picture, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        services.delete(picture)
    assert not Picture.objects.exists()
    assert not StoredCaption.objects.exists()
    assert kept_files() == []


def test_a_shared_link_is_long_and_stays_the_same(picture):
    token = services.share(picture)
    assert len(token) >= 43  # 32 random bytes
    assert services.share(picture) == token
    picture.refresh_from_db()
    assert picture.share_token == token


def test_a_revoked_link_is_never_reused(picture):
    former = services.share(picture)
    services.revoke(picture)
    picture.refresh_from_db()
    assert picture.share_token is None
    assert services.share(picture) != former
