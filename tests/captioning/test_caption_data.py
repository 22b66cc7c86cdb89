import json

import pytest

from captioning import engine
from captioning.caption_data import caption_data
from tests.captioning.pictures import photograph_of
from tests.tiny import tiny_captioner


@pytest.fixture
def caption(coffee):
    [caption] = engine.caption_photographs([photograph_of(coffee)])
    return caption


def test_a_caption_becomes_plain_json(caption):
    data = caption_data(caption)
    assert json.loads(json.dumps(data)) == data


def test_the_sentence_comes_with_its_probability(caption):
    data = caption_data(caption)
    assert (data["sentence"], data["text"]) == (caption.sentence, caption.text)
    assert data["probability"] == caption.probability
    assert data["log_probability"] == caption.log_probability


def test_the_confidence_and_the_tags_come_along(coffee, tagging):
    tagging(0.8, cup=0.9, table=0.2)
    [caption] = engine.caption_photographs([photograph_of(coffee)])
    data = caption_data(caption)
    assert data["confidence"] == 0.8
    assert data["tags"] == [{"word": "cup", "score": 0.9}, {"word": "table", "score": 0.2}]
    assert json.loads(json.dumps(data)) == data


def test_without_concepts_there_are_neither_confidence_nor_tags(caption):
    data = caption_data(caption)
    assert (data["confidence"], data["tags"]) == (None, [])


def test_every_word_comes_with_its_probability_runners_up_and_attention(caption):
    words = caption_data(caption)["words"]
    assert [word["text"] for word in words] == caption.text.split()
    assert "".join(word["part"] for word in words) == caption.sentence
    for data, word in zip(words, caption.words, strict=True):
        assert data["probability"] == word.probability
        assert [(each["text"], each["probability"]) for each in data["runners_up"]] == list(
            word.runners_up
        )
        assert data["attention"] == [list(row) for row in word.attention]


def test_without_attention_there_is_none(coffee):
    [caption] = tiny_captioner("init").caption([coffee])
    assert {word["attention"] for word in caption_data(caption)["words"]} == {None}


def test_the_other_candidates_come_best_first(caption):
    candidates = caption_data(caption)["candidates"]
    assert [each["sentence"] for each in candidates] == [
        candidate.sentence for candidate in caption.candidates
    ]
    assert candidates[0]["probability"] == caption.candidates[0].probability
