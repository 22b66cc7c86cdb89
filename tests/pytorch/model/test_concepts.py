import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pytorch.model.concepts import (
    GENERAL_WORD,
    ConceptDetector,
    class_word_scores,
    standardized,
)
from pytorch.model.imagenet_words import ClassWords, imagenet_words
from tests.tiny import tiny_detector

seeds = st.integers(0, 1000)


def regions(seed: int, images: int = 3):
    return torch.rand(images, 4, 6, generator=torch.Generator().manual_seed(seed))


@settings(deadline=None)
@given(seed=seeds)
def test_what_either_says_raises_the_score_and_none_leaves_0_to_1(seed):
    detector = tiny_detector(seed)
    both = detector(regions(seed))
    learned = detector.learned(regions(seed))
    classes = detector.class_probabilities(regions(seed)) @ detector.class_words
    assert (both >= torch.maximum(learned, classes) - 1e-6).all()
    assert (both <= 1).all()
    torch.testing.assert_close(1 - both, (1 - learned) * (1 - classes))


def test_without_a_classifier_the_learned_layer_decides_alone():
    detector = ConceptDetector((4, 5), layer=nn.Linear(6, 2))
    assert torch.equal(detector(regions(0)), detector.learned(regions(0)))
    with pytest.raises(ValueError, match="no classifier"):
        detector.class_probabilities(regions(0))


def test_the_order_of_the_regions_does_not_matter():
    detector = tiny_detector()
    torch.testing.assert_close(detector(regions(0)), detector(regions(0).flip(1)))


@settings(deadline=None)
@given(seed=seeds, count=st.integers(1, 8))
def test_the_strongest_concepts_are_those_with_the_highest_scores(seed, count):
    detector = tiny_detector(seed)
    probabilities = detector(regions(seed))
    strongest = detector.strongest(probabilities, count)
    for row, words, scores in zip(probabilities, strongest.words, strongest.scores, strict=True):
        by_word = dict(zip(detector.words, row.tolist(), strict=True))
        assert scores.tolist() == sorted(by_word.values(), reverse=True)[:count]
        assert [by_word[word] for word in words.tolist()] == scores.tolist()


def test_training_leaves_its_weights_alone():
    assert not any(weight.requires_grad for weight in tiny_detector().parameters())


def test_its_weights_survive_half_precision():
    for weights in tiny_detector().parameters():
        assert torch.equal(weights, weights.half().float())


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"layer": nn.Linear(6, 3)}, "There are 2 concept words, but the layer scores 3"),
        ({"classifier": nn.Linear(6, 5)}, "A classifier needs class_words"),
        ({"class_words": torch.zeros(5, 2)}, "class_words a classifier"),
        (
            {"classifier": nn.Linear(7, 5), "class_words": torch.zeros(5, 2)},
            "reads 6 channels, but the classifier 7",
        ),
        (
            {"classifier": nn.Linear(6, 5), "class_words": torch.zeros(5, 3)},
            r"has the shape \(5, 3\), not \(5, 2\)",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        ConceptDetector((4, 5), **{"layer": nn.Linear(6, 2), **parts})


def test_a_class_gives_its_names_more_than_its_general_words():
    classes = (
        ClassWords("n1", ("cat", "tabby"), ("animal",)),
        ClassWords("n2", ("animal",), ("animal", "thing")),
        ClassWords("n3", ("crab",), ()),
    )
    scores = class_word_scores(["animal", "tabby", "dog", "cat"], classes)
    expected = [[GENERAL_WORD, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]]
    torch.testing.assert_close(scores, torch.tensor(expected))


def test_every_class_has_a_name_among_the_words_of_all_classes():
    classes = imagenet_words()
    words = sorted({word for each in classes for word in (*each.names, *each.general)})
    scores = class_word_scores(words, classes)
    assert scores.shape == (1000, len(words))
    assert (scores.amax(dim=1) == 1).all()


@settings(deadline=None)
@given(seed=seeds)
def test_standardisation_folds_into_the_weights(seed):
    torch.manual_seed(seed)
    layer, x = nn.Linear(6, 4), torch.randn(3, 6) * 5 + 2
    mean, deviation = torch.randn(6), torch.rand(6) + 0.1
    folded = standardized(layer, mean, deviation)
    torch.testing.assert_close(folded(x), layer((x - mean) / deviation), rtol=1e-4, atol=1e-4)


def test_a_word_that_is_named_twice_is_refused():
    with pytest.raises(ValueError, match="named twice"):
        ConceptDetector((4, 4), layer=nn.Linear(6, 2))
