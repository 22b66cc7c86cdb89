import dataclasses
import itertools
import math

import pytest
import torch

from pytorch.model.captioner import TAG_THRESHOLD
from pytorch.model.concepts import ConceptDetector
from pytorch.model.decoding import DecodingConfig
from pytorch.model.injections import INJECTIONS
from pytorch.model.people_detector import PeopleDetector
from tests.photographs import photographs
from tests.tiny import tiny_captioner

every_injection = pytest.mark.parametrize("injection", INJECTIONS)


@every_injection
def test_a_batch_gives_the_same_captions_as_its_images_one_by_one(injection):
    captioner = tiny_captioner(injection)
    together = captioner.caption(photographs())
    alone = [captioner.caption([image])[0] for image in photographs()]
    assert [caption.text for caption in together] == [caption.text for caption in alone]
    assert len({caption.text for caption in together}) > 1


@every_injection
def test_the_log_probability_includes_the_words_and_the_end(injection):
    captioner = tiny_captioner(injection)
    regions = captioner.encode(photographs())
    found = captioner.search(regions, decoding=DecodingConfig(beam_size=3))
    captions = captioner.caption_regions(regions, decoding=DecodingConfig(beam_size=3))
    for row, caption in enumerate(captions):
        candidates = (caption, *caption.candidates)
        assert len(candidates) == 3
        for candidate, total in zip(candidates, found.log_probabilities[row], strict=True):
            assert math.isclose(candidate.log_probability, total.item(), rel_tol=1e-4)
            words = sum(math.log(word.probability) for word in candidate.words)
            assert candidate.log_probability <= words + 1e-4


def test_the_best_candidate_comes_first():
    for caption in tiny_captioner().caption(photographs(), decoding=DecodingConfig(beam_size=4)):
        scores = [caption.log_probability, *(c.log_probability for c in caption.candidates)]
        assert scores == sorted(scores, reverse=True)


def test_runners_up_are_other_words_the_most_probable_first():
    caption = tiny_captioner().caption(photographs())[0]
    for word in caption.words:
        names = [name for name, _ in word.runners_up]
        chances = [chance for _, chance in word.runners_up]
        assert word.text not in names
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) + word.probability <= 1 + 1e-5
        assert not {"<pad>", "<start>", "<unk>"} & set(names)


def test_attention_is_the_region_grid_and_sums_to_one():
    caption = tiny_captioner("attention").caption(photographs())[0]
    for word in caption.words:
        assert [len(row) for row in word.attention] == [2, 2]
        assert math.isclose(sum(map(sum, word.attention)), 1, rel_tol=1e-5)


def test_a_model_without_attention_gives_none():
    caption = tiny_captioner("every-step").caption(photographs())[0]
    assert {word.attention for word in caption.words} == {None}


def test_the_sentence_has_a_capital_letter_and_a_full_stop():
    caption = tiny_captioner().caption(photographs())[0]
    assert caption.sentence == caption.text[0].upper() + caption.text[1:] + "."


def test_each_word_knows_its_part_of_the_sentence():
    caption = tiny_captioner().caption(photographs())[0]
    assert len(caption.sentence_parts) == len(caption.words)
    assert "".join(caption.sentence_parts) == caption.sentence


def test_tags_are_the_strongest_concepts_above_the_threshold():
    captioner = tiny_captioner("semantic-attention")
    regions = captioner.encode(photographs())
    scores = captioner.concepts(regions)
    captions = captioner.caption_regions(regions)
    assert any(caption.tags for caption in captions)
    for row, caption in zip(scores.tolist(), captions, strict=True):
        expected = sorted((score for score in row if score > TAG_THRESHOLD), reverse=True)
        assert [tag.score for tag in caption.tags] == expected
        numbers = [captioner.vocabulary.words.index(tag.word) for tag in caption.tags]
        assert [row[captioner.concepts.words.index(number)] for number in numbers] == expected


def test_no_more_than_eight_tags_are_given():
    captioner = tiny_captioner()
    layer = torch.nn.Linear(captioner.encoder.channels, 12)
    torch.nn.init.constant_(layer.bias, 50)
    captioner.concepts = ConceptDetector(range(4, 16), layer=layer)
    assert [len(caption.tags) for caption in captioner.caption(photographs())] == [8] * len(
        photographs()
    )


def test_without_concepts_there_are_no_tags():
    captioner = tiny_captioner()
    regions = captioner.encode(photographs())
    captions = captioner.caption_regions(regions)
    assert [caption.tags for caption in captions] == [()] * len(photographs())
    assert captioner.image_features(regions).concepts is None


def test_no_images_give_no_captions():
    assert tiny_captioner().caption([]) == []


def test_the_checkpoint_sets_the_beam_size_unless_a_call_does():
    captioner = tiny_captioner()
    captioner.decoding = dataclasses.replace(captioner.decoding, beam_size=4)
    assert len(captioner.caption(photographs())[0].candidates) == 3
    greedy = DecodingConfig(beam_size=1)
    assert len(captioner.caption(photographs(), decoding=greedy)[0].candidates) == 0


def test_a_beam_wider_than_the_number_of_captions_gives_only_possible_ones():
    captioner = tiny_captioner()
    decoding = DecodingConfig(beam_size=17, max_words=1)
    caption = captioner.caption(photographs(), decoding=decoding)[0]
    assert len(caption.candidates) == len(captioner.vocabulary) - 4 - 1
    assert all(len(candidate.words) == 1 for candidate in caption.candidates)
    assert all(c.text != "<end>" for c in (caption, *caption.candidates))


@pytest.mark.parametrize("way", [{"beam_size": 1}, {"beam_size": 3}, {"top_p": 0.9}])
def test_captions_say_what_they_must_and_nothing_that_they_must_not(way):
    captioner = tiny_captioner()
    decoding = DecodingConfig(must_say=("cat", "red|black"), must_not_say=("a", "the"), **way)
    found = captioner.search(captioner.encode(photographs()), decoding=decoding)
    for best, words in zip(
        captioner.caption(photographs(), decoding=decoding), found.words[:, 0], strict=True
    ):
        assert best.text.split() == captioner.vocabulary.decode(words.tolist())
        for caption in (best, *best.candidates):
            said = set(caption.text.split())
            assert "cat" in said
            assert said & {"red", "black"}
            assert not said & {"a", "the"}


def test_captions_follow_what_the_detector_sees():
    captioner = tiny_captioner()
    dog, person = captioner.vocabulary.encode(["dog", "person"])[1:-1]
    channels = captioner.encoder.channels
    layer, classifier = torch.nn.Linear(channels, 2), torch.nn.Linear(channels, 2)
    with torch.no_grad():
        for weights in (layer.weight, classifier.weight):
            weights.zero_()
        layer.bias.fill_(-5)
        classifier.bias.copy_(torch.tensor([5.0, 0.0]))
    class_words = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    captioner.concepts = ConceptDetector(
        [dog, person], layer=layer, classifier=classifier, class_words=class_words
    )
    captioner.people = PeopleDetector(channels, classes=2)
    captioner.people.layer.bias.fill_(-5)
    decoding = DecodingConfig(name_above=0.5, no_people_below=0.1)
    for best in captioner.caption(photographs(), decoding=decoding):
        for caption in (best, *best.candidates):
            assert "dog" in caption.text.split()
            assert "person" not in caption.text.split()


def test_captions_keep_to_grammar_if_they_are_asked_to():
    captioner = tiny_captioner()
    free, ruled = (
        [
            caption.text.split()
            for caption in captioner.caption(
                photographs(), decoding=DecodingConfig(max_words=12, grammar_rules=rules)
            )
        ]
        for rules in (False, True)
    )
    assert any(word == after for words in free for word, after in itertools.pairwise(words))
    assert all(word != after for words in ruled for word, after in itertools.pairwise(words))


def test_words_that_the_model_does_not_know_are_refused():
    captioner = tiny_captioner()
    with pytest.raises(ValueError, match="must_say has 'zebra', which is not one of the 18 words"):
        captioner.caption(photographs(), decoding=DecodingConfig(must_say=("dog|zebra",)))
