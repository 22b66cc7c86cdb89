import pytest
import torch

from pytorch.model.concepts import ConceptDetector
from pytorch.model.people_detector import PeopleDetector, class_count, seen_in
from tests.tiny import tiny_detector

REGIONS = torch.rand(3, 4, 6, generator=torch.Generator().manual_seed(1))


def test_it_reads_the_mean_of_the_regions_and_the_roots_of_the_classes():
    detector = tiny_detector(1, channels=6)
    seen = seen_in(REGIONS, detector)
    assert seen.shape == (3, 6 + class_count(detector))
    assert torch.equal(seen[:, :6], REGIONS.mean(dim=1))
    torch.testing.assert_close(seen[:, 6:] ** 2, detector.class_probabilities(REGIONS))


@pytest.mark.parametrize("detector", [None, ConceptDetector([5], layer=torch.nn.Linear(6, 1))])
def test_without_a_classifier_it_reads_the_regions_alone(detector):
    assert class_count(detector) == 0
    assert torch.equal(seen_in(REGIONS, detector), REGIONS.mean(dim=1))


def test_it_gives_a_probability_for_each_image():
    detector = tiny_detector(1, channels=6)
    found = PeopleDetector(6, class_count(detector))(REGIONS, detector)
    assert found.shape == (3,)
    assert ((found > 0) & (found < 1)).all()
