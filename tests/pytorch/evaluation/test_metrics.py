import math
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from pytorch.evaluation.metrics import METRICS, CiderD, bleu, rouge_l, score_captions

words = st.sampled_from(["a", "the", "dog", "cat", "runs", "sits", "red"])
captions = st.lists(words, max_size=9)
images = st.tuples(  # a hypothesis and its references, the first of which has words
    captions, st.tuples(st.lists(words, min_size=1, max_size=9)), st.lists(captions, max_size=3)
).map(lambda image: (image[0], [*image[1], *image[2]]))
corpora = st.lists(images, min_size=1, max_size=6).map(
    lambda corpus: tuple(zip(*corpus, strict=True))
)


@pytest.mark.slow
@settings(deadline=None)
@given(corpora)
def test_every_metric_agrees_with_the_coco_tools(corpus):
    hypotheses, references = corpus
    texts = [" ".join(hypothesis) for hypothesis in hypotheses]
    reference_texts = [[" ".join(caption) for caption in captions] for captions in references]
    scores = without_meteor(score_captions(texts, reference_texts))
    assert scores == coco_scores(texts, reference_texts)


@pytest.mark.parametrize("size", [1, 2, 60])
def test_sentences_are_scored_as_by_the_coco_tools(size):
    generator = random.Random(size)
    hypotheses = [make_caption(generator) for _ in range(size)]
    references = [[make_caption(generator) for _ in range(5)] for _ in range(size)]
    scores = without_meteor(score_captions(hypotheses, references))
    assert scores == coco_scores(hypotheses, references)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("hypotheses", "references"),
    [
        (["a dog runs"], [["a dog runs"]]),
        (["a dog"], [["a dog on the grass"]]),
        (["red"], [["a dog on the grass"]]),
        ([""], [["a dog on the grass"]]),
        (["a dog on grass", "cat"], [["grass on a dog"], ["a cat", "the cat sits here now"]]),
        (["dog dog dog dog dog dog"], [["a dog with a dog and a dog"]]),
    ],
    ids=["three words", "two words", "no match", "empty", "no four in a row", "repeated"],
)
def test_degenerate_captions_are_scored_as_by_the_coco_tools(hypotheses, references, capfd):
    scores = without_meteor(score_captions(hypotheses, references))
    assert capfd.readouterr() == ("", "")
    assert scores == coco_scores(hypotheses, references)


def test_scores_have_the_order_of_the_registry_without_those_that_need_java():
    scores = score_captions(["a dog", "a cat"], [["a dog"], ["two cats"]])
    names = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR (exact+stem)", "ROUGE-L", "CIDEr-D"]
    assert list(scores) == names
    assert list(METRICS) == [*names[:4], "METEOR", *names[4:], "SPICE"]


@settings(deadline=None, max_examples=30)
@given(corpora)
def test_scores_lie_in_the_range_of_their_metric(corpus):
    hypotheses, references = corpus
    texts = [" ".join(hypothesis) for hypothesis in hypotheses]
    reference_texts = [[" ".join(caption) for caption in captions] for captions in references]
    for name, score in score_captions(texts, reference_texts).items():
        assert 0 <= score <= METRICS[name].highest + 1e-9, name


def test_the_table_of_metrics_in_the_documentation_is_the_registry():
    text = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| .+ \| 0 to (\d+) \| (.+) \|$", text, re.MULTILINE)
    assert {name: (float(highest), citation) for name, highest, citation in rows} == {
        name: (metric.highest, metric.citation) for name, metric in METRICS.items()
    }


def test_captions_equal_to_a_reference_have_the_highest_scores():
    references = [["a dog runs on grass", "a dog"], ["two cats sleep at home", "cats"]]
    scores = score_captions([captions[0] for captions in references], references)
    for name in ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L"]:
        assert scores[name] == pytest.approx(1)


def test_captions_are_compared_without_capitals_and_punctuation():
    references = [["A dog's ball, on the grass."], ["Two cats sleep at home!"]]
    scores = score_captions(["a dog 's ball on the grass", "two cats sleep at home"], references)
    assert scores["BLEU-4"] == pytest.approx(1)
    assert scores["CIDEr-D"] == pytest.approx(10)


def test_bleu_counts_a_repeated_word_as_often_as_one_reference_has_it():
    # The example of Papineni et al., section 2.1.
    references = [split("the cat is on the mat", "there is a cat on the mat")]
    assert bleu(split("the the the the the the the"), references, n=1) == pytest.approx(2 / 7)


def test_bleu_penalizes_captions_shorter_than_their_closest_references():
    references = [split("a b c d e f", "a b c d e f g h i")]
    for n in range(1, 5):
        assert bleu(split("a b c d"), references, n) == pytest.approx(math.exp(1 - 6 / 4))


def test_bleu_takes_the_shorter_of_two_equally_close_references():
    assert bleu(split("a b c d"), [split("a b c", "a b c d e")], n=1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("hypothesis", "score"), [("police kill the gunman", 0.75), ("the gunman kill police", 0.5)]
)
def test_rouge_l_measures_the_longest_common_subsequence(hypothesis, score):
    # The example of Lin, section 3.1.
    references = [split("police killed the gunman")]
    assert rouge_l(split(hypothesis), references) == pytest.approx(score)


def test_rouge_l_weighs_recall_more_than_precision():
    # Precision 1, recall 1/2, and F = (1 + 1.44) P R / (R + 1.44 P).
    assert rouge_l(split("a b"), [split("a b c d")]) == pytest.approx(1.22 / 1.94)


def test_cider_d_of_a_caption_one_word_too_long():
    # No n-gram is in both images' references, so that all weigh the same.
    cider = CiderD([split("a b c d"), split("e f g h")])
    cosines = [4 / math.sqrt(4 * 5), 3 / math.sqrt(3 * 4), 2 / math.sqrt(2 * 3), 1 / math.sqrt(2)]
    expected = 10 * sum(cosines) / 4 * math.exp(-1 / 72)
    assert cider.score(["a", "b", "c", "d", "x"], image=0) == pytest.approx(expected)


def test_cider_d_gives_no_weight_to_words_that_every_image_has():
    cider = CiderD([split("a dog"), split("a cat")])
    assert cider.scores(split("a mat", "the cat")) == [0, pytest.approx(10 / 4 / math.sqrt(2))]


def test_cider_d_does_not_reward_repeating_a_word():
    cider = CiderD([split("a dog"), split("the cat")])
    assert cider.score(["dog", "dog", "dog"], image=0) < cider.score(["dog"], image=0)


@settings(deadline=None)
@given(corpora)
def test_cider_d_scores_a_caption_alone_as_among_others(corpus):
    hypotheses, references = corpus
    cider = CiderD(references)
    one_by_one = [cider.score(hypothesis, image) for image, hypothesis in enumerate(hypotheses)]
    assert cider.scores(hypotheses) == one_by_one


def test_no_captions_are_refused():
    with pytest.raises(ValueError, match="There are no captions to score"):
        score_captions([], [])


@pytest.mark.parametrize("hypotheses", [["a dog"], ["a dog", "a cat", "a cow"]])
def test_more_or_fewer_hypotheses_than_images_are_refused(hypotheses):
    message = f"There are {len(hypotheses)} hypothesis captions for the references of 2 images"
    references = [["a dog"], ["a cat"]]
    with pytest.raises(ValueError, match=message):
        score_captions(hypotheses, references)
    with pytest.raises(ValueError, match=message):
        rouge_l(split(*hypotheses), [split("a dog"), split("a cat")])
    with pytest.raises(ValueError, match=message):
        CiderD([split("a dog"), split("a cat")]).scores(split(*hypotheses))


def test_an_image_without_references_is_named():
    with pytest.raises(ValueError, match=r"Image 1 \(counted from 0\) has no reference captions"):
        score_captions(["a dog", "a cat"], [["a dog"], []])


def test_a_single_text_as_references_is_refused():
    with pytest.raises(ValueError, match=r"references of image 1 .* the single text 'a cat'"):
        score_captions(["a dog", "a cat"], [["a dog"], "a cat"])


def split(*captions):
    return [caption.split() for caption in captions]


def without_meteor(scores):
    """METEOR (exact+stem) is not one of the COCO tools and has its own tests."""
    return {name: score for name, score in scores.items() if not name.startswith("METEOR")}


def coco_scores(hypotheses, references):
    """The scores of the COCO tools, equal to ours to 1e-4."""
    results = {image: [caption] for image, caption in enumerate(hypotheses)}
    truths = dict(enumerate(references))
    bleu_scores, _ = Bleu(4).compute_score(truths, results, verbose=0)
    return {
        **{f"BLEU-{n}": pytest.approx(score, abs=1e-4) for n, score in enumerate(bleu_scores, 1)},
        "ROUGE-L": pytest.approx(Rouge().compute_score(truths, results)[0], abs=1e-4),
        "CIDEr-D": pytest.approx(Cider().compute_score(truths, results)[0], abs=1e-4),
    }


def make_caption(generator):
    """A sentence of a small grammar, some with a second clause."""
    things = ["dog", "cat", "man", "woman", "red ball", "small child", "horse"]
    acts = ["runs after", "sits on", "looks at", "is next to", "jumps over", "holds"]
    clauses = [
        f"{generator.choice(['a', 'the', 'one'])} {generator.choice(things)} "
        f"{generator.choice(acts)} a {generator.choice(things)}"
        for _ in range(generator.choice([1, 1, 2]))
    ]
    return " while ".join(clauses)
