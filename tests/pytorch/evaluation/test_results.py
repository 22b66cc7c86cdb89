import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocotools.coco import COCO

from pytorch.data.datasets import Example
from pytorch.evaluation.metrics import score_captions
from pytorch.evaluation.results import (
    ResultsError,
    image_ids,
    read_results,
    write_references,
    write_results,
)
from pytorch.model.tokenization import tokenize

ANIMALS = (
    Example("dog.jpg", ("A dog's ball .", "The dog plays !")),
    Example("cat.jpg", ("A cat sits on the sofa", "two cats")),
    Example("cow.jpg", ("A “holy” cow, in a field", "The cow (brown) stands")),
)
IDS = {"cat.jpg": 1, "cow.jpg": 2, "dog.jpg": 3}
COCO_IMAGES = {"COCO_val2014_000000000042.jpg": 42, "000000000007.jpg": 7}
CAT, COW, DOG = (
    {"image_id": number, "caption": caption}
    for number, caption in [(1, "a cat"), (2, "a cow in a field"), (3, "a dog 's ball")]
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.json"


def read(path, entries):
    path.write_text(json.dumps(entries))
    return read_results(path, IDS)


def test_images_of_coco_have_the_ids_of_coco():
    assert image_ids(COCO_IMAGES) == COCO_IMAGES


def test_images_of_flickr_have_the_ids_of_flickr():
    ids = {"1000092795.jpg": 1000092795, "36979.jpg": 36979, "1000268201_693b0.jpg": 1000268201}
    assert image_ids(ids) == ids


@pytest.mark.parametrize(
    "names",
    [["11.jpg", "x1.jpg"], ["7_a.jpg", "7_b.jpg"], ["4.jpg", "٣.jpg"], ["9" * 30 + ".jpg"]],
)
def test_other_images_are_counted_from_one_in_alphabetical_order(names):
    expected = {name: place for place, name in enumerate(names, start=1)}
    assert image_ids(names) == image_ids(reversed(names)) == expected


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(), min_size=3, max_size=3))
def test_written_captions_are_read_back(tmp_path_factory, captions):
    path = tmp_path_factory.getbasetemp() / "written.json"
    written = dict(zip(IDS, captions, strict=True))
    write_results(path, IDS, written)
    assert read_results(path, IDS) == written


def test_results_have_nothing_but_ids_and_captions(path):
    write_results(path, COCO_IMAGES, dict(zip(COCO_IMAGES, ["a dog", "a cat"], strict=True)))
    assert json.loads(path.read_text()) == [
        {"image_id": 42, "caption": "a dog"},
        {"image_id": 7, "caption": "a cat"},
    ]


def test_captions_are_returned_by_image_name(path):
    assert read(path, [COW, DOG]) == {"dog.jpg": "a dog 's ball", "cow.jpg": "a cow in a field"}


def test_an_image_may_be_named_by_its_file(path):
    entries = [CAT, {"image": "cow.jpg", "caption": "c"}, {"image": "dog.jpg", "caption": "d"}]
    assert read(path, entries) == {"dog.jpg": "d", "cat.jpg": "a cat", "cow.jpg": "c"}


def test_additional_fields_are_ignored(path):
    assert read(path, [{**DOG, "score": 1}]) == {"dog.jpg": "a dog 's ball"}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"annotations": []}, "must hold a list"),
        ("text", "must hold a list"),
        ([DOG, CAT, COW, DOG], r"more than one caption for some images \(1 in all, the first is 3"),
        ([DOG, CAT, COW, {"image": "dog.jpg", "caption": "a"}], "more than one caption"),
        ([DOG, CAT, {**COW, "image_id": 4}], "the split does not have .*the first is 4"),
        ([DOG, CAT, COW, {"image": "x.jpg", "caption": "a"}], "does not have .*'x.jpg'"),
        ([DOG, None], r"Entry 2 of .* is not of the form .*: null"),
        ([["image_id", 1]], "Entry 1 of"),
        ([{"image_id": 1}], "Entry 1 of"),
        ([{"image_id": 1, "caption": None}], "Entry 1 of"),
        ([{"image_id": 1, "caption": ["a"]}], "Entry 1 of"),
        ([{"caption": "a dog"}], "Entry 1 of"),
        ([{"image_id": "1", "caption": "a"}], "Entry 1 of"),
        ([{"image_id": True, "caption": "a"}], "Entry 1 of"),
        ([{"image_id": 1.0, "caption": "a"}], "Entry 1 of"),
        ([{"image_id": [1], "caption": "a"}], "Entry 1 of"),
        ([{"image": 1, "caption": "a"}], "Entry 1 of"),
        ([{"caption": 1, "long": "x" * 1000}], r"Entry 1 of .{,300}\.\.\.$"),
    ],
)
def test_the_error_says_what_is_wrong_with_a_file(path, entries, message):
    with pytest.raises(ResultsError, match=message) as caught:
        read(path, entries)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"[", b"\xff\xfe", b"[" * 100_000, b"[" + b"9" * 5000 + b"]"]
)
def test_a_file_that_is_not_json_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ResultsError, match="is not a JSON file"):
        read_results(path, IDS)


def test_a_missing_file_is_named(path):
    with pytest.raises(ResultsError, match=r"results\.json cannot be read \(No such file"):
        read_results(path, IDS)


def test_pycocotools_and_pycocoevalcap_read_our_files_and_give_our_scores(tmp_path, path):
    captions = ["a dog plays", "two cats on the sofa", "the brown cow -lrb- big -rrb- 's field"]
    images = [example.image for example in ANIMALS]
    write_results(path, IDS, dict(zip(images, captions, strict=True)))
    write_references(tmp_path / "references.json", IDS, ANIMALS)
    references = COCO(tmp_path / "references.json")
    results = references.loadRes(str(path))
    assert [image["file_name"] for image in references.loadImgs([3, 1, 2])] == images
    truths, given = (
        {
            image: [" ".join(tokenize(each["caption"])) for each in source.imgToAnns[image]]
            for image in references.getImgIds()
        }
        for source in (references, results)
    )
    bleu, _ = Bleu(4).compute_score(truths, given, verbose=0)
    expected = {f"BLEU-{n}": score for n, score in enumerate(bleu, start=1)}
    expected["ROUGE-L"] = Rouge().compute_score(truths, given)[0]
    expected["CIDEr-D"] = Cider().compute_score(truths, given)[0]
    read = read_results(path, IDS)
    scores = score_captions([read[e.image] for e in ANIMALS], [e.captions for e in ANIMALS])
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-4)
    assert scores["CIDEr-D"] > 0.1
