import dataclasses
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
    score_report,
)
from pytorch.evaluation.java import JavaMetricError
from pytorch.evaluation.metrics import METRICS, score_captions
from pytorch.model.search import DecodingConfig
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


def test_the_scores_of_images_have_the_split_s_score_as_their_mean():
    scores = cider_d_of_images(CAPTIONS, EXAMPLES)
    expected = score_captions(CAPTIONS, [example.captions for example in EXAMPLES])["CIDEr-D"]
    assert scores[0] > scores[1]
    assert sum(scores) / 2 == pytest.approx(expected)


def test_a_report_without_java_says_what_is_left_out(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    report = score_report(CAPTIONS, EXAMPLES)
    assert report.scores == score_captions(CAPTIONS, [each.captions for each in EXAMPLES])
    left_out = "left out: it needs Java, and there is no `java` command."
    assert report.notes == {
        "METEOR": left_out,
        "METEOR (exact+stem)": METRICS["METEOR (exact+stem)"].note,
        "SPICE": left_out,
    }
    assert [line.split("  ")[0] for line in report.lines()] == list(METRICS)
    assert report.lines()[4] == f"METEOR               {left_out}"
    assert report.lines()[5] == f"METEOR (exact+stem)  {report.scores['METEOR (exact+stem)']:.4f}"


@pytest.fixture
def java_metrics(monkeypatch):
    """Put other functions in the place of the metrics that need Java."""

    def replace(**functions):
        for name, function in functions.items():
            metric = dataclasses.replace(METRICS[name], function=function)
            monkeypatch.setitem(METRICS, name, metric)

    return replace


def test_a_report_has_the_scores_of_java_programs_that_can_run(java_metrics):
    seen = []

    def score(hypotheses, references):
        seen.append((hypotheses, references))
        return len(seen) / 4

    java_metrics(METEOR=score, SPICE=score)
    report = score_report(CAPTIONS, EXAMPLES)
    assert list(report.scores) == list(METRICS)
    assert (report.scores["METEOR"], report.scores["SPICE"]) == (0.25, 0.5)
    assert list(report.notes) == ["METEOR (exact+stem)"]
    assert report.lines()[4].split() == ["METEOR", "0.2500"]
    assert report.lines()[-1].split() == ["SPICE", "0.5000"]
    tokens = (
        [["a", "dog", "runs"], ["a", "cat"]],
        [[["a", "dog", "runs"], ["dogs"]], [["two", "cats", "sit"]]],
    )
    assert seen == [tokens, tokens]


def test_a_report_survives_a_java_program_that_fails(java_metrics):
    def fail(hypotheses, references):
        raise JavaMetricError("its Java program failed.")

    java_metrics(METEOR=fail, SPICE=lambda *_: 0.5)
    report = score_report(CAPTIONS, EXAMPLES)
    assert "METEOR" not in report.scores
    assert report.notes["METEOR"] == "left out: its Java program failed."
    assert report.scores["SPICE"] == 0.5
