import pytest
import torch
from torch import nn

from pytorch.model.concept_weights import PLACES, VALUES, detector_of_tensors, detector_tensors
from pytorch.model.concepts import ConceptDetector
from tests.tiny import tiny_detector


def loaded(tensors, *, channels=6):
    return detector_of_tensors(range(4, 10), tensors, channels=channels)


@pytest.mark.parametrize(
    "detector",
    [tiny_detector(), ConceptDetector(range(4, 10), layer=nn.Linear(6, 6))],
    ids=["with classes", "without classes"],
)
def test_a_detector_comes_back_as_it_was(detector):
    tensors = detector_tensors(detector) | {"decoder.bias": torch.zeros(1)}
    again = loaded(tensors)
    assert list(tensors) == ["decoder.bias"]
    assert again.words == detector.words
    assert again.state_dict().keys() == detector.state_dict().keys()
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, detector.state_dict()[name]), name


def test_weights_take_two_bytes_each():
    tensors = detector_tensors(tiny_detector())
    assert {tensor.dtype for name, tensor in tensors.items() if "class_words" not in name} == {
        torch.float16
    }


@pytest.mark.parametrize(
    ("name", "replacement", "message"),
    [
        ("layer.weight", None, r"lack concepts\.layer\.weight"),
        ("classifier.bias", None, r"lack concepts\.classifier\.bias"),
        (VALUES, None, r"lack concepts\.class_words\.values"),
        ("layer.bias", torch.zeros(5), r"layer\.bias has the shape \(5,\), not \(6\)"),
        ("layer.weight", torch.zeros(6, 7), r"has the shape \(6, 7\), not \(any, 6\)"),
        ("classifier.weight", torch.zeros(6), r"has the shape \(6,\), not \(any, 6\)"),
        (PLACES, torch.full((5, 2), 6), "points outside of 3 classes, 6 words"),
        (PLACES, torch.full((5, 2), -1), "points outside of 3 classes, 6 words"),
        ("colour", torch.zeros(1), r"hold concepts\.colour, which nothing here uses"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(name, replacement, message):
    tensors = detector_tensors(tiny_detector())
    tensors.pop(f"concepts.{name}", None)
    if replacement is not None:
        tensors[f"concepts.{name}"] = replacement
    with pytest.raises(ValueError, match=message):
        loaded(tensors)


def test_more_words_than_scores_are_refused():
    tensors = detector_tensors(tiny_detector())
    with pytest.raises(ValueError, match="score 6 concepts, the configuration names 7"):
        detector_of_tensors(range(4, 11), tensors, channels=6)
