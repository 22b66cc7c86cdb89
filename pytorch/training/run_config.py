"""The configuration of a training run, as one flat set of named options.

The fields of the four configurations below are the options of `train_captioner` and the keys of its
TOML file; their types and defaults are said here and nowhere else.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytorch.model.bounds import check_at_least
from pytorch.model.checkpoint_files import CheckpointError, read_config
from pytorch.model.decoders import DecoderConfig
from pytorch.model.search import DecodingConfig
from pytorch.training.training_config import TrainingConfig


@dataclass(frozen=True)
class ModelConfig:
    """What the model is made of, apart from its decoder.

    `encoder_weights` replaces the registry's pretrained ones; `min_count` is how often a word must
    occur in the train split to be in the vocabulary. With `flip`, every epoch shows the training
    images in a mirror as well. With `init_from` the model is that checkpoint's, trained further.
    """

    encoder: str = "resnet101"
    encoder_weights: Path | None = None
    grid_size: int = 4
    min_count: int = 4
    flip: bool = False
    init_from: Path | None = None

    def __post_init__(self) -> None:
        check_at_least(self, 1, "grid_size", "min_count")


@dataclass(frozen=True)
class RunConfig:
    """What is trained, and how."""

    model: ModelConfig = field(default_factory=ModelConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    decoding: DecodingConfig = field(default_factory=DecodingConfig)

    def flat(self) -> dict[str, Any]:
        """Every option with its value."""
        return {option.name: getattr(getattr(self, option.part), option.name) for option in OPTIONS}


@dataclass(frozen=True)
class Option:
    """One setting: the part of RunConfig it belongs to, its type, its default."""

    part: str
    name: str
    kind: type
    default: Any

    @property
    def flag(self) -> str:
        """The option as it is written on a command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def makes_a_model(self) -> bool:
        """Whether it is for new models alone: one that is trained further has it already."""
        return self.part == "decoder" or (
            self.part == "model" and self.name not in ("flip", "init_from")
        )


def _options() -> list[Option]:
    defaults = RunConfig()
    options = []
    for part in dataclasses.fields(RunConfig):
        owner = getattr(defaults, part.name)
        kinds = typing.get_type_hints(type(owner))
        options += [
            Option(part.name, entry.name, _plain(kinds[entry.name]), getattr(owner, entry.name))
            for entry in dataclasses.fields(owner)
        ]
    return options


def _plain(kind: Any) -> type:
    """The type itself, of an optional one the type that it has when given."""
    if isinstance(kind, types.UnionType):
        kind = next(part for part in typing.get_args(kind) if part is not types.NoneType)
    plain: type = kind
    return plain


OPTIONS = _options()


def run_config(values: Mapping[str, Any]) -> RunConfig:
    """The configuration with these options, and the defaults for the others.

    With `init_from` the model is described as that checkpoint describes it, and the defaults of the
    search are the checkpoint's.

    Raises ValueError for an option that does not exist, has a value of another type or range, or
    would make another model than that of `init_from`; CheckpointError where that cannot be read.
    """
    known = {option.name: option for option in OPTIONS}
    for name in values:
        if name not in known:
            raise ValueError(f"There is no option {name!r}; choose from {', '.join(known)}.")
    checked = {name: _checked(known[name], value) for name, value in values.items()}
    if (checkpoint := checked.get("init_from")) is not None:
        checked = _of_checkpoint(checkpoint, checked) | checked
    parts: dict[str, dict[str, Any]] = {option.part: {} for option in OPTIONS}
    for name, value in checked.items():
        parts[known[name].part][name] = value
    return RunConfig(
        model=ModelConfig(**parts["model"]),
        decoder=DecoderConfig(**parts["decoder"]),
        training=TrainingConfig(**parts["training"]),
        decoding=DecodingConfig(**parts["decoding"]),
    )


def _of_checkpoint(directory: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the checkpoint says of its model and its search."""
    for option in OPTIONS:
        if option.name in given and option.makes_a_model:
            raise ValueError(
                f"{option.name} is for a new model, and init_from trains that of {directory} "
                "further as it is. Leave out one of the two."
            )
    config = read_config(directory)
    try:
        encoder = config["encoder"]
        described = {
            "encoder": encoder["name"],
            "grid_size": encoder["grid_size"],
            **config["decoder"],
            **config["decoding"],
        }
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"The checkpoint at {directory} does not fit together: {error}"
        ) from error
    return {
        option.name: _checked(option, described[option.name])
        for option in OPTIONS
        if described.get(option.name) is not None
    }


def _checked(option: Option, value: Any) -> Any:
    if option.kind is Path and isinstance(value, str):
        return Path(value)
    if option.kind is float and type(value) is int:
        return float(value)
    if not isinstance(value, option.kind) or (option.kind is int and isinstance(value, bool)):
        raise ValueError(
            f"{option.name} must be of the type {option.kind.__name__}, not {value!r}."
        )
    return value
