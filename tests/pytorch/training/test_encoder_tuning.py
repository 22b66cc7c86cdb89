import pytest
import torch

from pytorch.data.datasets import load_dataset
from pytorch.model.encoder_weights import EncoderError
from pytorch.model.encoders import Encoder
from pytorch.training.data_sets import DataSets
from pytorch.training.encoder_tuning import TuningConfig, tune_encoder, tuned_encoder
from pytorch.training.layer_learning import pooled_regions
from pytorch.training.run_config import ModelConfig, StartConfig
from pytorch.training.start import new_vocabulary
from pytorch.training.train_data import Weighted
from tests.colours import COLOURS, write_colours

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
MODEL = ModelConfig(encoder="efficientnet_lite0", grid_size=1)
START = StartConfig(min_count=1)
EPOCHS = TuningConfig(tune_from="18", tuning_epochs=3, batch_size=4, learning_rate=1e-3)


@pytest.fixture
def datasets(tmp_path):
    root = write_colours(tmp_path / "colours")
    return DataSets.of([Weighted(load_dataset("flickr8k", root, splits=("train", "dev")))])


@pytest.fixture
def prepared(datasets, tmp_path):
    """The data, an encoder as published, and the vocabulary."""
    encoder = Encoder(MODEL.encoder, grid_size=MODEL.grid_size)
    encoder.load_pretrained()
    usable, train, _ = datasets.prepared(encoder, tmp_path / "cache", device=CPU, flip=True)
    return encoder, train, new_vocabulary(START, usable)


def tune(prepared, config=EPOCHS):
    encoder, train, vocabulary = prepared
    return tune_encoder(encoder, train, vocabulary, tuple(COLOURS), config, device=CPU)


def divergence(prepared):
    """How far the probabilities of ImageNet's classes are from those of the features before."""
    encoder, train, _ = prepared
    now = train.encoded_by(encoder, cached=False, device=CPU)
    classifier = encoder.published_classifier()
    with torch.no_grad():
        old, new = (classifier(pooled_regions(each)).log_softmax(dim=1) for each in (train, now))
    return torch.nn.functional.kl_div(new, old, reduction="batchmean", log_target=True).item()


def test_the_chosen_layers_change_and_no_others(prepared):
    encoder, *_ = prepared
    before = {name: tensor.clone() for name, tensor in encoder.trunk.state_dict().items()}
    tune(prepared)
    after = encoder.trunk.state_dict()
    changed = {int(name.split(".")[0]) for name in after if not after[name].equal(before[name])}
    assert changed == set(map(int, encoder.layers)) & set(range(18, 30))
    statistics = [name for name in after if "running_" in name]
    assert all(after[name].equal(before[name]) for name in statistics)
    assert encoder.trainable_parameters() == []


def test_the_tuned_encoder_tells_the_words_better(prepared):
    encoder, train, _ = prepared
    before, after = tune(prepared, TuningConfig(**{**vars(EPOCHS), "tuning_epochs": 10}))
    now = train.encoded_by(encoder, cached=False, device=CPU)
    colours = list(COLOURS)
    is_said = torch.tensor(
        [[colour in example.image for colour in colours] for example in train.examples]
    )

    def margin(layer, data):
        with torch.no_grad():
            scores = layer(pooled_regions(data)).sigmoid()
        return (scores[is_said].mean() - scores[~is_said].mean()).item()

    assert margin(after, now) > margin(before, train)


def test_faithfulness_keeps_what_the_classifier_says(prepared, tmp_path):
    published = {name: t.clone() for name, t in prepared[0].state_dict().items()}
    tune(prepared, TuningConfig(**{**vars(EPOCHS), "faithfulness": 0.0}))
    free = divergence(prepared)
    prepared[0].load_state_dict(published)
    tune(prepared, TuningConfig(**{**vars(EPOCHS), "faithfulness": 30.0}))
    assert divergence(prepared) < free / 2


def test_the_same_seed_gives_the_same_weights(prepared):
    encoder, *_ = prepared
    published = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    hashes = []
    for _ in range(2):
        encoder.load_state_dict(published)
        tune(prepared)
        hashes.append(encoder.weights_hash())
    assert hashes[0] == hashes[1]


def test_an_encoder_without_a_classifier_is_refused(prepared):
    _, *others = prepared
    with pytest.raises(EncoderError, match="no linear classifier"):
        tune((Encoder(MODEL.encoder), *others))


def test_what_the_tuning_brought_on_dev_is_reported(datasets, tmp_path):
    said = []
    tuned_encoder(
        datasets, MODEL, EPOCHS, START, cache_dir=tmp_path / "cache", device=CPU, report=said.append
    )
    assert said[0].startswith("step 12 of 12  loss ")
    assert said[-1].startswith("flickr8k  recall of what is said ")


def test_an_unknown_layer_is_refused_before_features_are_computed(datasets, tmp_path):
    config = TuningConfig(tune_from="99")
    with pytest.raises(EncoderError, match="no layer '99'"):
        tuned_encoder(
            datasets, MODEL, config, START, cache_dir=tmp_path / "cache", device=CPU, report=print
        )
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["tuning_epochs", "batch_size"])
def test_numbers_out_of_range_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        TuningConfig(**{name: 0})
