import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.tiny import save_tiny_checkpoint


@pytest.fixture(autouse=True)
def _tiny_engine(engine_with_tiny_checkpoint):
    """Tests here caption with the tiny checkpoint, whether or not another is shipped."""


@pytest.fixture
def switch_checkpoint(settings, tmp_path):
    """Serve another checkpoint, named `other`."""

    def switch():
        settings.CAPTIONER_CHECKPOINT = save_tiny_checkpoint(tmp_path / "other", "prefix")

    return switch


@pytest.fixture
def count_queries():
    """Count the queries that a page asks the database."""

    def count(client, address):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        return len(queries)

    return count
