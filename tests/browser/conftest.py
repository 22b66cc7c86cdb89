import pytest


@pytest.fixture(autouse=True)
def _tiny_engine(engine_with_tiny_checkpoint):
    """Tests here caption with the tiny checkpoint, whether or not another is shipped."""
