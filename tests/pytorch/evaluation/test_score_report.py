import dataclasses

import pytest

from pytorch.data.datasets import Example
from pytorch.evaluation.faults import count_faults
from pytorch.evaluation.java import JavaMetricError
from pytorch.evaluation.metrics import METRICS, score_captions
from pytorch.evaluation.score_report import score_report

EXAMPLES = [Example("dog.jpg", ("a dog runs", "dogs")), Example("cat.jpg", ("two cats sit",))]
CAPTIONS = ["a dog runs", "a cat"]


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
    assert [line.split("  ")[0] for line in report.lines()] == [*METRICS, *report.faults]
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
    assert report.lines()[len(METRICS) - 1].split() == ["SPICE", "0.5000"]
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


def test_a_report_counts_faults(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    captions = ["a dog and a dog", "a man on a"]
    report = score_report(captions, EXAMPLES)
    assert report.faults == count_faults(captions, [each.captions for each in EXAMPLES])
    assert "dangling end         1 captions" in report.lines()
