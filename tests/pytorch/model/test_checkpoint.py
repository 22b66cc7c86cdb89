import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from pytorch.model.checkpoint import load_captioner, round_to_half, save_checkpoint
from pytorch.model.checkpoint_files import CheckpointError, write_config
from pytorch.model.concepts import ConceptDetector
from pytorch.model.encoders import Encoder
from pytorch.model.injections import INJECTIONS
from pytorch.model.people_detector import PeopleDetector, class_count
from tests.photographs import photographs
from tests.tiny import save_tiny_checkpoint, tiny_captioner, tiny_confidence

pytestmark = pytest.mark.slow


def rewrite(directory, change):
    """Change the configuration and update the hashes: a wrong but undamaged checkpoint."""
    config = json.loads((directory / "config.json").read_text())
    change(config)
    del config["files"], config["format_version"]
    write_config(directory, config)


@pytest.mark.parametrize("injection", INJECTIONS)
def test_a_loaded_captioner_gives_the_captions_of_the_saved_one(tmp_path, injection):
    captioner = tiny_captioner(injection)
    save_checkpoint(tmp_path / "saved", captioner, model_card="# Card\n")
    loaded = load_captioner(tmp_path / "saved")
    assert loaded.name == "saved"
    assert loaded.metrics == captioner.metrics
    assert loaded.decoding == captioner.decoding
    assert loaded.caption(photographs()) == captioner.caption(photographs())


def test_concepts_are_loaded_as_they_were_saved(tmp_path):
    captioner = tiny_captioner("semantic-attention")
    save_checkpoint(tmp_path / "saved", captioner, model_card="")
    loaded = load_captioner(tmp_path / "saved").concepts
    regions = captioner.encode(photographs())
    assert loaded.words == captioner.concepts.words
    assert torch.equal(loaded(regions), captioner.concepts(regions))
    assert not any(weight.requires_grad for weight in loaded.parameters())


def test_concepts_without_a_classifier_are_loaded_as_they_were_saved(tmp_path):
    captioner = tiny_captioner("every-step")
    layer = torch.nn.Linear(captioner.encoder.channels, 2)
    captioner.concepts = ConceptDetector((9, 5), layer=layer)
    save_checkpoint(tmp_path / "saved", captioner, model_card="")
    loaded = load_captioner(tmp_path / "saved").concepts
    assert loaded.classifier is None
    regions = captioner.encode(photographs())
    assert torch.equal(loaded(regions), captioner.concepts(regions))


@pytest.mark.parametrize("injection", ["every-step", "semantic-attention"])
def test_what_tells_people_is_loaded_as_it_was_saved(tmp_path, injection):
    captioner = tiny_captioner(injection)
    classes = class_count(captioner.concepts)
    captioner.people = PeopleDetector(captioner.encoder.channels, classes)
    save_checkpoint(tmp_path / "saved", captioner, model_card="")
    loaded = load_captioner(tmp_path / "saved")
    regions = captioner.encode(photographs())
    before = captioner.people(regions, captioner.concepts)
    assert torch.equal(loaded.people(regions, loaded.concepts), before)


def test_a_checkpoint_from_before_there_were_concepts_is_loaded(tmp_path):
    directory = save_tiny_checkpoint(tmp_path / "saved")
    rewrite(directory, lambda config: config.pop("concepts"))
    assert load_captioner(directory).concepts is None


def test_confidence_is_loaded_as_it_was_saved(tmp_path):
    captioner = tiny_captioner("semantic-attention")
    channels = captioner.encoder.channels
    captioner.confidence = tiny_confidence(captioner.concepts, channels=channels)
    save_checkpoint(tmp_path / "saved", captioner, model_card="")
    loaded = load_captioner(tmp_path / "saved").confidence
    assert loaded.names == captioner.confidence.names
    for name, values in captioner.confidence.named_buffers():
        assert torch.equal(loaded.get_buffer(name), values)


def test_a_checkpoint_from_before_there_was_confidence_is_loaded(tmp_path):
    directory = save_tiny_checkpoint(tmp_path / "saved")
    rewrite(directory, lambda config: config.pop("confidence"))
    assert load_captioner(directory).confidence is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("confidence"), "holds confidence"),
        (lambda c: c["confidence"].update(prototypes=2), "prototypes has the shape"),
        (lambda c: c["confidence"].update(evidence=["mood"]), "no evidence 'mood'"),
        (lambda c: c["confidence"].pop("evidence"), "lacks 'evidence'"),
    ],
)
def test_confidence_that_does_not_fit_is_refused(tmp_path, change, message):
    captioner = tiny_captioner()
    captioner.confidence = tiny_confidence(channels=captioner.encoder.channels)
    directory = tmp_path / "saved"
    save_checkpoint(directory, captioner, model_card="")
    rewrite(directory, change)
    with pytest.raises(CheckpointError, match=message):
        load_captioner(directory)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("concepts"), "holds concepts|needs concepts, but config.json names none"),
        (lambda c: c["concepts"].append("snow"), "score 6 concepts, the configuration names 7"),
        (lambda c: c["concepts"].__setitem__(0, "xyz"), "'xyz' is not in vocabulary.json"),
        (lambda c: c["concepts"].__setitem__(0, c["concepts"][1]), "named twice"),
        (lambda c: c.update(concepts=3), "not iterable"),
    ],
)
def test_concepts_that_do_not_fit_are_refused(tmp_path, change, message):
    directory = save_tiny_checkpoint(tmp_path / "saved", "semantic-attention")
    rewrite(directory, change)
    with pytest.raises(CheckpointError, match=message):
        load_captioner(directory)


def test_a_captioner_has_the_hash_of_its_checkpoint(tmp_path):
    directory = save_tiny_checkpoint(tmp_path / "saved")
    former = load_captioner(directory).config_hash
    assert len(former) == 64
    assert load_captioner(directory).config_hash == former
    save_tiny_checkpoint(directory, "prefix")
    assert load_captioner(directory).config_hash != former
    assert tiny_captioner().config_hash == ""


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_not_saved(tmp_path, value):
    directory = save_tiny_checkpoint(tmp_path / "saved")
    captioner = tiny_captioner("prefix")
    with torch.no_grad():
        captioner.decoder.lstm.weight_hh_l0[3, 2] = value
    message = rf"written to {directory}: decoder\.lstm\.weight_hh_l0 has values that are infinite"
    with pytest.raises(CheckpointError, match=message):
        save_checkpoint(directory, captioner, model_card="")
    assert load_captioner(directory).decoder.config.injection == "attention"


def test_encoder_weights_that_are_not_finite_are_not_saved(tmp_path):
    captioner = tiny_captioner()
    layer = list(captioner.encoder.layers)[-1]
    captioner.encoder.fine_tune_from(layer)
    with torch.no_grad():
        captioner.encoder.layers[layer].weight[0] = float("nan")
    with pytest.raises(CheckpointError, match=rf"encoder\.trunk\.{layer}\.weight has values"):
        save_checkpoint(tmp_path / "saved", captioner, model_card="")
    assert not (tmp_path / "saved").exists()


def test_pretrained_encoder_weights_are_named_and_not_copied(tmp_path):
    directory = save_tiny_checkpoint(tmp_path / "saved")
    tensors = load_file(directory / "weights.safetensors")
    assert all(name.startswith("decoder.") for name in tensors)
    assert load_captioner(directory).encoder.weights_source == "pretrained"


def test_other_encoder_weights_are_copied(tmp_path):
    captioner = tiny_captioner()
    preprocessing = captioner.encoder.preprocessing
    captioner.encoder = Encoder("efficientnet_lite2", grid_size=2)
    captioner.encoder.preprocessing = preprocessing
    save_checkpoint(tmp_path / "saved", captioner, model_card="")
    loaded = load_captioner(tmp_path / "saved")
    assert loaded.encoder.weights_hash() == captioner.encoder.weights_hash()
    assert loaded.encoder.weights_source == "random"


def test_weights_that_half_precision_holds_take_half_the_space_and_come_back_equal(tmp_path):
    captioner = tiny_captioner()
    captioner.encoder.weights_source = "tuned"
    captioner.encoder.load_state_dict(
        {name: tensor.half() for name, tensor in captioner.encoder.state_dict().items()}
    )
    save_checkpoint(tmp_path / "saved", captioner, model_card="")
    tensors = load_file(tmp_path / "saved" / "weights.safetensors")
    encoder = [value for name, value in tensors.items() if name.startswith("encoder.")]
    assert {value.dtype for value in encoder if value.is_floating_point()} == {torch.float16}
    assert tensors["decoder.bias"].dtype == torch.float32
    round_to_half(captioner.decoder)
    save_checkpoint(tmp_path / "saved", captioner, model_card="")
    tensors = load_file(tmp_path / "saved" / "weights.safetensors")
    assert {value.dtype for value in tensors.values()} == {torch.float16, torch.int64}
    loaded = load_captioner(tmp_path / "saved")
    assert loaded.encoder.weights_hash() == captioner.encoder.weights_hash()
    assert loaded.caption(photographs()) == captioner.caption(photographs())


def test_fine_tuned_encoder_weights_are_copied(tmp_path):
    captioner = tiny_captioner()
    captioner.encoder.fine_tune_from(list(captioner.encoder.layers)[-1])
    with torch.no_grad():
        captioner.encoder.trainable_parameters()[0].add_(1)
    save_checkpoint(tmp_path / "saved", captioner, model_card="")
    loaded = load_captioner(tmp_path / "saved")
    assert loaded.encoder.weights_hash() == captioner.encoder.weights_hash()
    assert loaded.encoder.weights_source == "fine-tuned"
    assert loaded.encoder.trainable_parameters() == []


def test_pretrained_weights_other_than_those_of_the_training_are_refused(tmp_path):
    directory = save_tiny_checkpoint(tmp_path / "saved")
    rewrite(directory, lambda config: config["encoder"].update(weights_hash="0" * 64))
    with pytest.raises(CheckpointError, match="efficientnet_lite2 weights with the hash 000000"):
        load_captioner(directory)


def test_a_saved_checkpoint_can_be_read_by_another_user(tmp_path):
    directory = save_tiny_checkpoint(tmp_path / "saved")
    assert all(path.stat().st_mode & 0o044 for path in [directory, *directory.iterdir()])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["decoder"].update(vocabulary_size=99), "knows 99 words, vocabulary.json hol"),
        (lambda c: c["decoder"].update(channels=7), "takes 7 channels, the encoder"),
        (lambda c: c["decoder"].pop("channels"), r"config\.json lacks 'channels'\."),
        (lambda c: c["decoder"].update(hidden_size=3), "shape .* but the configuration needs"),
        (lambda c: c["decoder"].update(injection="every-step"), "lack decoder.injection|holds"),
        (lambda c: c["decoder"].update(colour="red"), "unexpected keyword argument 'colour'"),
        (lambda c: c["encoder"].update(name="resnet9"), "no encoder 'resnet9'"),
        (lambda c: c["decoding"].update(beam_size=0), "beam_size must be at least 1, not 0"),
        (lambda c: c.pop("decoder"), r"config\.json lacks 'decoder'\."),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(tmp_path, change, message):
    directory = save_tiny_checkpoint(tmp_path / "saved")
    rewrite(directory, change)
    with pytest.raises(CheckpointError, match=message):
        load_captioner(directory)


@pytest.mark.parametrize("content", [b"", b"not tensors", b"\x80\x04."])
def test_weights_that_are_not_safetensors_are_refused(tmp_path, content):
    directory = save_tiny_checkpoint(tmp_path / "saved")
    (directory / "weights.safetensors").write_bytes(content)
    rewrite(directory, lambda config: None)
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load_captioner(directory)


def test_an_extra_tensor_is_refused(tmp_path):
    directory = save_tiny_checkpoint(tmp_path / "saved")
    path = directory / "weights.safetensors"
    save_file({**load_file(path), "decoder.extra": torch.zeros(1)}, path)
    rewrite(directory, lambda config: None)
    with pytest.raises(CheckpointError, match=r"decoder\.extra, which nothing here uses"):
        load_captioner(directory)
