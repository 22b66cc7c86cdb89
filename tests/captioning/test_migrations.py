"""Migrations of a database with pictures in it."""

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection

from captioning.library import services
from captioning.library.queries import find_pictures
from captioning.models import Picture, StoredCaption
from tests.captioning.library.kept import keep, visitor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def migrate():
    """Migrate the application, as the command does; afterwards everything is up to date again."""
    yield lambda name: call_command("migrate", "captioning", name, verbosity=0)
    call_command("migrate", verbosity=0)


def content_types():
    ContentType.objects.clear_cache()
    return set(ContentType.objects.filter(app_label="captioning").values_list("pk", "model"))


def test_the_models_have_no_changes_without_a_migration():
    call_command("makemigrations", "--check", "--dry-run")


def triggers():
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
        return [name for (name,) in cursor.fetchall()]


def test_renaming_the_stored_captions_loses_nothing(migrate, coffee_jpeg):
    before = triggers(), content_types()
    picture = keep(visitor(), coffee_jpeg)
    services.correct(picture, "A cup of coffee.")
    [stored] = StoredCaption.objects.values()
    migrate("0002_search")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM captioning_caption")
        assert cursor.fetchone() == (1,)
    migrate("0003_stored_caption")
    assert content_types() == before[1]
    migrate("0004_tags")
    assert list(StoredCaption.objects.values()) == [stored]
    assert (triggers(), content_types()) == before
    assert [each.pk for each in find_pictures(Picture.objects.all(), "cups")] == [picture.pk]
    services.correct(picture, "A mug.")
    assert [each.pk for each in find_pictures(Picture.objects.all(), "mug")] == [picture.pk]
    assert keep(picture.owner, coffee_jpeg).captions.get().pk == stored["id"]
    picture.delete()
    assert not StoredCaption.objects.exists()


def test_pictures_of_before_have_no_tags_and_are_found(migrate, coffee_jpeg):
    before = triggers()
    picture = keep(visitor(), coffee_jpeg)
    services.correct(picture, "A cup of coffee.")
    migrate("0003_stored_caption")
    with connection.cursor() as cursor:
        cursor.execute("SELECT rowid FROM captioning_search WHERE captioning_search MATCH 'cups'")
        assert cursor.fetchall() == [(picture.pk,)]
    assert triggers() == before
    migrate("0004_tags")
    assert triggers() == before
    [again] = find_pictures(Picture.objects.all(), "cups")
    assert (again.tags, again.keywords, again.description) == ("", "", "A cup of coffee.")
    services.correct(again, "")
    Picture.objects.update(tags="spoon")
    assert [each.pk for each in find_pictures(Picture.objects.all(), "spoons")] == [picture.pk]
    again.delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO captioning_search(captioning_search) VALUES ('integrity-check')"
        )
