from __future__ import annotations

import json

import pytest
import torch
from torch.nn import functional

from pytorch.model.confidence import ConfidenceModel, Familiarity, evidence_of
from pytorch.training.calibration import Judged, calibrate, fit, fitted_familiarity
from tests.tiny import tiny_detector, tiny_shapes


def model() -> ConfidenceModel:
    return ConfidenceModel(evidence_of(None), Familiarity(6))


def judged(count: int, *, seed: int = 1) -> Judged:
    """Captions of which the first kind of evidence tells, with noise, whether they are good."""
    generator = torch.Generator().manual_seed(seed)
    evidence = 5 + 3 * torch.randn(count, 3, generator=generator)
    chance = ((evidence[:, 0] - 5) / 2).sigmoid()
    good = torch.rand(count, generator=generator) < chance
    return Judged(evidence, chance, good)


def test_what_is_fitted_is_calibrated_and_reads_the_evidence_that_tells():
    confidence, captions = model(), judged(4000)
    fit(confidence, captions, torch.ones(4000))
    assert confidence.weight[0] > 10 * confidence.weight[1:].abs().max()
    found = confidence(captions.evidence)
    assert found.mean() == pytest.approx(captions.is_good.float().mean().item(), abs=1e-3)
    assert torch.allclose(found, captions.cider_d, atol=0.06)


def test_a_weight_of_two_counts_as_two_captions():
    captions = judged(60)
    once, twice = model(), model()
    fit(once, Judged(*(torch.cat([column, column]) for column in captions)), torch.ones(120))
    fit(twice, captions, 2 * torch.ones(60))
    assert torch.allclose(once.weight, twice.weight, atol=1e-4)


@pytest.mark.parametrize("good", [True, False])
def test_captions_that_are_all_alike_can_be_fitted(good):
    confidence = model()
    captions = Judged(torch.ones(20, 3), torch.ones(20), torch.full((20,), good))
    fit(confidence, captions, torch.ones(20))
    found = confidence(captions.evidence)
    assert found.isfinite().all()
    assert ((found > 0.9) == good).all()


def test_what_is_unknown_is_left_out_of_the_means():
    captions = judged(100)
    captions.evidence[::2, 1] = torch.nan
    confidence = model()
    fit(confidence, captions, torch.ones(100))
    assert torch.isclose(confidence.mean[1], captions.evidence[1::2, 1].mean())
    assert confidence(captions.evidence).isfinite().all()


def test_pictures_of_the_training_are_nearer_than_others():
    generator = torch.Generator().manual_seed(2)
    centres = torch.randn(8, 40, generator=generator)
    noise = 0.1 * torch.randn(400, 40, generator=generator)
    familiarity = fitted_familiarity(centres.repeat(50, 1) + noise, seed=1)
    near = familiarity(centres.unsqueeze(1))
    far = familiarity(torch.randn(50, 1, 40, generator=generator))
    assert near.max() < 0.2 < far.mean()


def test_few_pictures_are_prototypes_themselves():
    pictures = functional.one_hot(torch.arange(3), 5).float()
    familiarity = fitted_familiarity(pictures, seed=1)
    assert familiarity(pictures.unsqueeze(1)).abs().max() < 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("with_concepts", [False, True])
def test_a_captioner_gets_a_confidence_and_its_figures_are_plain_data(tmp_path, with_concepts):
    captioner, train, dev = tiny_shapes(tmp_path)
    if with_concepts:
        captioner.concepts = tiny_detector(channels=captioner.encoder.channels)
    figures = calibrate(captioner, train.features, {"shapes": dev})
    assert json.loads(json.dumps(figures)) == figures
    assert figures["datasets"]["shapes"]["images"] == 4
    assert sum(each["captions"] for each in figures["tenths"]) == 4
    assert list(figures["weights"]) == list(evidence_of(captioner.concepts))
    caption = captioner.caption_regions(dev.features.rows([0]))[0]
    assert 0 < caption.confidence < 1


@pytest.mark.slow
def test_the_same_seed_gives_the_same_confidence(tmp_path):
    captioner, train, dev = tiny_shapes(tmp_path)
    figures = [calibrate(captioner, train.features, {"shapes": dev}, seed=3) for _ in range(2)]
    assert figures[0] == figures[1]
