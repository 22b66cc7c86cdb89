import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytorch.model.decoding import DecodingConfig
from pytorch.model.search import search
from pytorch.model.vocabulary import Vocabulary
from tests.pytorch.model.found import trimmed
from tests.tiny import tiny_decoder, tiny_images

seeds = st.integers(0, 1000)
END, PAD = Vocabulary.end, Vocabulary.pad


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
