import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from pytorch.model.confidence import (
    ALWAYS,
    WITH_CONCEPTS,
    ConfidenceModel,
    Familiarity,
    evidence_of,
)
from pytorch.model.vocabulary import Vocabulary
from tests.tiny import tiny_captioner, tiny_confidence, tiny_detector

CHANNELS = 6
WORDS = torch.tensor([[4, 7, 9, Vocabulary.end], [12, Vocabulary.end, 0, 0]])
REGIONS = torch.rand(2, 4, CHANNELS, generator=torch.Generator().manual_seed(5))
STEPS = torch.rand(2, 4, 18, generator=torch.Generator().manual_seed(6)).log_softmax(dim=2)


def evidence(*, detector=None, words=WORDS, regions=REGIONS, steps=STEPS):
    """The evidence of the captions by name."""
    confidence = tiny_confidence(detector)
    values = confidence.evidence(regions, words, steps, detector)
    return dict(zip(confidence.names, values.T, strict=True))


def test_the_evidence_depends_on_what_there_is_to_detect():
    assert evidence_of(None) == ALWAYS
    assert evidence_of(tiny_detector()) == ALWAYS + WITH_CONCEPTS


def test_the_log_probabilities_of_words_are_averaged_without_padding():
    found = evidence()
    expected = (STEPS[1, 0, 12] + STEPS[1, 1, Vocabulary.end]) / 2
    assert torch.isclose(found["mean word"][1], expected)


def test_a_picture_like_a_prototype_is_near_and_a_flat_one_has_no_contrast():
    familiarity = Familiarity(CHANNELS, prototypes=2)
    prototypes = torch.tensor([[1.0, 2, 0, 0, 1, 0], [0, 0, -1, 1, 0, 3]])
    familiarity.prototypes.copy_(functional.normalize(prototypes, dim=1))
    pictures = torch.stack([3 * prototypes[1], -prototypes[0]]).unsqueeze(1)
    distances = familiarity(pictures)
    assert distances[0] == pytest.approx(0, abs=1e-3)
    assert distances[1] >= 1
    flat = REGIONS[:, :1].expand_as(REGIONS)
    assert evidence(regions=flat)["contrast"].tolist() == [0, 0]


def test_concepts_that_a_caption_says_are_weighed_against_those_that_are_seen():
    detector = tiny_detector()
    scores = detector(REGIONS)[0]  # of the words 4 to 9
    found = evidence(detector=detector)
    said = torch.stack([scores[0], scores[3], scores[5]])
    assert torch.isclose(found["mean concept"][0], said.log().mean())
    assert torch.isclose(found["said"][0], said.sum() / scores.sum())
    assert torch.isclose(found["seen"][0], scores.mean())


def test_a_caption_without_any_concept_says_none_of_what_is_seen():
    found = evidence(detector=tiny_detector())
    assert math.isnan(found["mean concept"][1])
    assert found["said"][1] == 0


def test_what_is_unknown_counts_as_the_average():
    confidence = tiny_confidence(tiny_detector())
    known = torch.rand(1, len(confidence.names))
    unknown = known.clone()
    unknown[0, 4] = torch.nan
    known[0, 4] = confidence.mean[4]
    assert torch.equal(confidence(unknown), confidence(known))


@given(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3))
def test_a_confidence_is_a_probability(values):
    confidence = tiny_confidence()(torch.tensor([values]))
    assert 0 <= confidence.item() <= 1


def test_evidence_that_nothing_gives_is_refused():
    with pytest.raises(ValueError, match="There is no evidence 'mood'"):
        ConfidenceModel(["distance", "mood"], Familiarity(CHANNELS))
    with pytest.raises(ValueError, match="no evidence 'mean concept'"):
        tiny_confidence(tiny_detector()).evidence(REGIONS, WORDS, STEPS, None)


PICTURES = torch.rand(3, 4, 1280, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("injection", ["attention", "semantic-attention"])
def test_the_confidence_of_a_caption_depends_on_nothing_else_in_its_batch(injection):
    captioner = tiny_captioner(injection)
    captioner.confidence = tiny_confidence(captioner.concepts, channels=1280)
    together = [caption.confidence for caption in captioner.caption_regions(PICTURES)]
    alone = [captioner.caption_regions(PICTURES[row : row + 1])[0].confidence for row in range(3)]
    assert together == pytest.approx(alone, rel=1e-4)
    assert len(set(together)) > 1


def test_a_model_of_confidence_changes_nothing_else_of_a_caption():
    captioner = tiny_captioner()
    plain = captioner.caption_regions(PICTURES)
    assert {caption.confidence for caption in plain} == {None}
    captioner.confidence = tiny_confidence(channels=1280)
    judged = captioner.caption_regions(PICTURES)
    assert [dataclasses.replace(caption, confidence=None) for caption in judged] == plain


def test_a_captioner_without_a_model_of_confidence_gathers_no_evidence():
    with pytest.raises(ValueError, match="no model of confidence"):
        tiny_captioner().evidence(PICTURES[:1], WORDS[:1])
