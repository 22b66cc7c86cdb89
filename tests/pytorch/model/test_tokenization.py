import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from pytorch.model.tokenization import _tokenize_any, sentence, sentence_parts, tokenize

PROJECT = Path(__file__).resolve().parents[3]
COCO_SAMPLE = PROJECT.parent / "shared/data/coco-sample/annotations/captions_train2017.json"

needs_java = pytest.mark.skipif(
    shutil.which("java") is None, reason="The Stanford tokenizer needs Java."
)

# Captions and the tokens that the COCO evaluation tools give them.
AWKWARD = {
    "A dog runs.": "a dog runs",
    "Two  dogs, running ; jumping": "two dogs running jumping",
    "A dog's ball isn't the dogs' ball.": "a dog 's ball is n't the dogs ball",
    "A dog 's ball": "a dog 's ball",
    "It\u2019s what they\u2019re doing": "it 's what they 're doing",
    "I cannot, you can't, we're gonna.": "i can not you ca n't we 're gon na",
    "An ant's-eye-view": "an ant 's eye-view",
    "It is the dog's.": "it is the dog 's",
    "A man sits. He wears a hat.He smiles.": "a man sits he wears a hat.he smiles",
    "On land..": "on land",
    "It sits..A cat stands .A man waits...": "it sits a cat stands a man waits",
    "Fog\u2026 and rain": "fog and rain",
    "Crowds in Washington D.C.": "crowds in washington d.c.",
    "A U.S. flag at 3 p.m. on Main St.": "a u.s. flag at 3 p.m. on main st.",
    "Mr. Smith vs. Dr. Who": "mr. smith vs. dr. who",
    "A dog in the sun. A cat": "a dog in the sun a cat",
    "A clock reads 10:30am, or 3:05.": "a clock reads 10:30 am or 3:05",
    "1,000 people, 0.5 miles": "1,000 people 0.5 miles",
    "A cake for $5.99, 50% off!": "a cake for $ 5.99 50 % off",
    "Jersey (#7) [left]": "jersey -lrb- # 7 -rrb- -lsb- left -rsb-",
    'A sign says "Stop."': "a sign says stop",
    "A \u201cquoted\u201d 'sign' here": "a quoted sign here",
    "A slip 'n slide in the '80s": "a slip 'n slide in the '80s",
    "A t-shirt - not a jacket -- a man- sized one -no": "a t-shirt not a jacket a man sized one no",
    "A man \u2013 or two\u2014waiting": "a man or two waiting",
    "A man w/ a hat and/or coat": "a man w / a hat and/or coat",
    "A bed & breakfast": "a bed & breakfast",
    "a bed &amp; breakfast": "a bed & breakfast",
    "a sign=stop": "a sign = stop",
    "a player -lrb- in red -RRB- -lcb- runs": "a player -lrb- in red -rrb- -lcb- runs",
    "an <unk>, <UNK>'s <start> x<end>. <unk>-like": "an <unk> <unk> 's <start> x <end> <unk> like",
    "a <b>red</b> dog <3": "a <b> red </b> dog < 3",
    "A caf\u00e9 with cr\u00e8me br\u00fbl\u00e9e": "a caf\u00e9 with cr\u00e8me br\u00fbl\u00e9e",
    "\u72ac\u304c\u8d70\u308b": "\u72ac\u304c\u8d70\u308b",
    "a\tdog\u00a0runs\u200bfast": "a dog runs fast",
    "...!": "",
    "'": "",
    '"': "",
}


@pytest.mark.parametrize(("caption", "expected"), AWKWARD.items())
def test_an_awkward_caption_is_split_as_coco_does(caption, expected):
    assert tokenize(caption) == expected.split()


@needs_java
def test_the_expected_tokens_are_those_of_the_stanford_tokenizer():
    assert stanford_tokens(list(AWKWARD)) == [expected.split() for expected in AWKWARD.values()]


@needs_java
@pytest.mark.skipif(not COCO_SAMPLE.exists(), reason=f"There are no captions at {COCO_SAMPLE}.")
def test_coco_captions_are_split_as_the_stanford_tokenizer_does():
    annotations = json.loads(COCO_SAMPLE.read_text(encoding="utf-8"))["annotations"]
    captions = [annotation["caption"] for annotation in annotations]
    pairs = zip(captions, stanford_tokens(captions), strict=True)
    different = [caption for caption, tokens in pairs if tokenize(caption) != tokens]
    assert len(different) < len(captions) / 1000, different


def test_words_of_the_shipped_vocabulary_are_not_split():
    # Otherwise a caption could contain a word that no reference can have.
    words = json.loads((PROJECT / "pytorch/shipped/everyday/vocabulary.json").read_text())
    assert [word for word in words if tokenize(f"the {word} dog") != ["the", word, "dog"]] == []


@pytest.mark.parametrize("caption", ["", " ", "\n", "\u2028", ".", "?!", '""', "- ' ..."])
def test_a_caption_without_words_has_no_tokens(caption):
    assert tokenize(caption) == []


@settings(deadline=None)  # the first example imports NLTK
@given(st.text())
def test_any_text_gives_tokens_without_white_space_or_capitals(caption):
    for token in tokenize(caption):
        assert token
        assert token.split() == [token]
        assert token == token.lower()


@settings(deadline=None)  # the first example imports NLTK
@given(st.text(alphabet="ab.,'\"-/()1: "))
def test_surrounding_white_space_changes_nothing(caption):
    assert tokenize(f" {caption}\n") == tokenize(caption)


PIECES = ["a", "dog", "cannot", "gonna", "st", "etc", "t-shirt", "-", ",", ".", " ", "\n"]


@settings(deadline=None)  # the first example imports NLTK
@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_a_plain_caption_is_split_as_any_other(caption):
    assert tokenize(caption) == _tokenize_any(caption)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ""),
        ("a dog runs", "A dog runs."),
        ("a dog 's ball is on the grass", "A dog's ball is on the grass."),
        ("they 're what i 'd say it is n't", "They're what i'd say it isn't."),
        ("a player -lrb- # 7 -rrb- runs", "A player (#7) runs."),
        ("people in washington d.c.", "People in washington d.c."),
        ("'s", "'s."),
        ("\u00e9clairs", "\u00c9clairs."),
    ],
)
def test_words_become_a_sentence(words, expected):
    assert sentence(words.split()) == expected


def test_a_sentence_is_split_into_one_part_for_each_word():
    assert sentence_parts(["a", "dog", "'s", "ball"]) == ["A", " dog", "'s", " ball."]
    assert sentence_parts(["a", "-lrb-", "red", "-rrb-", "ball"]) == [
        "A",
        " (",
        "red",
        ")",
        " ball.",
    ]
    assert sentence_parts([]) == []


@given(st.lists(st.text(min_size=1).filter(lambda word: not any(map(str.isspace, word)))))
def test_each_word_has_its_part_of_the_sentence(words):
    assert len(sentence_parts(words)) == len(words)


PHRASES = ["a", "man", "dog 's", "they 're", "is n't", "# 7", "-lrb- red -rrb-", "u.s.", "t-shirt"]


@settings(deadline=None)  # the first example imports NLTK
@given(st.lists(st.sampled_from(PHRASES)))
def test_the_words_of_a_sentence_are_those_it_was_made_of(phrases):
    words = " ".join([*phrases, "here"]).split()  # a last "a" would be the abbreviation "a."
    assert tokenize(sentence(words)) == words


def stanford_tokens(captions):
    tokenized = PTBTokenizer().tokenize(
        {number: [{"caption": caption}] for number, caption in enumerate(captions)}
    )
    return [tokenized[number][0].split() for number in range(len(captions))]
