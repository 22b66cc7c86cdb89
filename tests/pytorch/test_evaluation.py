import pytest
import torch

from pytorch.datasets import Example
from pytorch.evaluation import evaluate, generate_captions
from pytorch.features import RegionFeatures
from pytorch.metrics import score_captions
from pytorch.search import DecodingConfig
from tests.tiny import tiny_captioner

NAMES = [f"{number}.jpg" for number in range(53)]  # more than one batch


@pytest.fixture
def features():
    generator = torch.Generator().manual_seed(0)
    array = torch.rand(len(NAMES), 4, 1280, generator=generator).half().numpy()
    return RegionFeatures(NAMES, array)


def test_captions_are_those_the_captioner_gives(features):
    captioner = tiny_captioner()
    decoding = DecodingConfig(beam_size=3)
    expected = captioner.caption_regions(features.rows(range(len(NAMES))), decoding=decoding)
    captions = generate_captions(captioner, features, decoding=decoding)
    assert captions == [caption.text for caption in expected]


def test_captions_equal_to_a_reference_score_a_bleu_of_one(features):
    captioner = tiny_captioner()
    captions = generate_captions(captioner, features)
    examples = [
        Example(name, (caption, "a dog")) for name, caption in zip(NAMES, captions, strict=True)
    ]
    assert evaluate(captioner, features, examples).scores["BLEU-4"] == pytest.approx(1)


def test_scores_are_those_of_the_captions(features):
    examples = [Example(name, ("the dog runs", "a cat sits on grass")) for name in NAMES]
    evaluation = evaluate(tiny_captioner(), features, examples)
    references = [example.captions for example in examples]
    assert evaluation.scores == score_captions(evaluation.captions, references)


def test_features_of_other_images_are_refused(features):
    examples = [Example("other.jpg", ("a dog",))] * len(NAMES)
    with pytest.raises(ValueError, match="not those of the examples"):
        evaluate(tiny_captioner(), features, examples)
