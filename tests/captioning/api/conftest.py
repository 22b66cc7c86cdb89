import io

import pytest

from captioning.photographs import open_photograph


@pytest.fixture
def arrived(coffee_jpeg):
    """The photograph as it is when it was sent."""
    return open_photograph(io.BytesIO(coffee_jpeg))
