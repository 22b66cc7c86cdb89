"""Checkpoints: a captioner written to a directory, and read back.

A checkpoint is the only thing that moves between training and serving. Loading one runs no code
from it, and refuses whatever does not fit together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from pytorch.model.captioner import Captioner
from pytorch.model.checkpoint_files import (
    CONFIG,
    METRICS,
    MODEL_CARD,
    VOCABULARY,
    WEIGHTS,
    CheckpointError,
    file_hash,
    new_checkpoint,
    read_json,
    verify_files,
    write_config,
    write_json,
)
from pytorch.model.decoders import Decoder, DecoderConfig
from pytorch.model.encoder_weights import EncoderError
from pytorch.model.encoders import Encoder
from pytorch.model.search import DecodingConfig
from pytorch.model.transforms import Preprocessing
from pytorch.model.vocabulary import Vocabulary


def default_device() -> torch.device:
    """The GPU when one is present."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def save_checkpoint(directory: Path, captioner: Captioner, *, model_card: str) -> None:
    """Write the captioner as the checkpoint `directory`, replacing one that is there whole.

    An encoder that still has its registry's pretrained weights is named with their hash; any
    other is copied into the checkpoint. Raises CheckpointError where `directory` holds anything
    else than a checkpoint.
    """
    encoder = captioner.encoder
    tensors = _prefixed("decoder.", captioner.decoder)
    if encoder.weights_source != "pretrained":
        tensors |= _prefixed("encoder.", encoder)
    config = {
        "encoder": {
            "name": encoder.name,
            "grid_size": encoder.grid_size,
            "weights": encoder.weights_source,
            "weights_hash": encoder.weights_hash(),
            "preprocessing": dataclasses.asdict(encoder.preprocessing),
        },
        "decoder": {
            "vocabulary_size": captioner.decoder.vocabulary_size,
            "channels": captioner.decoder.channels,
            **dataclasses.asdict(captioner.decoder.config),
        },
        "decoding": dataclasses.asdict(captioner.decoding),
    }
    with new_checkpoint(directory) as new:
        (new / WEIGHTS).write_bytes(save(tensors))
        write_json(new / VOCABULARY, captioner.vocabulary.words)
        write_json(new / METRICS, captioner.metrics)
        (new / MODEL_CARD).write_text(model_card, encoding="utf-8")
        write_config(new, config)


def load_captioner(directory: Path, *, device: torch.device | None = None) -> Captioner:
    """The captioner of a checkpoint, on `device` (the GPU when one is present, by default).

    Raises CheckpointError with a sentence that says what does not fit.
    """
    config = verify_files(directory)
    try:
        captioner = _build(config, directory)
        _load_weights(captioner, config["encoder"], directory / WEIGHTS)
    except (KeyError, TypeError, ValueError, EncoderError) as error:
        raise CheckpointError(
            f"The checkpoint at {directory} does not fit together: {error}"
        ) from error
    device = device or default_device()
    return captioner.to(device)


def _prefixed(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {prefix + name: tensor.contiguous() for name, tensor in module.state_dict().items()}


def _build(config: Mapping[str, Any], directory: Path) -> Captioner:
    """The captioner that the configuration describes, with random weights."""
    encoder = Encoder(config["encoder"]["name"], grid_size=config["encoder"]["grid_size"])
    encoder.preprocessing = Preprocessing(**config["encoder"]["preprocessing"])
    vocabulary = Vocabulary(read_json(directory / VOCABULARY))
    options = dict(config["decoder"])
    vocabulary_size, channels = options.pop("vocabulary_size"), options.pop("channels")
    if vocabulary_size != len(vocabulary):
        raise ValueError(
            f"the decoder knows {vocabulary_size} words, {VOCABULARY} holds {len(vocabulary)}."
        )
    if channels != encoder.channels:
        raise ValueError(
            f"the decoder takes {channels} channels, "
            f"the encoder {encoder.name} gives {encoder.channels}."
        )
    return Captioner(
        encoder=encoder,
        decoder=Decoder(
            DecoderConfig(**options), vocabulary_size=vocabulary_size, channels=channels
        ),
        vocabulary=vocabulary,
        decoding=DecodingConfig(**config["decoding"]),
        name=directory.resolve().name,
        metrics=read_json(directory / METRICS),
        config_hash=file_hash(directory / CONFIG),
    )


def _load_weights(captioner: Captioner, encoder_config: Mapping[str, Any], path: Path) -> None:
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path.name} is not a safetensors file: {error}.") from error
    if encoder_config["weights"] == "pretrained":
        captioner.encoder.load_pretrained()
    else:
        _load_part(captioner.encoder, "encoder.", tensors)
        captioner.encoder.weights_source = encoder_config["weights"]
    found = captioner.encoder.weights_hash()
    if found != encoder_config["weights_hash"]:
        raise ValueError(
            f"the decoder was trained on {captioner.encoder.name} weights with the hash "
            f"{encoder_config['weights_hash'][:12]}..., those found here have {found[:12]}..."
        )
    _load_part(captioner.decoder, "decoder.", tensors)
    if tensors:
        raise ValueError(f"{path.name} holds {next(iter(tensors))}, which nothing here uses.")


def _load_part(module: nn.Module, prefix: str, tensors: dict[str, Tensor]) -> None:
    """Move the tensors under `prefix` into the module; raises ValueError at the first misfit."""
    part = {}
    for name, expected in module.state_dict().items():
        tensor = tensors.pop(prefix + name, None)
        if tensor is None:
            raise ValueError(f"the weights lack {prefix}{name}.")
        if tensor.shape != expected.shape:
            raise ValueError(
                f"{prefix}{name} has the shape {tuple(tensor.shape)}, "
                f"the configuration needs {tuple(expected.shape)}."
            )
        part[name] = tensor
    module.load_state_dict(part)
