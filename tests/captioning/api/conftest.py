import io

import pytest

from pytorch.files.photographs import open_photograph


@pytest.fixture
def arrived(coffee_jpeg):
    """The photograph as it is when it was sent."""
    return open_photograph(io.BytesIO(coffee_jpeg))
