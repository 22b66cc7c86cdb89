import pytest

from tests.captioning.library.kept import client_of, keep, visitor


@pytest.fixture
def picture(coffee_jpeg):
    return keep(visitor(), coffee_jpeg, "coffee.jpg")


@pytest.fixture
def client(picture):
    return client_of(picture.owner)
