import pytest

from tests.tiny import save_tiny_checkpoint


@pytest.fixture(autouse=True)
def _tiny_engine(engine_with_tiny_checkpoint):
    """Tests here caption with the tiny checkpoint, whether or not another is shipped."""


@pytest.fixture
def switch_checkpoint(settings, tmp_path):
    """Put another checkpoint to use, whose name is `other`."""

    def switch():
        settings.CAPTIONER_CHECKPOINT = save_tiny_checkpoint(tmp_path / "other", "prefix")

    return switch
