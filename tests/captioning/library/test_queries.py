import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioning.library import services
from captioning.library.queries import find_pictures, significant_words
from captioning.models import Picture
from tests.captioning.library.kept import visitor, without_files

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return visitor()


def found(query):
    return [picture.description for picture in find_pictures(Picture.objects.all(), query)]


def test_words_are_found_in_all_their_forms(owner):
    without_files(owner, "A dog runs through snow.")
    without_files(owner, "A cat sleeps in the snow.")
    assert found("dog running in the snow") == ["A dog runs through snow."]
    assert found("DOGS") == ["A dog runs through snow."]


def test_every_word_must_match_except_stop_words(owner):
    without_files(owner, "A dog runs through snow.")
    assert found("dog on a hill") == []
    assert found("the dog is on it") == ["A dog runs through snow."]


def test_accents_do_not_matter(owner):
    without_files(owner, "A café.")
    assert found("cafe") == found("CAFÉ") == ["A café."]


def test_an_empty_query_finds_all(owner):
    without_files(owner, "A dog.")
    without_files(owner, "A cat.")
    assert found(" ") == ["A cat.", "A dog."]


@pytest.mark.parametrize("query", ["!?", "the", "*"])
def test_a_query_without_significant_words_finds_nothing(owner, query):
    without_files(owner, "The dog.")
    assert found(query) == []


def test_results_come_newest_first(owner):
    for sentence in ["A dog.", "A cat.", "A dog and a dog."]:
        without_files(owner, sentence)
    assert found("dog") == ["A dog and a dog.", "A dog."]


def test_only_the_given_pictures_are_searched(owner):
    mine = without_files(owner, "A dog.")
    without_files(visitor(), "A dog.")
    assert list(find_pictures(owner.pictures.all(), "dog")) == [mine]


def test_a_correction_is_searched_instead_of_the_caption(owner):
    picture = without_files(owner, "A dog.")
    services.correct(picture, "A wolf.")
    assert (found("dog"), found("wolf")) == ([], ["A wolf."])
    services.correct(picture, "")
    assert (found("dog"), found("wolf")) == (["A dog."], [])


def test_tags_are_searched_beside_the_description(owner):
    without_files(owner, "A bowl on a table.", tags="banana fruit")
    without_files(owner, "A bowl.", tags="apple fruit")
    assert found("bananas") == ["A bowl on a table."]
    assert found("banana table") == ["A bowl on a table."]
    assert found("fruit") == ["A bowl.", "A bowl on a table."]
    assert found("banana dog") == []


def test_matches_are_marked_in_the_description_and_in_the_keywords(owner):
    without_files(owner, "Two bananas.", tags="banana fruit")
    [picture] = find_pictures(Picture.objects.all(), "fruit banana")
    assert picture.marked == "Two \x02bananas\x03."
    assert picture.marked_keywords == "\x02banana\x03 \x02fruit\x03"


def test_a_correction_is_searched_instead_of_the_tags(owner):
    picture = without_files(owner, "A dog.", tags="dog grass")
    services.correct(picture, "A wolf.")
    assert (found("dog"), found("grass"), found("wolf")) == ([], [], ["A wolf."])
    services.correct(picture, "")
    assert found("grass") == ["A dog."]


def test_the_index_follows_bulk_updates(owner):
    without_files(owner, "A dog.")
    Picture.objects.update(sentence="A cat.", tags="rug")
    assert (found("dog"), found("cat"), found("rug")) == ([], ["A cat."], ["A cat."])


def test_nothing_of_a_deleted_picture_stays_in_the_index(owner):
    without_files(owner, "A dog.", tags="grass")
    owner.delete()
    assert found("dog") == []
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO captioning_search(captioning_search) VALUES ('integrity-check')"
        )


@pytest.mark.parametrize(
    "query",
    [
        'dog"',
        "dog OR cat",
        "NOT dog",
        "dog*",
        "NEAR(dog cat)",
        "description:dog",
        "(dog",
        "^dog",
        "-dog",
    ],
)
def test_there_is_no_query_syntax(owner, query):
    without_files(owner, "A dog.")
    words = significant_words(query)
    assert found(query) == (["A dog."] if words == ["dog"] else [])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text())
def test_no_query_makes_the_search_fail(owner, query):
    found(query)


@pytest.mark.django_db(transaction=True)
def test_the_index_can_be_dropped_and_rebuilt_over_existing_pictures(owner):
    without_files(owner, "A dog.")
    MigrationExecutor(connection).migrate([("captioning", "0001_library")])
    MigrationExecutor(connection).migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())
    assert found("dog") == ["A dog."]
