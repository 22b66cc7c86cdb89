import dataclasses
import shutil
from pathlib import Path

import pytest

from pytorch.model.checkpoint import load_captioner
from pytorch.model.checkpoint_files import CheckpointError, read_json, write_json
from pytorch.training.run_config import OPTIONS, RunConfig, run_config


def test_without_options_it_is_the_reference_model():
    config = run_config({})
    assert config == RunConfig()
    assert (config.model.encoder, config.decoder.injection) == ("resnet101", "attention")


def test_options_reach_their_part():
    config = run_config({"grid_size": 7, "layers": 2, "learning_rate": 0.5, "beam_size": 5})
    assert config.model.grid_size == 7
    assert config.decoder.layers == 2
    assert config.training.learning_rate == 0.5
    assert config.decoding.beam_size == 5


def test_no_name_belongs_to_two_parts():
    names = [option.name for option in OPTIONS]
    assert len(set(names)) == len(names)


def test_the_flat_configuration_makes_the_same_one_again():
    config = run_config({"encoder_weights": "weights.pth", "tied_embeddings": False, "top_p": 0.9})
    given = {name: value for name, value in config.flat().items() if value is not None}
    assert run_config(given) == config


def test_toml_gives_paths_as_text_and_whole_numbers_for_fractions():
    config = run_config({"encoder_weights": "some/where", "dropout": 0})
    assert config.model.encoder_weights == Path("some/where")
    assert config.decoder.dropout == 0.0


def test_a_checkpoint_to_train_further_brings_its_model_and_its_search(tiny_checkpoint):
    config = run_config({"init_from": tiny_checkpoint, "epochs": 2, "beam_size": 7})
    captioner = load_captioner(tiny_checkpoint)
    assert config.model.encoder == captioner.encoder.name
    assert config.model.grid_size == captioner.encoder.grid_size
    assert config.decoder == captioner.decoder.config
    assert config.decoding == dataclasses.replace(captioner.decoding, beam_size=7)
    assert config.training.epochs == 2


@pytest.mark.parametrize("option", ["encoder", "encoder_weights", "injection", "dropout"])
def test_options_of_a_new_model_are_refused_beside_a_checkpoint(tiny_checkpoint, option):
    values = {"init_from": tiny_checkpoint, option: 0.5 if option == "dropout" else "prefix"}
    with pytest.raises(ValueError, match=f"^{option} is for a new model, and init_from trains "):
        run_config(values)


def test_a_checkpoint_that_does_not_describe_its_model_is_refused(tiny_checkpoint, tmp_path):
    damaged = shutil.copytree(tiny_checkpoint, tmp_path / "damaged")
    config = read_json(damaged / "config.json")
    del config["encoder"]
    write_json(damaged / "config.json", config)
    with pytest.raises(CheckpointError, match="does not fit together: 'encoder'"):
        run_config({"init_from": damaged})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"colour": "red"}, "no option 'colour'; choose from encoder, "),
        ({"epochs": "ten"}, "epochs must be of the type int, not 'ten'"),
        ({"epochs": True}, "epochs must be of the type int, not True"),
        ({"layers": 0}, "layers must be at least 1"),
        ({"vocabulary_size": 5}, "no option 'vocabulary_size'"),
    ],
)
def test_what_cannot_be_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        run_config(values)
