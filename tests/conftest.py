"""What several tests need."""

import io
from pathlib import Path

import pytest
import skimage.data
import torch
from PIL import Image

from tests.tiny import save_tiny_checkpoint


def pytest_configure(config):
    # Models as small as here gain nothing from a second thread, and wait for it beside other work.
    torch.set_num_threads(1)
    # pytest drops the filters that the code sets; see settings.py and photographs.py for why.
    config.addinivalue_line("filterwarnings", "ignore:No directory at")
    config.addinivalue_line("filterwarnings", "ignore::PIL.Image.DecompressionBombWarning")


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory) -> Path:
    """A checkpoint with random weights that captions in milliseconds."""
    return save_tiny_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny")


@pytest.fixture
def engine_with_tiny_checkpoint(settings, tiny_checkpoint):
    settings.CAPTIONER_CHECKPOINT = tiny_checkpoint


@pytest.fixture(scope="session")
def coffee() -> Image.Image:
    """A photograph of 600 x 400 pixels."""
    return Image.fromarray(skimage.data.coffee())


@pytest.fixture(scope="session")
def coffee_jpeg(coffee) -> bytes:
    buffer = io.BytesIO()
    coffee.save(buffer, "JPEG")
    return buffer.getvalue()
