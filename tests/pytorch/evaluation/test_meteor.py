"""METEOR 1.5 itself where there is Java; its failures with a stand-in for `java`."""

import random
import shutil

import pytest
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from pytorch.evaluation.java import JavaMetricError
from pytorch.evaluation.meteor import meteor
from pytorch.model.tokenization import tokenize

needs_java = pytest.mark.skipif(
    shutil.which("java") is None, reason="METEOR 1.5 is a Java program, and there is no Java"
)

HYPOTHESES = [["a", "dog"], ["two", "cats"]]
REFERENCES = [[["a", "dog", "runs"], ["the", "dog"]], [["cats"]]]


@pytest.mark.slow
@needs_java
def test_captions_score_as_in_the_coco_tools(monkeypatch):
    # A locale with decimal commas, in which the program could not read its own numbers.
    hypotheses, references = make_corpus()
    expected = coco_score(hypotheses, references)
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Duser.language=de -Duser.country=DE")
    tokens = [tokenize(caption) for caption in hypotheses]
    reference_tokens = [[tokenize(caption) for caption in captions] for captions in references]
    score = meteor(tokens, reference_tokens)
    assert 0.2 < score < 0.9
    assert score == pytest.approx(expected, abs=1e-4)


@pytest.fixture
def java(tmp_path, monkeypatch):
    """Write a shell script that takes the place of `java`."""

    def write(script):
        path = tmp_path / "java"
        path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return write


def test_the_last_answer_is_the_score(java):
    java("read a; echo 1 2; read b; echo 3 4; read c; printf '%s\\n' 0.1 0.2 0.15")
    assert meteor(HYPOTHESES, REFERENCES) == 0.15


def test_the_program_is_asked_line_by_line(java, tmp_path):
    java(
        f"read a; echo 1 2; read b; echo 3 4; read c; "
        f'printf "%s\\n" "$a" "$b" "$c" > {tmp_path}/asked; printf "%s\\n" 0.1 0.2 0.15'
    )
    meteor(HYPOTHESES, REFERENCES)
    assert (tmp_path / "asked").read_text().splitlines() == [
        "SCORE ||| a dog runs ||| the dog ||| a dog",
        "SCORE ||| cats ||| two cats",
        "EVAL ||| 1 2 ||| 3 4",
    ]


def test_no_caption_can_end_its_part_of_the_line(java, tmp_path):
    java(
        f"IFS= read -r a; printf '%s\\n' \"$a\" > {tmp_path}/asked; echo 1; read b; echo 1; echo 1"
    )
    hypotheses = [["|||", "a", "\n", "caf\ud800é", "\r", "x|||||y"]]
    meteor(hypotheses, [[["a", "|||", "dog"], ["|||"], []]])
    assert (tmp_path / "asked").read_text() == "SCORE ||| a dog |||  |||  ||| a caf?é x ||y\n"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo Out of memory >&2; echo at line 1 >&2; exit 3", r"failed \(Out of memory\)"),
        ("echo Picked up JAVA_TOOL_OPTIONS >&2; echo Bad heap >&2; exit 1", r"failed \(Bad heap\)"),
        ("exit 0", r"failed \(it ended too early\)"),
        ("read a; echo 1 2; kill -9 $$", r"failed \(it ended too early\)"),
        ("yes no memory | head -c 1000000 >&2; read a; exit 1", r"failed \(no memory\)"),
        ("cat", r"failed \(it ended too early\)"),
        ("read a; echo 1; read a; echo 2; read a; echo 1; echo 2; echo Error", "no scores that"),
    ],
    ids=[
        "an exception",
        "a note before it",
        "no answer",
        "killed",
        "many errors",
        "too few scores",
        "no number",
    ],
)
def test_a_program_that_fails_gives_a_reason(java, script, reason):
    java(script)
    with pytest.raises(JavaMetricError, match=reason):
        meteor(HYPOTHESES, REFERENCES)


def test_a_java_that_cannot_be_started_gives_a_reason(java, tmp_path):
    java("")
    (tmp_path / "java").write_text("#!/nowhere\n")
    with pytest.raises(JavaMetricError, match=r"failed \(No such file or directory\)"):
        meteor(HYPOTHESES, REFERENCES)


def test_without_java_it_cannot_be_computed(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JavaMetricError, match="there is no `java` command"):
        meteor(HYPOTHESES, REFERENCES)


def make_corpus():
    """Captions with synonyms, capitals, punctuation, other scripts and the program's separator."""
    generator = random.Random(1)
    hypotheses = [make_caption(generator) for _ in range(40)]
    references = [[make_caption(generator) for _ in range(5)] for _ in hypotheses]
    hypotheses += ["", "A café's crème brûlée, by the Straße.", "a ||| dog", "a red ball | a dog"]
    references += [
        ["A dog runs."],
        ["The café's crème", "a street"],
        ["two dogs ... run", "a dog"],
        ["A ball | a dog (red)"],
    ]
    return hypotheses, references


def make_caption(generator):
    things = ["dog", "puppy", "man", "Woman", "boys", "children", "red ball", "bike", "bicycle"]
    acts = ["runs after", "sits on", "is sitting on", "looks at", "jumping over", "holds"]
    first, second = generator.sample(things, 2)
    article, other = generator.choice(["A", "The", "Some"]), generator.choice(["a", "the", "his"])
    return f"{article} {first} {generator.choice(acts)} {other} {second}{generator.choice('. ')}"


def coco_score(hypotheses, references):
    """METEOR as the COCO tools compute it, tokenization included."""
    results = {image: [{"caption": caption}] for image, caption in enumerate(hypotheses)}
    truths = {
        image: [{"caption": caption} for caption in captions]
        for image, captions in enumerate(references)
    }
    tokenizer = PTBTokenizer()
    score, _ = Meteor().compute_score(tokenizer.tokenize(truths), tokenizer.tokenize(results))
    return score
