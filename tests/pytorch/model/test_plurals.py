import pytest

from pytorch.model.plurals import plural


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("dog", "dogs"),
        ("bus", "buses"),
        ("fox", "foxes"),
        ("bench", "benches"),
        ("brush", "brushes"),
        ("puppy", "puppies"),
        ("monkey", "monkeys"),
        ("woman", "women"),
        ("fireman", "firemen"),
        ("human", "humans"),
        ("grandchild", "grandchildren"),
        ("goldfish", "goldfish"),
        ("sheep", "sheep"),
        ("wolf", "wolves"),
        ("cliff", "cliffs"),
        ("tomato", "tomatoes"),
        ("piano", "pianos"),
        ("person", "people"),
    ],
)
def test_nouns_get_the_plural_that_captions_write(noun, expected):
    assert plural(noun) == expected
