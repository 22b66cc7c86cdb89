import pytest

from captioning.library.queries import find_pictures
from captioning.models import Picture
from captioning.templatetags.library import highlight, matches_beyond
from tests.captioning.library.kept import visitor, without_files

pytestmark = pytest.mark.django_db


def test_matches_are_marked():
    without_files(visitor(), "A dog runs, and dogs run.")
    [picture] = find_pictures(Picture.objects.all(), "running")
    assert highlight(picture.marked) == "A dog <mark>runs</mark>, and dogs <mark>run</mark>."


def test_everything_but_the_marks_is_escaped():
    without_files(visitor(), "<script>dog</script> & </mark>")
    [picture] = find_pictures(Picture.objects.all(), "dog")
    assert highlight(picture.marked) == (
        "&lt;script&gt;<mark>dog</mark>&lt;/script&gt; &amp; &lt;/mark&gt;"
    )


def test_tags_that_were_searched_for_are_told_unless_the_description_has_them():
    without_files(visitor(), "A dog on the grass.", tags="dog grass ball")
    [picture] = find_pictures(Picture.objects.all(), "dogs balls")
    assert matches_beyond(picture.marked_keywords, picture.description) == ["ball"]
    [picture] = find_pictures(Picture.objects.all(), "grass")
    assert matches_beyond(picture.marked_keywords, picture.description) == []
