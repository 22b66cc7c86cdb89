import dataclasses
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytorch.model.constraints import Constraints
from pytorch.model.decoding import DecodingConfig
from pytorch.model.injections import INJECTIONS
from pytorch.model.search import search, word_log_probabilities
from pytorch.model.vocabulary import Vocabulary
from tests.pytorch.model.found import log_probability, trimmed
from tests.tiny import one_by_one, tiny_decoder, tiny_images

every_injection = pytest.mark.parametrize("injection", INJECTIONS)
seeds = st.integers(0, 1000)
END, PAD = Vocabulary.end, Vocabulary.pad


class TestNucleusSampling:
    @every_injection
    @settings(max_examples=10, deadline=None)
    @given(seed=seeds)
    def test_a_batch_gives_the_same_captions_as_its_images_one_by_one(self, injection, seed):
        decoder = tiny_decoder(injection, seed=seed)
        config = DecodingConfig(beam_size=3, max_words=8, top_p=0.9, sampling_seed=seed)
        together = search(decoder, tiny_images(seed), config)
        for number, image in enumerate(one_by_one(tiny_images(seed))):
            alone = search(decoder, image, config)
            assert list(map(trimmed, alone.words[0])) == list(map(trimmed, together.words[number]))

    def test_the_seed_decides_the_captions(self):
        def sampled(seed):
            config = DecodingConfig(beam_size=2, max_words=8, top_p=1.0, sampling_seed=seed)
            return search(tiny_decoder(), tiny_images(0), config).words.tolist()

        assert sampled(1) == sampled(1)
        assert sampled(1) != sampled(2)

    def test_a_narrow_nucleus_is_greedy_search(self):
        decoder = tiny_decoder()
        narrow = DecodingConfig(beam_size=1, max_words=8, top_p=1e-6)
        greedily = DecodingConfig(beam_size=1, max_words=8)
        found, expected = (search(decoder, tiny_images(0), config) for config in (narrow, greedily))
        assert torch.equal(found.words, expected.words)

    def test_words_are_as_frequent_as_they_are_probable_in_the_nucleus(self):
        decoder, image = tiny_decoder(), tiny_images(0, images=1)
        memory = decoder.prepare(image)
        start = torch.tensor([Vocabulary.start])
        logits = decoder.step(start, decoder.start(memory), memory).logits[0]
        chances = word_log_probabilities(logits, first=True).exp()
        ordered, words = chances.sort(descending=True)
        size = int((ordered.cumsum(0) < 0.6).sum()) + 1
        expected = torch.zeros_like(chances)
        expected[words[:size]] = ordered[:size] / ordered[:size].sum()
        config = DecodingConfig(beam_size=1000, max_words=1, top_p=0.6)
        counts = torch.zeros_like(chances)
        for seed in range(3):
            found = search(decoder, image, dataclasses.replace(config, sampling_seed=seed))
            counts += torch.bincount(found.words.flatten(), minlength=len(counts))
        assert (counts / counts.sum() - expected).abs().max() < 0.04

    def test_the_nucleus_holds_only_words_that_may_come_next(self):
        decoder = tiny_decoder()
        with torch.no_grad():
            decoder.bias[4] = 12  # nearly always the first word, and then forbidden
            decoder.bias[5] = 6
        config = DecodingConfig(beam_size=50, max_words=2, top_p=0.3, no_repeat_ngram=1)
        assert {
            tuple(words)
            for words in search(decoder, tiny_images(0), config).words.flatten(0, 1).tolist()
        } == {(4, 5)}

    def test_a_caption_that_is_sampled_twice_counts_once(self):
        decoder = tiny_decoder()
        config = DecodingConfig(beam_size=6, max_words=8, top_p=0.05)
        found = search(decoder, tiny_images(0), config)
        for candidates, totals in zip(found.words, found.log_probabilities, strict=True):
            captions = {tuple(trimmed(words)) for words in candidates}
            assert totals.isfinite().sum() == len(captions)


class TestConstrainedBeamSearch:
    @settings(max_examples=20, deadline=None)
    @given(seed=seeds, sets=st.lists(st.sets(st.integers(4, 6), min_size=1), max_size=3))
    def test_a_wide_beam_finds_the_most_probable_caption_that_says_a_word_of_each_set(
        self, seed, sets
    ):
        decoder = tiny_decoder(vocabulary_size=7, seed=seed)
        image = tiny_images(seed, images=1)
        required = torch.zeros(1, len(sets), 7, dtype=torch.bool)
        for place, words in enumerate(sets):
            required[0, place, list(words)] = True
        constraints = Constraints(required, torch.zeros(1, 7, dtype=torch.bool))
        every = [
            [*words, END] for size in (1, 2) for words in itertools.product((4, 5, 6), repeat=size)
        ]
        every += [list(words) for words in itertools.product((4, 5, 6), repeat=3)]
        met = [caption for caption in every if all(words & set(caption) for words in sets)]
        found = search(decoder, image, DecodingConfig(beam_size=60, max_words=3), constraints)
        with torch.inference_mode():
            best = max(met, key=lambda caption: log_probability(decoder, image, caption))
        assert trimmed(found.words[0, 0]) == best
        assert found.log_probabilities.isfinite().sum() == len(met)

    @settings(max_examples=20, deadline=None)
    @given(seed=seeds, beam_size=st.integers(1, 4))
    def test_a_set_of_all_words_changes_nothing(self, seed, beam_size):
        decoder, images = tiny_decoder(seed=seed), tiny_images(seed)
        config = DecodingConfig(beam_size=beam_size, max_words=8)
        required = torch.ones(4, 1, 18, dtype=torch.bool)
        required[..., :4] = False
        forbidden = torch.zeros(4, 18, dtype=torch.bool)
        found = search(decoder, images, config, Constraints(required, forbidden))
        plain = search(decoder, images, config)
        assert [list(map(trimmed, image)) for image in found.words] == [
            list(map(trimmed, image)) for image in plain.words
        ]
        torch.testing.assert_close(found.log_probabilities, plain.log_probabilities)

    @pytest.mark.parametrize("beam_size", [1, 3])
    def test_a_word_that_is_never_probable_is_said_once_in_every_candidate(self, beam_size):
        decoder, image = tiny_decoder(), tiny_images(0, images=1)
        with torch.no_grad():
            decoder.bias[7] = -1e4
        required = torch.zeros(1, 1, 18, dtype=torch.bool)
        required[..., 7] = True
        constraints = Constraints(required, torch.zeros(1, 18, dtype=torch.bool))
        config = DecodingConfig(beam_size=beam_size, max_words=8)
        [captions], [totals] = search(decoder, image, config, constraints)
        assert totals.isfinite().all()
        assert [trimmed(caption).count(7) for caption in captions] == [1] * beam_size
