"""What several tests need."""

import dataclasses
import io
import os
from pathlib import Path

import pytest
import skimage.data
import torch
from django.db import connections
from PIL import Image

from captioning import engine
from pytorch.model.captioner import Tag
from tests.tiny import save_tiny_checkpoint


def pytest_configure(config):
    # Models as small as here gain nothing from a second thread, and wait for it beside other work.
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # nor do those of the processes that tests start
    # pytest drops the filters that the code sets; see settings.py and photographs.py for why.
    config.addinivalue_line("filterwarnings", "ignore:No directory at")
    config.addinivalue_line("filterwarnings", "ignore::PIL.Image.DecompressionBombWarning")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings, tmp_path_factory):
    """The tests' database is a file, as the real one: one in memory locks in other ways."""
    test = connections["default"].settings_dict["TEST"]
    test["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory) -> Path:
    """A checkpoint with random weights that captions in milliseconds."""
    return save_tiny_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny")


@pytest.fixture
def engine_with_tiny_checkpoint(settings, tiny_checkpoint):
    settings.CAPTIONER_CHECKPOINT = tiny_checkpoint


@pytest.fixture
def tagging(engine_with_tiny_checkpoint, monkeypatch):
    """Give the tiny model's captions a confidence, and tags with scores."""
    captioner = engine.get_captioner()
    caption = captioner.caption

    def tagging(confidence=None, **scores):
        tags = tuple(Tag(word, score) for word, score in scores.items())

        def tagged(images, **options):
            captions = caption(images, **options)
            return [dataclasses.replace(x, confidence=confidence, tags=tags) for x in captions]

        monkeypatch.setattr(captioner, "caption", tagged)

    return tagging


@pytest.fixture(scope="session")
def coffee() -> Image.Image:
    """A photograph of 600 x 400 pixels."""
    return Image.fromarray(skimage.data.coffee())


@pytest.fixture(scope="session")
def coffee_jpeg(coffee) -> bytes:
    buffer = io.BytesIO()
    coffee.save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def _folders_of_their_own(settings, tmp_path):
    """Tests leave the project's folders alone, and do not depend on what is there.

    That is the pictures that people sent, and the static files that `make run` has collected.
    """
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STATIC_ROOT = tmp_path / "staticfiles"
