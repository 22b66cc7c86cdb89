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
from pytorch.evaluation.metrics import METRICS, score_captions
from pytorch.evaluation.spice import SpiceError
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


def test_a_report_without_java_says_so_and_which_meteor_it_has(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    report = score_report(CAPTIONS, EXAMPLES)
    assert report.scores == score_captions(CAPTIONS, [each.captions for each in EXAMPLES])
    assert report.notes == {
        "METEOR": METRICS["METEOR"].note,
        "SPICE": "left out: it needs Java, and there is no `java` command.",
    }
    assert [line.split("  ")[0] for line in report.lines()] == [
        *["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR (exact+stem)", "ROUGE-L", "CIDEr-D"],
        "SPICE",
    ]
    assert report.lines()[4] == f"METEOR (exact+stem)  {report.scores['METEOR']:.4f}"
    assert report.lines()[7].endswith("  left out: it needs Java, and there is no `java` command.")


def test_a_report_has_spice_where_it_can_run(monkeypatch):
    seen = []

    def spice(candidates, references):
        seen.append((candidates, references))
        return 0.25

    monkeypatch.setattr("pytorch.evaluation.evaluate.check_spice", lambda: None)
    monkeypatch.setattr("pytorch.evaluation.evaluate.spice", spice)
    report = score_report(CAPTIONS, EXAMPLES)
    assert list(report.scores) == list(METRICS)
    assert report.scores["SPICE"] == 0.25
    assert "SPICE" not in report.notes
    assert report.lines()[-1].split() == ["SPICE", "0.2500"]
    assert seen == [
        (
            [["a", "dog", "runs"], ["a", "cat"]],
            [[["a", "dog", "runs"], ["dogs"]], [["two", "cats", "sit"]]],
        )
    ]


def test_a_report_survives_a_failure_of_spice(monkeypatch):
    def fail(candidates, references):
        raise SpiceError("its Java program failed.")

    monkeypatch.setattr("pytorch.evaluation.evaluate.check_spice", lambda: None)
    monkeypatch.setattr("pytorch.evaluation.evaluate.spice", fail)
    report = score_report(CAPTIONS, EXAMPLES)
    assert "SPICE" not in report.scores
    assert report.notes["SPICE"] == "left out: its Java program failed."
