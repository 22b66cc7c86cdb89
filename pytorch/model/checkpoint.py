"""Checkpoints: a captioner saved to a directory, and loaded from it.

A checkpoint is the only thing that moves between training and serving. Loading one runs no code
from it, and refuses parts that do not fit together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
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
from pytorch.model.concept_weights import detector_of_tensors, detector_tensors
from pytorch.model.confidence import ConfidenceModel, Familiarity
from pytorch.model.decoders import Decoder, DecoderConfig
from pytorch.model.decoding import DecodingConfig
from pytorch.model.encoder_weights import EncoderError
from pytorch.model.encoders import Encoder
from pytorch.model.people_detector import PeopleDetector, class_count
from pytorch.model.transforms import Preprocessing
from pytorch.model.vocabulary import Vocabulary


def default_device() -> torch.device:
    """The GPU if there is one, otherwise the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def save_checkpoint(directory: Path, captioner: Captioner, *, model_card: str) -> None:
    """Write the captioner as a checkpoint, replacing one that is already there.

    An encoder with its published weights is stored by name and hash only; any other weights are
    copied into the checkpoint.

    Args:
        directory: Where the checkpoint goes.
        captioner: The model, on any device.
        model_card: The Markdown of its README.

    Raises:
        CheckpointError: A weight is not finite, `directory` holds something other than a
            checkpoint, or it cannot be written.
    """
    encoder, decoder = captioner.encoder, captioner.decoder
    tensors = _prefixed("decoder.", decoder)
    if encoder.weights_source != "pretrained":
        tensors |= _prefixed("encoder.", encoder)
    if captioner.concepts is not None:
        tensors |= detector_tensors(captioner.concepts)
    if captioner.people is not None:
        tensors |= _prefixed("people.", captioner.people)
    if captioner.confidence is not None:
        tensors |= _prefixed("confidence.", captioner.confidence)
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise CheckpointError(
                f"No checkpoint is written to {directory}: {name} has values that are infinite or "
                "not a number. Train with a lower learning rate."
            )
    config = {
        "encoder": {
            "name": encoder.name,
            "grid_size": encoder.grid_size,
            "weights": encoder.weights_source,
            "weights_hash": encoder.weights_hash(),
            "preprocessing": dataclasses.asdict(encoder.preprocessing),
        },
        "decoder": {
            "vocabulary_size": decoder.vocabulary_size,
            "channels": decoder.channels,
            **dataclasses.asdict(decoder.config),
        },
        "decoding": dataclasses.asdict(captioner.decoding),
        "concepts": _concept_words(captioner),
        "people": captioner.people is not None,
        "confidence": _confidence_config(captioner.confidence),
    }
    with new_checkpoint(directory) as new:
        (new / WEIGHTS).write_bytes(save(_smallest(tensors)))
        write_json(new / VOCABULARY, captioner.vocabulary.words)
        write_json(new / METRICS, captioner.metrics)
        (new / MODEL_CARD).write_text(model_card, encoding="utf-8")
        write_config(new, config)


def round_to_half(network: nn.Module) -> None:
    """Round weights to half precision, so that a checkpoint with them takes half the space."""
    with torch.no_grad():
        for weights in network.parameters():
            weights.copy_(weights.half())


def _smallest(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in half precision where that loses nothing: where they were rounded to it."""

    def smallest(tensor: Tensor) -> Tensor:
        half = tensor.half() if tensor.dtype == torch.float32 else tensor
        return half if torch.equal(half.to(tensor.dtype), tensor) else tensor

    return {name: smallest(tensor) for name, tensor in tensors.items()}


def load_captioner(directory: Path, *, device: torch.device | None = None) -> Captioner:
    """Load the captioner of a checkpoint.

    Args:
        directory: The checkpoint.
        device: Where the captioner goes; `default_device()` if None.

    Raises:
        CheckpointError: The checkpoint is missing or damaged, or its parts do not fit together.
    """
    config = verify_files(directory)
    try:
        captioner = _build(config, directory)
        _load_weights(captioner, config, directory / WEIGHTS)
        captioner.check_decoding(captioner.decoding)
    except KeyError as error:
        raise CheckpointError(
            f"The checkpoint at {directory} does not fit together: {CONFIG} lacks {error}."
        ) from error
    except (TypeError, ValueError, EncoderError) as error:
        raise CheckpointError(
            f"The checkpoint at {directory} does not fit together: {error}"
        ) from error
    return captioner.to(device or default_device())


def _prefixed(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {prefix + name: tensor.contiguous() for name, tensor in module.state_dict().items()}


def _concept_words(captioner: Captioner) -> list[str] | None:
    if captioner.concepts is None:
        return None
    return [captioner.vocabulary.words[number] for number in captioner.concepts.words]


def _confidence_config(confidence: ConfidenceModel | None) -> dict[str, Any] | None:
    if confidence is None:
        return None
    return {
        "evidence": list(confidence.names),
        "prototypes": len(confidence.familiarity.prototypes),
    }


def _build(config: Mapping[str, Any], directory: Path) -> Captioner:
    """Build the captioner of a configuration, with random weights and without concepts."""
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


def _load_weights(captioner: Captioner, config: Mapping[str, Any], path: Path) -> None:
    """Fill in the weights from a safetensors file, and published ones from their own source."""
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path.name} is not a safetensors file: {error}.") from error
    encoder_config = config["encoder"]
    if encoder_config["weights"] == "pretrained":
        captioner.encoder.load_pretrained()
    else:
        _load_part(captioner.encoder, "encoder.", tensors)
        captioner.encoder.weights_source = encoder_config["weights"]
    found = captioner.encoder.weights_hash()
    if found != encoder_config["weights_hash"]:
        raise ValueError(
            f"the decoder was trained on {captioner.encoder.name} weights with the hash "
            f"{encoder_config['weights_hash'][:12]}..., but those found here have {found[:12]}..."
        )
    _load_part(captioner.decoder, "decoder.", tensors)
    # Checkpoints from before there were concepts do not speak of them.
    if (concepts := config.get("concepts")) is not None:
        captioner.concepts = detector_of_tensors(
            _concept_numbers(concepts, captioner.vocabulary),
            tensors,
            channels=captioner.encoder.channels,
        )
    elif captioner.decoder.injection.needs_concepts:
        raise ValueError(
            f"the injection {captioner.decoder.config.injection} needs concepts, "
            f"but {CONFIG} names none."
        )
    if config.get("people"):
        captioner.people = PeopleDetector(
            captioner.encoder.channels, class_count(captioner.concepts)
        )
        _load_part(captioner.people, "people.", tensors)
    if (confidence := config.get("confidence")) is not None:
        familiarity = Familiarity(captioner.encoder.channels, confidence["prototypes"])
        captioner.confidence = ConfidenceModel(confidence["evidence"], familiarity)
        _load_part(captioner.confidence, "confidence.", tensors)
    if tensors:
        raise ValueError(f"{path.name} holds {next(iter(tensors))}, which nothing here uses.")


def _concept_numbers(concepts: Sequence[str], vocabulary: Vocabulary) -> list[int]:
    """Find the vocabulary numbers of concept words."""
    numbers = {word: number for number, word in enumerate(vocabulary.words)}
    for word in concepts:
        if word not in numbers:
            raise ValueError(f"the concept {word!r} is not in {VOCABULARY}.")
    return [numbers[word] for word in concepts]


def _load_part(module: nn.Module, prefix: str, tensors: dict[str, Tensor]) -> None:
    """Move the tensors under `prefix` from `tensors` into the module.

    Raises:
        ValueError: A tensor is missing or has another shape.
    """
    part = {}
    for name, expected in module.state_dict().items():
        tensor = tensors.pop(prefix + name, None)
        if tensor is None:
            raise ValueError(f"the weights lack {prefix}{name}.")
        if tensor.shape != expected.shape:
            raise ValueError(
                f"{prefix}{name} has the shape {tuple(tensor.shape)}, "
                f"but the configuration needs {tuple(expected.shape)}."
            )
        part[name] = tensor
    module.load_state_dict(part)
