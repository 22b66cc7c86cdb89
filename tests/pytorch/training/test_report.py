import dataclasses
import math
import re
from xml.etree import ElementTree

import pytest
from PIL import Image

from pytorch.data.datasets import CaptionDataset, Example
from pytorch.data.images import ImageFiles
from pytorch.training.data_sets import DataSets
from pytorch.training.epoch import EpochResult
from pytorch.training.report import SAMPLES, WORST, training_report
from pytorch.training.train_data import Weighted

NAMES = [f"dog-{number:02}.png" for number in range(30)]
REFERENCES = ("A black dog runs on grass.", "A <small> dog.")
RIGHT, WRONG = "a black dog runs on grass", "the person sits"


def example(name):
    # A number of their own, or CIDEr-D would find that every word says nothing.
    number = int(name[4:6])
    return Example(name, (f"{REFERENCES[0]} {number}", f"{REFERENCES[1]} {number}"))


@pytest.fixture
def dataset(tmp_path):
    for name in NAMES:
        Image.new("RGB", (8, 8), "black").save(tmp_path / name)
    dev = tuple(map(example, NAMES))
    splits = {"train": (Example("cat.png", ("A cat.",)),) * 3, "dev": dev}
    return CaptionDataset("shapes", tmp_path, splits, ImageFiles([tmp_path]), terms="")


def result(epoch, *, cider_d=0.5, captions=None, dev_scores=None, name="shapes", **changes):
    values = {
        "objective": "teacher forcing",
        "loss": 4.0 / (epoch + 1),
        "training_seconds": 10.25,
        "evaluation_seconds": 2.5,
        "improved": epoch == 1,
    }
    return EpochResult(
        epoch=epoch,
        dev_scores=dev_scores
        or {name: {"BLEU-1": 0.25, "METEOR (exact+stem)": 0.125, "CIDEr-D": cider_d}},
        captions={name: captions or dict.fromkeys(NAMES, f"{WRONG} {epoch}")},
        **{**values, **changes},
    )


def report(dataset, *history, options=None):
    datasets = DataSets.of([Weighted(dataset)])
    return training_report("Training run x", datasets, options or {"seed": 7}, history)


def sections(page):
    """The sections by their headings, with what stands before the first as ''."""
    found = {
        "": ElementTree.fromstring(f"<div>{re.search('</h1>(.*?)<section>', page, re.S)[1]}</div>")
    }
    for markup in re.findall(r"<section>.*?</section>", page, re.DOTALL):
        parsed = ElementTree.fromstring(markup)
        found[parsed.find("h2").text] = parsed
    return found


def texts(parsed):
    return " ".join(" ".join(parsed.itertext()).split())


def cells(table):
    return [[cell.text for cell in row] for row in table.iter("tr")]


def test_the_summary_names_the_best_epoch_and_its_scores(dataset):
    best = result(2, cider_d=0.75, improved=True)
    # A phase that ended early leaves out epochs.
    summary = sections(report(dataset, result(1), best, result(9)))[""]
    shown = texts(summary)
    assert (
        "Trained on 3 images of shapes, and scored on the 30 of the dev split of shapes." in shown
    )
    assert "Of 3 epochs the best by CIDEr-D is epoch 2." in shown
    assert cells(summary) == [
        ["metric", "epoch 2"],
        ["BLEU-1", "0.250"],
        ["METEOR (exact+stem)", "0.125"],
        ["CIDEr-D", "0.750"],
    ]
    assert "Training took 31 seconds and evaluation 8." in shown
    assert "cannot be used" not in shown


def test_images_that_were_left_out_are_reported(dataset):
    dataset.skipped.update({"train": {}, "dev": {"cat.png": "missing"}})
    shown = texts(sections(report(dataset, result(1)))[""])
    assert "Of the 31 images of the dev split, 1 cannot be used: cat.png (missing)." in shown
    assert "train split, 0" not in shown


def test_dropped_captions_are_reported(dataset):
    dataset.empty_captions.update({"train": 2})
    shown = texts(sections(report(dataset, result(1)))[""])
    assert "2 empty captions were dropped from the train split." in shown


def test_there_is_a_curve_of_every_score_and_of_each_objectives_loss(dataset):
    history = [
        result(0, loss=math.nan, objective="none"),
        result(1),
        result(2),
        result(3, loss=-0.5, objective="self-critical"),
    ]
    charts = sections(report(dataset, *history))["Loss and scores"].findall("figure")
    points = {
        chart.find("figcaption").text: [title.text for title in chart.iter("title")]
        for chart in charts
    }
    assert points["Mean loss of an epoch, teacher forcing"] == ["loss, 1: 2", "loss, 2: 1.333"]
    assert points["Mean loss of an epoch, self-critical"] == ["loss, 3: -0.5"]
    assert points["CIDEr-D on dev"] == [f"CIDEr-D, {epoch}: 0.5" for epoch in range(4)]
    assert points["Other scores on dev"] == [
        *(f"BLEU-1, {epoch}: 0.25" for epoch in range(4)),
        *(f"METEOR (exact+stem), {epoch}: 0.125" for epoch in range(4)),
    ]
    assert len(charts) == 4


def test_sample_images_come_with_their_caption_of_each_epoch(dataset):
    history = [result(1), result(2, improved=True), result(3)]
    cards = sections(report(dataset, *history))["Captions from epoch to epoch"].findall("article")
    assert [card.find(".//p").text for card in cards] == NAMES[:: len(NAMES) // SAMPLES]
    for card in cards:
        assert card.find("img").get("alt").startswith(REFERENCES[0])
        captions = {item.get("value"): item[0] for item in card.iter("li")}
        assert {epoch: caption.text for epoch, caption in captions.items()} == {
            epoch: f"The person sits {epoch}." for epoch in "123"
        }
        assert [epoch for epoch in captions if captions[epoch].tag == "strong"] == ["2"]


def test_a_small_dev_split_is_shown_whole(dataset):
    dataset.splits["dev"] = dataset.splits["dev"][:2]
    cards = sections(report(dataset, result(1)))["Captions from epoch to epoch"].findall("article")
    assert [card.find(".//p").text for card in cards] == NAMES[:2]


def test_the_worst_captions_of_the_best_epoch_come_with_their_references(dataset):
    wrong = set(NAMES[3:7])
    captions = {n: WRONG if n in wrong else f"{RIGHT} {int(n[4:6])}" for n in NAMES}
    history = [result(1), result(2, improved=True, captions=captions), result(3)]
    cards = sections(report(dataset, *history))["Worst captions of epoch 2"].findall("article")
    assert len(cards) == WORST
    names = [re.search(r"CIDEr-D [\d.]+ · (\S+)", texts(card))[1] for card in cards]
    assert set(names[:4]) == wrong
    scores = [float(re.search(r"CIDEr-D ([\d.]+)", texts(card))[1]) for card in cards]
    assert scores == sorted(scores)
    assert scores[3] == 0.0 < scores[4]
    assert "The person sits." in texts(cards[0])
    number = int(names[0][4:6])
    assert [item.text for item in cards[0].iter("li")] == [f"{r} {number}" for r in REFERENCES]
    assert cards[0].find("img") is not None


@pytest.mark.parametrize("damage", ["missing", "unreadable"])
def test_an_image_that_cannot_be_read_is_replaced_by_the_reason(dataset, damage):
    path = dataset.root / NAMES[0]
    path.unlink() if damage == "missing" else path.write_bytes(b"no image")
    cards = sections(report(dataset, result(1)))["Captions from epoch to epoch"].findall("article")
    assert cards[0].find("img") is None
    assert f"The image {NAMES[0]} in {dataset.root.name} cannot be read" in texts(cards[0])
    assert "The person sits 1." in texts(cards[0])
    assert all(card.find("img") is not None for card in cards[1:])


def test_an_image_that_only_some_epochs_saw_has_their_captions(dataset):
    """As after a run that was resumed when an image had come or gone."""
    partly = result(2, improved=True, captions=dict.fromkeys(NAMES[1:], RIGHT))
    parsed = sections(report(dataset, result(1), partly))
    cards = parsed["Captions from epoch to epoch"].findall("article")
    assert [item.get("value") for item in cards[0].iter("li")] == ["1"]
    assert [item.get("value") for item in cards[1].iter("li")] == ["1", "2"]
    assert "Of 29 captions of dev the 20 with" in texts(parsed["Worst captions of epoch 2"])
    assert NAMES[0] not in texts(parsed["Worst captions of epoch 2"])


def test_every_epoch_has_its_seconds(dataset):
    history = [result(0, loss=math.nan, objective="none", training_seconds=0.0), result(1)]
    assert cells(sections(report(dataset, *history))["Epochs"]) == [
        ["epoch", "objective", "loss", "CIDEr-D", "training, s", "evaluation, s"],
        ["0", "none", None, "0.500", "0.0", "2.5"],
        ["1", "teacher forcing", "2.000", "0.500", "10.2", "2.5"],
    ]


def test_the_options_are_listed(dataset):
    options = {"encoder": "resnet101", "init_from": None, "learning_rate": 0.001}
    assert cells(sections(report(dataset, result(1), options=options))["Options"])[1:] == [
        ["encoder", "resnet101"],
        ["init_from", "None"],
        ["learning_rate", "0.001"],
    ]


def test_nothing_of_a_model_or_a_data_set_becomes_markup(dataset, tmp_path):
    hostile = "<script>alert('1')</script> & \"two\" \udcff"
    name = '<img src=x> & "x".png'
    Image.new("RGB", (8, 8)).save(tmp_path / name)
    shown = Example(name, (hostile,))
    gone = Example(f"gone {hostile}", (hostile,))
    dataset.splits["dev"] = (shown, gone)
    changed = dataclasses.replace(dataset, name=hostile, images=ImageFiles([tmp_path]))
    captions = {shown.image: hostile, gone.image: hostile}
    history = [
        result(
            1,
            objective=hostile,
            captions=captions,
            name=hostile,
            dev_scores={hostile: {"CIDEr-D": 1, hostile: 0}},
        )
    ]
    datasets = DataSets.of([Weighted(changed)])
    page = training_report(hostile, datasets, {hostile: hostile}, history)
    for markup in ("<script", "<img src=x", '"two"', '"x"'):
        assert markup not in page
    assert page.count("&lt;img src=x&gt;") == 2
    assert page.count("&lt;script&gt;alert(&#39;1&#39;)") == 24
    page.encode("utf-8")


def test_several_data_sets_are_told_apart(dataset):
    other = dataclasses.replace(
        dataset, name="coco", splits=dataset.splits | {"dev": dataset.splits["dev"][:2]}
    )
    scores = {"BLEU-1": 0.25, "CIDEr-D": 0.5}
    history = [
        dataclasses.replace(
            result(1),
            dev_scores={"shapes": scores, "coco": scores | {"CIDEr-D": 0.25}},
            captions={
                "shapes": {name: f"{RIGHT} {int(name[4:6])}" for name in NAMES},
                "coco": dict.fromkeys(NAMES[:2], "a cat"),
            },
        )
    ]
    datasets = DataSets.of([Weighted(dataset), Weighted(other, 2.0)])
    parsed = sections(training_report("Run", datasets, {}, history))
    shown = texts(parsed[""])
    assert "Trained on 3 images of shapes and 3 images of coco, and scored on the 30" in shown
    assert "the best by mean CIDEr-D is epoch 1." in shown
    assert ["coco CIDEr-D", "0.250"] in cells(parsed[""])
    titles = [chart.find("figcaption").text for chart in parsed["Loss and scores"].iter("figure")]
    assert titles[1:] == [
        "CIDEr-D on dev",
        "Other scores on dev of shapes",
        "Other scores on dev of coco",
    ]
    cards = parsed["Captions from epoch to epoch"].findall("article")
    assert [card.find(".//p").text for card in cards][-2:] == [f"coco: {n}" for n in NAMES[:2]]
    assert f"· coco: {NAMES[0]}" in texts(parsed["Worst captions of epoch 1"])
