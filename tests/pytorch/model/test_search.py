import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytorch.model.injections import INJECTIONS
from pytorch.model.search import DecodingConfig, sample, search, word_log_probabilities
from pytorch.model.vocabulary import Vocabulary
from tests.tiny import one_by_one, tiny_decoder, tiny_images

every_injection = pytest.mark.parametrize("injection", INJECTIONS)
seeds = st.integers(0, 1000)
END, PAD = Vocabulary.end, Vocabulary.pad


def trimmed(words):
    """Return word numbers without the padding to the longest caption."""
    return [word for word in words.tolist() if word != PAD]


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


def log_probability(decoder, image, caption):
    """Compute the total log-probability of a caption by teacher forcing."""
    words = torch.tensor([[Vocabulary.start, *caption]])
    logits, _ = decoder(image, words[:, :-1])
    return sum(
        word_log_probabilities(logits[0, place], first=place == 0)[word].item()
        for place, word in enumerate(caption)
    )


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


def test_a_beam_size_below_one_is_refused():
    with pytest.raises(ValueError, match="beam_size must be at least 1, not 0"):
        DecodingConfig(beam_size=0)


class TestBlockingRepeats:
    @settings(max_examples=20, deadline=None)
    @given(seed=seeds, size=st.integers(1, 3), beam_size=st.integers(1, 4))
    def test_no_ngram_occurs_twice(self, seed, size, beam_size):
        decoder = tiny_decoder(seed=seed)
        config = DecodingConfig(beam_size=beam_size, max_words=8, no_repeat_ngram=size)
        for candidates in search(decoder, tiny_images(seed), config).words:
            for words in map(trimmed, candidates):
                phrases = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
                assert len(set(phrases)) == len(phrases)

    def test_it_changes_only_captions_that_repeat_themselves(self):
        decoder = tiny_decoder(seed=3)
        plain, blocking = (
            DecodingConfig(beam_size=1, max_words=8, no_repeat_ngram=size) for size in (0, 1)
        )
        before, after = (search(decoder, tiny_images(3), config) for config in (plain, blocking))
        repeats = [len(set(trimmed(words))) < len(trimmed(words)) for words in before.words[:, 0]]
        changed = [
            trimmed(old) != trimmed(new)
            for old, new in zip(before.words[:, 0], after.words[:, 0], strict=True)
        ]
        assert repeats == changed
        assert any(repeats)

    def test_if_no_word_is_left_it_repeats_one(self):
        decoder = tiny_decoder(vocabulary_size=6)
        with torch.no_grad():
            decoder.bias[END] = -1e4
        config = DecodingConfig(beam_size=1, max_words=5, no_repeat_ngram=1)
        words = search(decoder, tiny_images(0), config).words
        assert (words != PAD).any(dim=2).all()


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


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"top_p": 0.0}, "top_p must be above 0"),
        ({"top_p": 1.5}, r"at most 1, not 1\.5"),
        ({"max_words": 0}, "max_words must be at least 1, not 0"),
        ({"no_repeat_ngram": -1}, "no_repeat_ngram must be at least 0, not -1"),
        ({"length_normalization": -0.1}, r"length_normalization must be at least 0, not -0\.1"),
        (
            {"length_normalization": float("nan")},
            "length_normalization must be a finite number, not nan",
        ),
    ],
)
def test_an_option_out_of_range_is_refused(option, message):
    with pytest.raises(ValueError, match=message):
        DecodingConfig(**option)


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
