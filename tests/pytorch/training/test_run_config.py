import dataclasses
import shutil
from pathlib import Path

import pytest

from pytorch.model.checkpoint import load_captioner
from pytorch.model.checkpoint_files import CheckpointError, read_json, write_json
from pytorch.training.run_config import OPTIONS, PARTS, RunConfig


def test_without_options_it_is_the_reference_model():
    config = RunConfig.of({})
    assert config == RunConfig()
    assert (config.model.encoder, config.decoder.injection) == ("resnet101", "attention")


def test_options_reach_their_part():
    config = RunConfig.of({"grid_size": 7, "layers": 2, "learning_rate": 0.5, "beam_size": 5})
    assert config.model.grid_size == 7
    assert config.decoder.layers == 2
    assert config.training.learning_rate == 0.5
    assert config.decoding.beam_size == 5


def test_the_parts_with_options_are_those_of_the_configuration():
    fields = dataclasses.fields(RunConfig)
    assert {field.name: field.default_factory for field in fields} == PARTS
    assert list(OPTIONS) == list(PARTS)


def test_no_name_belongs_to_two_parts():
    names = [option.name for options in OPTIONS.values() for option in options]
    assert len(set(names)) == len(names)


def test_its_values_make_the_same_configuration_again():
    config = RunConfig.of(
        {"encoder_weights": "weights.pth", "tied_embeddings": False, "top_p": 0.9}
    )
    given = {name: value for name, value in config.values().items() if value is not None}
    assert RunConfig.of(given) == config


def test_toml_gives_paths_as_text_and_whole_numbers_for_fractions():
    config = RunConfig.of({"encoder_weights": "some/where", "dropout": 0})
    assert config.start.encoder_weights == Path("some/where")
    assert config.decoder.dropout == 0.0


def test_init_from_brings_the_model_and_the_decoding_options_of_the_checkpoint(tiny_checkpoint):
    config = RunConfig.of({"init_from": tiny_checkpoint, "epochs": 2, "beam_size": 7})
    captioner = load_captioner(tiny_checkpoint)
    assert config.model.encoder == captioner.encoder.name
    assert config.model.grid_size == captioner.encoder.grid_size
    assert config.decoder == captioner.decoder.config
    assert config.decoding == dataclasses.replace(captioner.decoding, beam_size=7)
    assert config.training.epochs == 2


@pytest.mark.parametrize(
    "option", ["encoder", "encoder_weights", "min_count", "injection", "dropout"]
)
def test_options_of_a_new_model_are_refused_with_init_from(tiny_checkpoint, option):
    value = {"dropout": 0.5, "min_count": 2}.get(option, "prefix")
    values = {"init_from": tiny_checkpoint, option: value}
    with pytest.raises(ValueError, match=f"^{option} is for a new model, but init_from trains "):
        RunConfig.of(values)


def test_a_checkpoint_that_does_not_state_its_model_is_refused(tiny_checkpoint, tmp_path):
    damaged = shutil.copytree(tiny_checkpoint, tmp_path / "damaged")
    config = read_json(damaged / "config.json")
    del config["encoder"]
    write_json(damaged / "config.json", config)
    with pytest.raises(CheckpointError, match="does not fit together: 'encoder'"):
        RunConfig.of({"init_from": damaged})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"colour": "red"}, "no option 'colour'; choose from encoder, "),
        ({"epochs": "ten"}, "epochs must be of type int, not 'ten'"),
        ({"epochs": True}, "epochs must be of type int, not True"),
        ({"layers": 0}, "layers must be at least 1"),
        ({"vocabulary_size": 5}, "no option 'vocabulary_size'"),
    ],
)
def test_impossible_values_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        RunConfig.of(values)
