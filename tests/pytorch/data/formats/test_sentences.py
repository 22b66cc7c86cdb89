import gzip

import pytest

from pytorch.data.formats.sentences import MOST_WORDS, load_sentences
from pytorch.data.images import DatasetError

LINES = [
    "coco\tA red bus on the street.",
    "",
    "ade\tThis is a kitchen, with a stove.",
    "coco\tA dog\u2019s ball.",
]


def write(folder, *lines, packed=False):
    content = "\n".join(lines).encode() + b"\n"
    if packed:
        (folder / "sentences.tsv.gz").write_bytes(gzip.compress(content))
    else:
        (folder / "sentences.tsv").write_bytes(content)
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_sentences_are_read_as_words(tmp_path, packed):
    found = load_sentences(write(tmp_path, *LINES, packed=packed))
    assert [" ".join(words) for words in found.sentences] == [
        "a red bus on the street",
        "this is a kitchen with a stove",
        "a dog 's ball",
    ]
    assert found.name == "sentences"


def test_the_terms_name_the_sources(tmp_path):
    assert "their sources: ade (1), coco (2). Ask" in load_sentences(write(tmp_path, *LINES)).terms


def test_a_file_of_terms_is_quoted(tmp_path):
    (tmp_path / "terms.txt").write_text("Ours,\nunder CC0.\n")
    assert load_sentences(write(tmp_path, *LINES)).terms == "Ours, under CC0."


def test_very_short_and_very_long_sentences_are_left_out(tmp_path):
    long = " ".join(["word"] * MOST_WORDS)
    write(tmp_path, "x\tA small bathroom.", f"y\t{long}", f"y\t{long} more")
    found = load_sentences(tmp_path)
    assert [len(words) for words in found.sentences] == [MOST_WORDS]
    assert found.sources == {"y": 1}


@pytest.mark.parametrize(
    "line", ["A bus without a source.", "\tA bus.", "coco\t ", "coco\tA bus.\tA tram."]
)
def test_a_line_of_another_form_is_named(tmp_path, line):
    write(tmp_path, *LINES, line)
    with pytest.raises(DatasetError, match=r"sentences\.tsv, line 5, is not of the form SOURCE"):
        load_sentences(tmp_path)


def test_a_line_in_another_encoding_is_named(tmp_path):
    (tmp_path / "sentences.tsv").write_bytes(b"coco\tA red bus.\ncoco\tA caf\xe9 here.\n")
    with pytest.raises(DatasetError, match=r"sentences\.tsv, line 2, is not in UTF-8"):
        load_sentences(tmp_path)


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: b"no gzip"])
def test_a_damaged_file_is_named(tmp_path, damage):
    path = write(tmp_path, *LINES, packed=True) / "sentences.tsv.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DatasetError, match=r"sentences\.tsv\.gz cannot be read .* Get the file"):
        load_sentences(tmp_path)


def test_there_must_be_one_file_with_a_sentence_in_it(tmp_path):
    with pytest.raises(DatasetError, match="There is no file of sentences in"):
        load_sentences(tmp_path)
    write(tmp_path, "x\tA bus.")
    with pytest.raises(DatasetError, match="has no sentence of 4 to 30 words"):
        load_sentences(tmp_path)
    write(tmp_path, *LINES, packed=True)
    with pytest.raises(DatasetError, match="Two files of sentences are in"):
        load_sentences(tmp_path)
