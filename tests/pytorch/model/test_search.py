import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytorch.model.decoding import DecodingConfig
from pytorch.model.injections import INJECTIONS
from pytorch.model.search import sample, search, word_log_probabilities
from pytorch.model.vocabulary import Vocabulary
from tests.pytorch.model.found import log_probability, trimmed
from tests.tiny import one_by_one, tiny_decoder, tiny_images

every_injection = pytest.mark.parametrize("injection", INJECTIONS)
seeds = st.integers(0, 1000)
END, PAD = Vocabulary.end, Vocabulary.pad


def greedy(decoder, images, max_words):
    """Search greedily, independently of the code under test."""
    captions = []
    for image in one_by_one(images):
        memory = decoder.prepare(image)
        state, word, caption = decoder.start(memory), torch.tensor([Vocabulary.start]), []
        while len(caption) < max_words and caption[-1:] != [END]:
            logits, state, _ = decoder.step(word, state, memory)
            word = word_log_probabilities(logits, first=not caption).argmax(dim=1)
            caption.append(word.item())
        captions.append(caption)
    return captions


@every_injection
@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_beam_size_one_is_greedy_search(injection, seed):
    decoder = tiny_decoder(injection, seed=seed)
    with torch.inference_mode():
        expected = greedy(decoder, tiny_images(seed), max_words=8)
    found = search(decoder, tiny_images(seed), DecodingConfig(beam_size=1, max_words=8))
    assert [trimmed(image[0]) for image in found.words] == expected


@pytest.mark.slow
@every_injection
@settings(max_examples=20, deadline=None)
@given(seed=seeds, beam_size=st.integers(1, 5))
def test_a_batch_gives_the_same_captions_as_its_images_one_by_one(injection, seed, beam_size):
    decoder = tiny_decoder(injection, seed=seed)
    config = DecodingConfig(beam_size=beam_size, max_words=8)
    together = search(decoder, tiny_images(seed), config)
    for number, image in enumerate(one_by_one(tiny_images(seed))):
        alone = search(decoder, image, config)
        torch.testing.assert_close(alone.log_probabilities[0], together.log_probabilities[number])
        assert list(map(trimmed, alone.words[0])) == list(map(trimmed, together.words[number]))


@pytest.mark.slow
@every_injection
@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_the_total_is_the_log_probability_of_the_words(injection, seed):
    decoder = tiny_decoder(injection, seed=seed)
    found = search(decoder, tiny_images(seed), DecodingConfig(beam_size=3, max_words=8))
    with torch.inference_mode():
        expected = [
            [log_probability(decoder, image, trimmed(words)) for words in candidates]
            for image, candidates in zip(one_by_one(tiny_images(seed)), found.words, strict=True)
        ]
    torch.testing.assert_close(found.log_probabilities, torch.tensor(expected))


@settings(max_examples=20, deadline=None)
@given(seed=seeds, beam_size=st.integers(1, 6))
def test_candidates_differ_and_never_hold_special_tokens(seed, beam_size):
    decoder = tiny_decoder(seed=seed)
    found = search(decoder, tiny_images(seed), DecodingConfig(beam_size=beam_size, max_words=8))
    for candidates in found.words:
        captions = [tuple(trimmed(words)) for words in candidates]
        assert len(set(captions)) == beam_size
        for caption in captions:
            assert 0 < len(caption) <= 8
            assert caption[0] != END
            assert END not in caption[:-1]
            assert not {PAD, Vocabulary.start, Vocabulary.unknown} & set(caption)


def test_a_decoder_that_never_ends_still_gives_captions():
    decoder = tiny_decoder()
    with torch.no_grad():
        decoder.bias[END] = -1e4
    found = search(decoder, tiny_images(0), DecodingConfig(beam_size=3, max_words=7))
    assert found.words.shape == (4, 3, 7)
    assert (found.words > Vocabulary.unknown).all()


def test_a_wide_beam_finds_the_most_probable_caption_of_all():
    decoder = tiny_decoder(vocabulary_size=7)
    image = tiny_images(3, images=1)
    config = DecodingConfig(beam_size=60, max_words=3)
    found = search(decoder, image, config)
    every = [[a, END] for a in (4, 5, 6)]
    every += [[a, b, END] for a in (4, 5, 6) for b in (4, 5, 6)]
    every += [[a, b, c] for a in (4, 5, 6) for b in (4, 5, 6) for c in (4, 5, 6)]
    with torch.inference_mode():
        best = max(every, key=lambda caption: log_probability(decoder, image, caption))
    assert trimmed(found.words[0, 0]) == best
    assert found.log_probabilities.isfinite().sum() == len(every)


def test_length_normalization_orders_candidates_by_mean_log_probability():
    decoder = tiny_decoder(seed=3)
    config = DecodingConfig(beam_size=5, max_words=8)
    plain = search(decoder, tiny_images(3), config)
    mean = search(decoder, tiny_images(3), dataclasses.replace(config, length_normalization=1.0))
    lengths = (mean.words != PAD).sum(dim=2)
    scores = mean.log_probabilities / lengths
    assert (scores.diff(dim=1) <= 0).all()
    assert (plain.log_probabilities.diff(dim=1) <= 0).all()
    assert not torch.equal(plain.words, mean.words)


@every_injection
def test_a_sample_has_its_log_probability(injection):
    decoder = tiny_decoder(injection)
    drawn = sample(decoder, tiny_images(0), DecodingConfig(beam_size=3, max_words=8))
    for image, captions, totals in zip(
        one_by_one(tiny_images(0)), drawn.words, drawn.log_probabilities, strict=True
    ):
        for caption, total in zip(captions, totals, strict=True):
            expected = log_probability(decoder, image, trimmed(caption))
            assert total.item() == pytest.approx(expected, abs=1e-4)


@every_injection
def test_the_log_probability_of_a_sample_has_gradients_for_every_weight(injection):
    decoder = tiny_decoder(injection)
    drawn = sample(decoder, tiny_images(0), DecodingConfig(beam_size=3, max_words=8))
    drawn.log_probabilities.sum().backward()
    for name, weight in decoder.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.any(), name
