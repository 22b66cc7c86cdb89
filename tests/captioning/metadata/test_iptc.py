import pytest

from captioning.metadata import MetadataError, iptc
from captioning.metadata.iptc import CAPTION, CHARACTER_SET, UTF_8, Dataset

CITY = (2, 90)
KEYWORD = (2, 25)


def written(*datasets):
    return b"".join(bytes(Dataset(number, value)) for number, value in datasets)


def test_a_caption_is_written_in_utf_8():
    assert iptc.described(None, "Café") == written(
        (CHARACTER_SET, UTF_8), (CAPTION, "Café".encode())
    )


def test_other_datasets_stay_in_their_order():
    former = written(
        ((1, 0), b"\0\4"), (CITY, b"Rome"), (KEYWORD, b"b"), (CAPTION, b"Old."), (KEYWORD, b"a")
    )
    assert iptc.described(former, "New.") == written(
        ((1, 0), b"\0\4"),
        (CHARACTER_SET, UTF_8),
        (CITY, b"Rome"),
        (KEYWORD, b"b"),
        (KEYWORD, b"a"),
        (CAPTION, b"New."),
    )


def test_long_values_keep_their_extended_length():
    former = written(((2, 202), b"x" * 70_000))
    assert written(((2, 202), b"x" * 70_000)) in iptc.described(former, "New.")


@pytest.mark.parametrize("charset", [[], [(CHARACTER_SET, b"\x1b.A")]])
def test_texts_in_another_character_set_stay_unchanged(charset):
    former = written(*charset, (CITY, "Zürich".encode("latin-1")), (CAPTION, b"Old."))
    others = written(*charset, (CITY, "Zürich".encode("latin-1")))
    assert iptc.described(former, "New.") == others + written((CAPTION, b"New."))
    assert iptc.described(former, "Café") == others


def test_keywords_join_those_of_the_file():
    former = written((KEYWORD, b"Rome"), (CAPTION, b"Old."), (KEYWORD, "Zürich".encode()))
    assert iptc.described(former, "New.", ["rome", "dog", "Dog", "zürich", "café"]) == written(
        (CHARACTER_SET, UTF_8),
        (KEYWORD, b"Rome"),
        (KEYWORD, "Zürich".encode()),
        (KEYWORD, b"dog"),
        (KEYWORD, "café".encode()),
        (CAPTION, b"New."),
    )


def test_a_long_keyword_is_cut_and_not_added_again():
    once = iptc.described(None, "New.", ["é" * 40])
    assert iptc.keywords_in(once) == ["é" * 32]
    assert iptc.described(once, "New.", ["é" * 40]) == once


def test_keywords_in_another_character_set_are_read_and_only_ascii_joins_them():
    former = written((KEYWORD, "Zürich".encode("latin-1")))
    assert iptc.keywords_in(former) == ["Zürich"]
    assert iptc.described(former, "New.", ["Zürich", "café", "dog"]) == former + written(
        (KEYWORD, b"dog"), (CAPTION, b"New.")
    )


def test_a_long_caption_is_cut_between_characters():
    changed = iptc.described(None, "é" * 999 + "€€")
    assert iptc.description_in(changed) == "é" * 999


def test_the_caption_is_read():
    assert iptc.description_in(written((CAPTION, "Café ".encode()))) == "Café"
    assert iptc.description_in(written((CITY, b"Rome"))) == ""
    assert iptc.description_in(None) == ""


def test_padding_after_the_datasets_is_ignored():
    assert iptc.described(written((CITY, b"Rome")) + b"\0\0\0", "New.").endswith(b"New.")


@pytest.mark.parametrize(
    "iim", [b"\x1c", b"\x1c\2\x78\0\5abc", b"\x1d\2\x78\0\1a", b"\x1c\2\x78\x80\4\xff\xff\xff\xffa"]
)
def test_damaged_datasets_are_refused(iim):
    with pytest.raises(MetadataError, match="IPTC metadata of this file is damaged"):
        iptc.described(iim, "New.")
