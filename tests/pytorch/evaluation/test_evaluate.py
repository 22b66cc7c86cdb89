from pathlib import Path

import pytest
import torch

from pytorch.data.datasets import Example
from pytorch.data.features import RegionFeatures
from pytorch.data.images import ImageFiles
from pytorch.data.prepared import PreparedSplit
from pytorch.evaluation.evaluate import (
    cider_d_of_images,
    evaluate,
    generate_captions,
)
from pytorch.evaluation.metrics import score_captions
from pytorch.model.decoding import DecodingConfig
from tests.tiny import tiny_captioner

NAMES = [f"{number}.jpg" for number in range(53)]  # more than one batch


@pytest.fixture
def features():
    generator = torch.Generator().manual_seed(0)
    array = torch.rand(len(NAMES), 4, 1280, generator=generator).half().numpy()
    return RegionFeatures(NAMES, array)


def split_of(features, examples):
    return PreparedSplit(tuple(examples), features, ImageFiles([]), Path("unused"))


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
    assert evaluate(captioner, split_of(features, examples)).scores["BLEU-4"] == pytest.approx(1)


def test_scores_are_those_of_the_captions(features):
    examples = [Example(name, ("the dog runs", "a cat sits on grass")) for name in NAMES]
    evaluation = evaluate(tiny_captioner(), split_of(features, examples))
    references = [example.captions for example in examples]
    assert evaluation.scores == score_captions(evaluation.captions, references)


def test_features_of_other_images_are_refused(features):
    examples = [Example("other.jpg", ("a dog",))] * len(NAMES)
    with pytest.raises(ValueError, match="belong to other images than its examples"):
        evaluate(tiny_captioner(), split_of(features, examples))


EXAMPLES = [Example("dog.jpg", ("a dog runs", "dogs")), Example("cat.jpg", ("two cats sit",))]
CAPTIONS = ["a dog runs", "a cat"]


def test_the_mean_score_of_the_images_is_the_score_of_the_split():
    scores = cider_d_of_images(CAPTIONS, EXAMPLES)
    expected = score_captions(CAPTIONS, [example.captions for example in EXAMPLES])["CIDEr-D"]
    assert scores[0] > scores[1]
    assert sum(scores) / 2 == pytest.approx(expected)
