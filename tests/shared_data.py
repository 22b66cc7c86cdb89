"""Real data sets that some machines have beside the project."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def needs(folder: str) -> pytest.MarkDecorator:
    """Skip a test if this data set is not here."""
    return pytest.mark.skipif(
        not (SHARED_DATA / folder).is_dir(), reason=f"needs {folder}, which is not here"
    )
