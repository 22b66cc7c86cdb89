"""SPICE's own program needs CoreNLP, half a gigabyte: a stand-in for it is run here."""

import json
import sys

import pytest

from pytorch.evaluation.java import JavaMetricError
from pytorch.evaluation.spice import CORENLP, PROGRAM, spice

HYPOTHESES = [["a", "dog"], ["two", "cats"]]
REFERENCES = [[["a", "dog", "runs"], ["the", "dog"]], [["cats"]]]

# Keeps the captions it is given ($4) and writes the scores (to $6) that the test prepared.
WORKING_JAVA = 'cat "$4" > "$SPICE_TEST/given.json"\ncat "$SPICE_TEST/scores.json" > "$6"\n'


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with pycocoevalcap, CoreNLP and a `java` that works."""
    library = tmp_path / "packages" / "pycocoevalcap" / "spice" / "lib"
    library.mkdir(parents=True)
    (library.parent / PROGRAM).touch()
    for name in CORENLP:
        (library / name).touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "packages")])
    monkeypatch.delitem(sys.modules, "pycocoevalcap", raising=False)
    (tmp_path / "bin").mkdir()
    write_java(tmp_path, WORKING_JAVA)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("SPICE_TEST", str(tmp_path))
    return tmp_path


def write_java(machine, script):
    java = machine / "bin" / "java"
    java.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}")
    java.chmod(0o755)


def write_scores(machine, *scores):
    rows = [{"image_id": 0, "scores": {"All": {"f": score}}} for score in scores]
    (machine / "scores.json").write_text(json.dumps(rows))


def test_the_score_is_the_mean_of_what_the_program_gives_each_image(machine):
    write_scores(machine, 0.25, 0.5)
    assert spice(HYPOTHESES, REFERENCES) == 0.375
    assert json.loads((machine / "given.json").read_text()) == [
        {"image_id": 0, "test": "a dog", "refs": ["a dog runs", "the dog"]},
        {"image_id": 1, "test": "two cats", "refs": ["cats"]},
    ]


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("bin/java", "there is no `java` command"),
        ("packages/pycocoevalcap/spice/lib/stanford-corenlp-3.6.0-models.jar", "CoreNLP 3.6.0"),
        ("packages/pycocoevalcap/spice/spice-1.0.jar", "spice-1.0.jar"),
    ],
)
def test_a_missing_part_is_named(machine, missing, reason):
    (machine / missing).unlink()
    with pytest.raises(JavaMetricError, match=reason):
        spice(HYPOTHESES, REFERENCES)


def test_without_the_package_spice_cannot_be_computed(machine, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(JavaMetricError, match="pycocoevalcap, which is not installed"):
        spice(HYPOTHESES, REFERENCES)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo Out of memory >&2; echo at line 1 >&2; exit 3", r"failed \(Out of memory\)"),
        ("exit 1", "it gave no reason"),
        ("exit 0", r"could not be used \(No such file or directory\)"),
        ("printf '\\377' > \"$6\"", "no scores that can be read"),
        ('echo "[1, 2" > "$6"', "no scores that can be read"),
        ('echo "[]" > "$6"', "no scores that can be read"),
        ('echo \'[{"scores": null}]\' > "$6"', "no scores that can be read"),
    ],
)
def test_a_program_that_fails_gives_a_reason(machine, script, reason):
    write_java(machine, script)
    with pytest.raises(JavaMetricError, match=reason):
        spice(HYPOTHESES, REFERENCES)
