import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytorch.model.constraints import Constraints
from pytorch.model.decoding import DecodingConfig
from pytorch.model.injections import INJECTIONS
from pytorch.model.search import search
from pytorch.model.vocabulary import Vocabulary
from tests.pytorch.model.found import log_probability, trimmed
from tests.tiny import one_by_one, tiny_decoder, tiny_images

END = Vocabulary.end
SIZE = 18  # words of the vocabulary
ORDINARY = range(4, SIZE)
WAYS = {
    "greedy": {"beam_size": 1},
    "beam": {"beam_size": 3},
    "wide beam": {"beam_size": 20},
    "without repeats": {"beam_size": 3, "no_repeat_ngram": 1},
    "normalized": {"beam_size": 3, "length_normalization": 1.0},
    "sampling": {"beam_size": 3, "top_p": 0.9},
}

seeds = st.integers(0, 1000)
every_injection = pytest.mark.parametrize("injection", INJECTIONS)
every_way = pytest.mark.parametrize("way", list(WAYS))


def marked(words, size=SIZE):
    """A row (V,) that is True for these words."""
    row = torch.zeros(size, dtype=torch.bool)
    row[list(words)] = True
    return row


def constraints_of(required, forbidden):
    """Build constraints from lists of sets, as long for every image, and from sets."""
    sets = [torch.stack([marked(words) for words in image]) for image in required]
    return Constraints(torch.stack(sets), torch.stack([marked(words) for words in forbidden]))


def drawn(seed, images=4):
    """Draw constraints: up to three sets for each image, and some forbidden words."""
    source = random.Random(seed)
    required, forbidden = [], []
    for _ in range(images):
        words = source.sample(ORDINARY, len(ORDINARY))
        forbidden.append(words[: source.randint(0, 4)])
        sets = [source.sample(words[4:], source.randint(1, 3)) for _ in range(3)]
        required.append([words if source.random() < 0.4 else [] for words in sets])
    return constraints_of(required, forbidden)


def meets(caption, required, forbidden):
    """Whether a caption says a word of each set (S, V), and none that is forbidden (V,)."""
    words = [word for word in caption if word != END]
    sets = required[required.any(dim=1)]
    return bool(sets[:, words].any(dim=1).all()) and not forbidden[words].any()


def config_of(way, max_words=8):
    return DecodingConfig(max_words=max_words, **WAYS[way])


@every_way
@settings(max_examples=20, deadline=None)
@given(seed=seeds, max_words=st.integers(3, 8))
def test_every_caption_says_what_it_must_and_nothing_that_it_must_not(way, seed, max_words):
    constraints = drawn(seed)
    config = config_of(way, max_words)
    found = search(tiny_decoder(seed=seed), tiny_images(seed), config, constraints)
    assert found.words.shape[:2] == (4, config.beam_size)
    for candidates, totals, required, forbidden in zip(
        *found, constraints.required, constraints.forbidden, strict=True
    ):
        assert totals[0].isfinite()
        captions = [trimmed(words) for words in candidates[totals.isfinite()]]
        assert all(meets(caption, required, forbidden) for caption in captions)
        assert len(set(map(tuple, captions))) == len(captions)
        assert all(END not in caption[:-1] and caption[0] != END for caption in captions)


@pytest.mark.slow
@every_injection
@every_way
@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_a_batch_gives_the_same_captions_as_its_images_one_by_one(injection, way, seed):
    decoder, constraints, config = tiny_decoder(injection, seed=seed), drawn(seed), config_of(way)
    together = search(decoder, tiny_images(seed), config, constraints)
    for number, image in enumerate(one_by_one(tiny_images(seed))):
        own = Constraints(
            constraints.required[number : number + 1], constraints.forbidden[number : number + 1]
        )
        alone = search(decoder, image, config, own)
        torch.testing.assert_close(alone.log_probabilities[0], together.log_probabilities[number])
        is_caption = together.log_probabilities[number].isfinite()
        assert list(map(trimmed, alone.words[0][is_caption])) == list(
            map(trimmed, together.words[number][is_caption])
        )


@every_way
@settings(max_examples=10, deadline=None)
@given(seed=seeds, sets=st.integers(0, 3))
def test_empty_constraints_change_nothing(way, seed, sets):
    decoder, images, config = tiny_decoder(seed=seed), tiny_images(seed), config_of(way)
    nothing = constraints_of([[[]] * sets or [[]]] * 4, [[]] * 4)
    found = search(decoder, images, config, nothing)
    plain = search(decoder, images, config)
    assert torch.equal(found.words, plain.words)
    assert torch.equal(found.log_probabilities, plain.log_probabilities)


@every_way
def test_what_others_must_say_does_not_change_an_image_without_constraints(way):
    decoder, images, config = tiny_decoder(), tiny_images(0), config_of(way)
    constraints = constraints_of([[[5], [6]], [[], []], [[7], []], [[], []]], [[8], [], [9], []])
    mixed = search(decoder, images, config, constraints)
    plain = search(decoder, images, config)
    for number in (1, 3):
        assert list(map(trimmed, mixed.words[number])) == list(map(trimmed, plain.words[number]))
    assert mixed.words[0, 0].tolist() != plain.words[0, 0].tolist()


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_forbidding_words_that_a_greedy_caption_does_not_say_changes_nothing(seed):
    decoder, images, config = tiny_decoder(seed=seed), tiny_images(seed), config_of("greedy")
    plain = search(decoder, images, config)
    unsaid = [set(ORDINARY) - set(words[0].tolist()) for words in plain.words]
    found = search(decoder, images, config, constraints_of([[[]]] * 4, unsaid))
    assert torch.equal(found.words, plain.words)


@every_way
@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_the_totals_are_the_log_probabilities_of_the_words(way, seed):
    decoder, images = tiny_decoder(seed=seed), tiny_images(seed)
    found = search(decoder, images, config_of(way), drawn(seed))
    with torch.inference_mode():
        for image, candidates, totals in zip(one_by_one(images), *found, strict=True):
            for words, total in zip(candidates, totals, strict=True):
                if total.isfinite():
                    expected = log_probability(decoder, image, trimmed(words))
                    assert total.item() == pytest.approx(expected, abs=1e-4)


@every_way
def test_if_there_are_too_few_words_a_caption_says_as_many_as_it_can(way):
    constraints = constraints_of([[[5], [6, 7]], [[8], [8]]], [[], []])
    images = tiny_images(0, images=2)
    found = search(tiny_decoder(), images, config_of(way, max_words=1), constraints)
    assert found.words[0, 0].item() in {5, 6, 7}
    assert found.words[1, 0].item() == 8  # a word of both sets


@every_way
def test_the_last_words_are_those_still_to_be_said(way):
    decoder = tiny_decoder()
    with torch.no_grad():
        decoder.bias[[5, 6]] = -20
    constraints = constraints_of([[[5], [6]]] * 4, [[]] * 4)
    found = search(decoder, tiny_images(0), config_of(way, max_words=2), constraints)
    assert [set(words[0].tolist()) for words in found.words] == [{5, 6}] * 4


class TestWhatIsRefused:
    def test_too_many_sets(self):
        with pytest.raises(ValueError, match="at most 3 sets of words, not 4"):
            constraints_of([[[5], [6], [7], [8]]], [[]])

    def test_a_word_that_is_required_and_forbidden(self):
        with pytest.raises(ValueError, match=r"Word number 5 is both .* for image number 1"):
            constraints_of([[[6]], [[5, 6]]], [[5], [5]])

    @pytest.mark.parametrize("token", range(4))
    def test_a_special_token_that_must_be_said(self, token):
        with pytest.raises(ValueError, match="cannot be asked for <pad>, <start>, <end>, <unk>"):
            constraints_of([[[token]]], [[]])

    def test_forbidding_all_words(self):
        with pytest.raises(ValueError, match="All words are forbidden"):
            constraints_of([[[]]], [ORDINARY])
