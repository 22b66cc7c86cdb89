"""Every option of a training run: the model, where it starts, the training, the decoding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pytorch.model.bounds import check_at_least
from pytorch.model.checkpoint_files import CheckpointError, read_config
from pytorch.model.decoders import DecoderConfig
from pytorch.model.decoding import DecodingConfig
from pytorch.model.encoders import ENCODERS
from pytorch.model.options import Option, option, options_of
from pytorch.training.training_config import TrainingConfig


@dataclass(frozen=True)
class ModelConfig:
    """Options of the model, apart from its decoder's."""

    encoder: str = option(
        "resnet101", "the network that turns images into features", choices=ENCODERS
    )
    grid_size: int = option(4, "rows and columns of the grid of region features")

    def __post_init__(self) -> None:
        check_at_least(self, 1, "grid_size")


@dataclass(frozen=True)
class StartConfig:
    """What a training starts from: a checkpoint, or a new model and its vocabulary."""

    init_from: Path | None = option(None, "checkpoint to train further, instead of a new model")
    encoder_weights: Path | None = option(
        None, "local file of encoder weights, instead of the published ones"
    )
    min_count: int = option(
        4, "how often a word must occur in the train split to be in the vocabulary"
    )

    min_text_count: int = option(
        15, "how often a rarer word must occur in captions and sentences without pictures together"
    )

    concepts: int = option(
        1500,
        "frequent content words that an injection which reads concepts is told of, besides the "
        "names of ImageNet's classes",
    )

    def __post_init__(self) -> None:
        check_at_least(self, 1, "min_count", "min_text_count", "concepts")


PARTS: dict[str, type] = {
    "model": ModelConfig,
    "decoder": DecoderConfig,
    "start": StartConfig,
    "training": TrainingConfig,
    "decoding": DecodingConfig,
}
OPTIONS = {part: options_of(config) for part, config in PARTS.items()}
# A checkpoint that is trained further has settled these.
NEW_MODEL_OPTIONS = {
    *(option.name for part in ("model", "decoder") for option in OPTIONS[part]),
    "encoder_weights",
    "min_count",
    "min_text_count",
    "concepts",
}


@dataclass(frozen=True)
class RunConfig:
    """All options of a run. No two parts have an option of the same name."""

    model: ModelConfig = field(default_factory=ModelConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    start: StartConfig = field(default_factory=StartConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    decoding: DecodingConfig = field(default_factory=DecodingConfig)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The configuration with these options, and the defaults of all others.

        With `init_from`, the options of the model are the checkpoint's, and so are the defaults of
        the decoding.

        Args:
            values: Values by the names of their options.

        Raises:
            ValueError: There is no such option, a value is of another type or out of range, or an
                option contradicts `init_from`.
            CheckpointError: The checkpoint `init_from` cannot be read.
        """
        known = {option.name: option for options in OPTIONS.values() for option in options}
        for name in values:
            if name not in known:
                raise ValueError(f"There is no option {name!r}; choose from {', '.join(known)}.")
        checked = {name: known[name].checked(value) for name, value in values.items()}
        if (checkpoint := checked.get("init_from")) is not None:
            _refuse_new_model_options(checked, checkpoint)
            checked = _checkpoint_values(checkpoint, known) | checked
        return cls(
            **{
                part: PARTS[part](**{o.name: checked[o.name] for o in options if o.name in checked})
                for part, options in OPTIONS.items()
            }
        )

    def values(self) -> dict[str, Any]:
        """The value of every option."""
        return {
            option.name: getattr(getattr(self, part), option.name)
            for part, options in OPTIONS.items()
            for option in options
        }


def _refuse_new_model_options(values: Mapping[str, Any], checkpoint: Path) -> None:
    for name in values:
        if name in NEW_MODEL_OPTIONS:
            raise ValueError(
                f"{name} is for a new model, but init_from trains the model of {checkpoint} as it "
                "is. Leave out one of the two."
            )


def _checkpoint_values(checkpoint: Path, known: Mapping[str, Option]) -> dict[str, Any]:
    """The options that a checkpoint's configuration states: its model's and its decoding's."""
    config = read_config(checkpoint)
    try:
        encoder = config["encoder"]
        stated = {
            "encoder": encoder["name"],
            "grid_size": encoder["grid_size"],
            **config["decoder"],
            **config["decoding"],
        }
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"The checkpoint at {checkpoint} does not fit together: {error}"
        ) from error
    return {
        name: option.checked(stated[name])
        for name, option in known.items()
        if stated.get(name) is not None
    }
