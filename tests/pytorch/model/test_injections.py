import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytorch.model.injections import INJECTIONS
from tests.tiny import tiny_decoder, tiny_images

seeds = st.integers(0, 1000)
WORDS = torch.randint(4, 18, (4, 5), generator=torch.Generator().manual_seed(0))
with_attention = pytest.mark.parametrize("injection", ["attention", "semantic-attention"])


def all_shown(seed: int = 0):
    return tiny_images(seed)._replace(shown=None)


def none_shown(seed: int = 0):
    return tiny_images(seed)._replace(shown=torch.zeros(4, dtype=torch.bool))


def predicted(image, injection="semantic-attention", seed=1):
    """Predict the words after each word of four captions, (B, T, V)."""
    with torch.inference_mode():
        return tiny_decoder(injection, seed=seed)(image, WORDS)[0]


@with_attention
def test_attention_weights_sum_to_one(injection):
    attention = tiny_decoder(injection)(all_shown(), WORDS)[1]
    assert attention.shape == (4, 5, 4)
    torch.testing.assert_close(attention.sum(dim=2), torch.ones(4, 5))


@with_attention
def test_dropout_changes_the_attended_features_but_not_the_attention_weights(injection):
    decoder = tiny_decoder(injection, dropout=0.5)
    memory = decoder.prepare(tiny_images(0))
    decoder.train()
    hidden = torch.zeros(4, decoder.config.hidden_size)
    once, again = (
        decoder.injection.output_context(
            hidden, memory, decoder.injection.input_context(hidden, memory)
        )
        for _ in range(2)
    )
    assert torch.equal(once.attention, again.attention)
    assert not torch.allclose(once.values, again.values)


@pytest.mark.parametrize("injection", INJECTIONS)
def test_all_shown_is_what_is_assumed(injection):
    explicit = all_shown()._replace(shown=torch.ones(4, dtype=torch.bool))
    assert torch.equal(predicted(explicit, injection), predicted(all_shown(), injection))


class TestSemanticAttention:
    def test_without_concepts_it_is_refused(self):
        image = tiny_images(0)._replace(concepts=None)
        with pytest.raises(ValueError, match="the captioner has no concept detector"):
            predicted(image)

    @settings(max_examples=10, deadline=None)
    @given(seed=seeds)
    def test_a_picture_that_is_not_shown_does_not_matter(self, seed):
        image = none_shown(seed)
        other = image._replace(regions=torch.rand(4, 4, 6) * 100)
        assert torch.equal(predicted(image, seed=seed), predicted(other, seed=seed))
        assert not torch.allclose(
            predicted(image, seed=seed), predicted(all_shown(seed), seed=seed)
        )

    def test_nothing_is_attended_to_in_a_picture_that_is_not_shown(self):
        attention = tiny_decoder("semantic-attention")(tiny_images(0), WORDS)[1]
        expected = torch.tensor([1.0, 0, 1, 1]).unsqueeze(1).expand(-1, 5)
        torch.testing.assert_close(attention.sum(dim=2), expected)

    @settings(max_examples=10, deadline=None)
    @given(seed=seeds)
    def test_a_concept_without_a_score_does_not_matter(self, seed):
        words, scores = all_shown(seed).concepts
        other = words.clone()
        other[:, -1] = (other[:, -1] - 4 + 1) % 14 + 4
        image = all_shown(seed)
        before, after = (
            predicted(image._replace(concepts=image.concepts._replace(words=each)), seed=seed)
            for each in (words, other)
        )
        torch.testing.assert_close(before, after)
        fewer = image.concepts._replace(words=words[:, :-1], scores=scores[:, :-1])
        torch.testing.assert_close(before, predicted(image._replace(concepts=fewer), seed=seed))

    def test_the_order_of_the_concepts_does_not_matter(self):
        image = all_shown()
        words, scores = image.concepts
        reversed_ = image.concepts._replace(words=words.flip(1), scores=scores.flip(1))
        torch.testing.assert_close(predicted(image), predicted(image._replace(concepts=reversed_)))

    @pytest.mark.parametrize("image", [all_shown(), none_shown()], ids=["shown", "not shown"])
    def test_concepts_and_their_scores_change_the_prediction(self, image):
        words, scores = image.concepts
        for change in ({"words": words.flip(0)}, {"scores": scores / 2}, {"scores": scores * 0}):
            changed = image._replace(concepts=image.concepts._replace(**change))
            assert not torch.allclose(predicted(image), predicted(changed))

    def test_with_neither_picture_nor_concepts_there_is_still_a_prediction(self):
        image = none_shown()
        nothing = image._replace(
            concepts=image.concepts._replace(scores=torch.zeros_like(image.concepts.scores))
        )
        assert predicted(nothing).isfinite().all()
