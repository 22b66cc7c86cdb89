from pytorch.model.imagenet_words import imagenet_words
from pytorch.model.people import PEOPLE
from pytorch.model.tokenization import tokenize

CLASSES = imagenet_words()
PEOPLE_CLASSES = {"n09835506": "player", "n10148035": "groom", "n10565667": "diver"}


def names_of(wnid):
    [names] = [row.names for row in CLASSES if row.wnid == wnid]
    return names


def test_there_are_a_thousand_classes_in_the_order_of_their_ids():
    wnids = [row.wnid for row in CLASSES]
    assert len(wnids) == 1000
    assert wnids == sorted(set(wnids))


def test_every_class_has_a_name():
    assert all(row.names for row in CLASSES)


def test_words_are_as_the_tokenizer_splits_captions():
    words = {word for row in CLASSES for word in row.names + row.general}
    assert [word for word in words if tokenize(word) != [word]] == []


def test_no_word_of_a_class_is_there_twice():
    for row in CLASSES:
        words = row.names + row.general
        assert len(set(words)) == len(words), row


def test_three_classes_are_people_and_no_other_has_a_word_of_them():
    for row in CLASSES:
        if row.wnid in PEOPLE_CLASSES:
            assert PEOPLE_CLASSES[row.wnid] in row.names
        else:
            assert PEOPLE.isdisjoint(row.names + row.general), row


def test_names_are_what_people_say():
    assert "dog" in names_of("n02099601")  # golden retriever
    assert "car" in names_of("n03594945")  # jeep
    assert "crane" in names_of("n02012849")  # the bird
    assert "crane" in names_of("n03126707")  # the machine


def test_a_last_word_that_lies_is_no_name():
    assert "lion" not in names_of("n02077923")  # sea lion
    assert "pig" not in names_of("n02364673")  # guinea pig
    assert "dog" not in names_of("n07697537")  # hot dog
    assert "harp" not in names_of("n03494278")  # mouth harp
