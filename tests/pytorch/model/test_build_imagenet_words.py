from pathlib import Path

import pytest

from pytorch.model.build_imagenet_words import (
    REVIEWED,
    Synset,
    build_table,
    class_words,
    read_synsets,
)
from pytorch.model.imagenet_words import TABLE, ClassWords, imagenet_words

DATA_NOUN = Path("/usr/share/wordnet/data.noun")
LINES = [
    "  1 This software and database is being provided to you, the LICENSEE\n",
    "02099601 05 n 01 golden_retriever 0 001 @ 02099029 n 0000 | an English breed\n",
    "02099029 05 n 01 retriever 0 002 @ 02084071 n 0000 ~ 02099601 n 0000 | a dog\n",
    "02084071 05 n 02 Dog 0 domestic_dog 0 001 @ 00015388 n 0000 | a member\n",
    "02077923 05 n 01 sea_lion 0 001 @ 02076196 n 0000 | large eared seal\n",
    "02076196 05 n 01 seal 9 001 @ 00015388 n 0000 | marine mammals\n",
    "00015388 03 n 02 animal 0 fauna 0 000 | a living organism\n",
]
SYNSETS = read_synsets(LINES)


def test_synsets_are_read_with_their_names_and_what_is_above_them():
    assert SYNSETS["02099029"] == Synset(("retriever",), ("02084071",))
    assert SYNSETS["02084071"] == Synset(("dog", "domestic_dog"), ("00015388",))
    assert len(SYNSETS) == 6


def test_a_class_is_named_by_its_basic_level_and_its_last_word():
    words = class_words("n02099601", SYNSETS)
    assert words == ClassWords("n02099601", ("dog", "retriever"), ("animal",))


def test_a_last_word_of_which_wordnet_does_not_say_that_it_is_one_is_no_name():
    assert class_words("n02077923", SYNSETS).names == ("seal",)


def test_a_reviewed_row_stands_instead_of_the_rules():
    reviewed = imagenet_words(REVIEWED)[0]
    table = build_table(SYNSETS, [reviewed.wnid, "n02099601"]).splitlines()
    assert table[1] == ",".join(
        ["0", reviewed.wnid, "|".join(reviewed.names), "|".join(reviewed.general)]
    )
    assert table[2] == "1,n02099601,dog|retriever,animal"


def test_reviewed_rows_are_of_classes_in_their_order():
    reviewed = [row.wnid for row in imagenet_words(REVIEWED)]
    assert reviewed == sorted(set(reviewed))
    assert set(reviewed) <= {row.wnid for row in imagenet_words()}


@pytest.mark.skipif(
    not DATA_NOUN.exists(),
    reason=f"{DATA_NOUN} of WordNet 3.0 is not here: apt-get install wordnet-base",
)
def test_the_table_is_what_the_script_builds():
    with DATA_NOUN.open(encoding="utf-8") as file:
        synsets = read_synsets(file)
    wnids = [row.wnid for row in imagenet_words()]
    assert build_table(synsets, wnids) == TABLE.read_text(encoding="utf-8")


@pytest.mark.skipif(DATA_NOUN.exists(), reason="the whole table is compared")
def test_reviewed_rows_are_in_the_table():
    assert set(imagenet_words(REVIEWED)) <= set(imagenet_words())
