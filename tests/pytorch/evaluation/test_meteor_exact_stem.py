import itertools
import random
import shutil
import subprocess
from pathlib import Path

import pycocoevalcap
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytorch.evaluation.meteor_exact_stem import FUNCTION_WORDS, align, meteor_exact_stem

JAR = Path(pycocoevalcap.__path__[0], "meteor", "meteor-1.5.jar")

# Three words of one stem, a function word, and two others.
short_captions = st.lists(
    st.sampled_from(["run", "runs", "running", "a", "dog", "cat"]), min_size=1, max_size=5
)


def split(*captions):
    return [caption.split() for caption in captions]


def score(hypothesis, reference):
    return align(hypothesis.split(), reference.split()).score


def f_mean(precision, recall):
    return precision * recall / (0.85 * precision + 0.15 * recall)


def test_the_same_caption_scores_one():
    assert score("a dog runs", "a dog runs") == 1


@pytest.mark.parametrize("hypothesis", ["", "two cats"])
def test_a_caption_without_a_match_scores_zero(hypothesis):
    assert score(hypothesis, "a dog runs") == 0
    assert meteor_exact_stem([hypothesis.split()], [split("a dog runs")]) == 0


def test_an_empty_reference_scores_zero():
    assert score("a dog", "") == 0


def test_function_words_weigh_a_third_of_others():
    # "a" and "dog" of "a dog runs fast": 4 of 10, in one chunk of two words.
    expected = f_mean(1, 4 / 10) * (1 - 0.6 * (1 / 2) ** 0.2)
    assert score("a dog", "a dog runs fast") == pytest.approx(expected)


def test_a_match_of_stems_counts_six_tenths():
    assert score("dog run", "dog runs") == pytest.approx(f_mean(1.6 / 2, 1.6 / 2))


def test_recall_counts_for_more_than_precision():
    assert score("dog cat", "dog cat bird cow") < score("dog cat bird cow", "dog cat")


def test_chunks_are_penalized():
    # Two chunks, "the cat" and "on the mat sat", of six words.
    penalty = 0.6 * (2 / 6) ** 0.2
    assert score("the cat on the mat sat", "on the mat sat the cat") == pytest.approx(1 - penalty)


def test_the_beam_finds_chunks_that_begin_late():
    hypothesis = "a group of men in suits are standing in front of a statue of a lion"
    reference = "men standing in front of a statue of a lion"
    alignment = align(*split(hypothesis, reference))
    assert (alignment.matches, alignment.chunks) == (10, 2)


def test_the_best_reference_counts():
    references = [split("two cats", "a dog runs", "a dog")]
    assert meteor_exact_stem(split("a dog runs"), references) == 1


def test_counts_are_summed_over_the_corpus():
    hypotheses = split("dog cat", "red horse runs fast")
    references = [split("dog bird"), split("red horse sleeps")]
    # Three words of six match, of five in the references, in two chunks.
    expected = f_mean(3 / 6, 3 / 5) * (1 - 0.6 * (2 / 3) ** 0.2)
    assert meteor_exact_stem(hypotheses, references) == pytest.approx(expected)


@settings(deadline=None)
@given(short_captions, short_captions)
def test_the_alignment_is_the_best_of_all(hypothesis, reference):
    alignment = align(hypothesis, reference)
    matches, inexact, chunks = min(
        costs(pairs, hypothesis, reference) for pairs in every_alignment(hypothesis, reference)
    )
    assert alignment.matches == -matches
    assert alignment.inexact_weight == 3 * inexact
    whole = len(hypothesis) == len(reference) == alignment.matches and chunks == 1
    assert alignment.chunks == (0 if whole else chunks)


@settings(deadline=None)
@given(short_captions, short_captions)
def test_scores_lie_between_zero_and_one(hypothesis, reference):
    assert 0 <= align(hypothesis, reference).score <= 1


def every_alignment(hypothesis, reference):
    """All ways to match words of the same stem, as (place, place) pairs."""

    def stem(word):
        return word[:3]

    def choices(place):
        same = [o for o, word in enumerate(reference) if stem(word) == stem(hypothesis[place])]
        return [None, *same]

    for chosen in itertools.product(*map(choices, range(len(hypothesis)))):
        taken = [other for other in chosen if other is not None]
        if len(taken) == len(set(taken)):
            yield [(place, other) for place, other in enumerate(chosen) if other is not None]


def costs(pairs, hypothesis, reference):
    """Most matches first, then fewest inexact ones, then fewest chunks."""
    inexact = sum(hypothesis[place] != reference[other] for place, other in pairs)
    chunks = sum((place - 1, other - 1) not in pairs for place, other in pairs)
    return -len(pairs), inexact, chunks


@pytest.mark.skipif(shutil.which("java") is None, reason="METEOR 1.5 is a Java program")
def test_scores_are_those_of_the_java_program_without_synonyms_and_paraphrases(tmp_path):
    generator = random.Random(1)
    hypotheses = [make_caption(generator) for _ in range(60)]
    references = [[make_caption(generator) for _ in range(5)] for _ in hypotheses]
    expected, expected_total = java_scores(hypotheses, references, tmp_path)
    scores = [
        max(score(hypothesis, reference) for reference in captions)
        for hypothesis, captions in zip(hypotheses, references, strict=True)
    ]
    assert scores == pytest.approx(expected, abs=1e-6)
    total = meteor_exact_stem(split(*hypotheses), [split(*captions) for captions in references])
    assert total == pytest.approx(expected_total, abs=1e-6)


def java_scores(hypotheses, references, folder):
    """The scores of METEOR 1.5 with our function words and nothing but exact and stem matches."""
    words = folder / "function.words"
    words.write_text("".join(f"{word}\n" for word in sorted(FUNCTION_WORDS)))
    command = ["java", "-Xmx1G", "-jar", JAR, "-", "-", "-stdio", "-l", "en", "-lower"]
    command += ["-m", "exact stem", "-w", "1.0 0.6", "-s", words]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:

        def ask(*parts):
            program.stdin.write(" ||| ".join(parts) + "\n")
            program.stdin.flush()
            return program.stdout.readline().strip()

        pairs = zip(hypotheses, references, strict=True)
        counts = [ask("SCORE", *captions, hypothesis) for hypothesis, captions in pairs]
        scores = [ask("EVAL", *counts), *(program.stdout.readline() for _ in counts)]
        program.stdin.close()
    return list(map(float, scores[:-1])), float(scores[-1])


def make_caption(generator):
    """A sentence in which no word stands in two forms: there the program drops some matches."""
    thing, other = generator.sample(
        [("dog", "dogs"), ("cat", "cats"), ("boy", "boys"), ("red ball", "red balls")], 2
    )
    acts = [("runs", "running"), ("jumps", "jumping"), ("plays", "playing"), ("sits", "sitting")]
    act = generator.choice(generator.choice(acts))
    subject = generator.choice([f"a {thing[0]}", f"the {thing[0]}", f"two {thing[1]} are"])
    place = generator.choice(["with", "in front of", "behind", "on the grass near"])
    return f"{subject} {act} {place} {generator.choice(['a', 'the', 'some'])} {other[0]}"
