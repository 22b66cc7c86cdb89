"""Downloads of all pictures that a search in the library finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from captioning.library.exports import csv_rows, described_files, json_rows, zip_parts
from captioning.library.training_set import training_set
from captioning.library.views import find_requested_pictures
from captioning.models import Picture

Parts = Iterator[str] | Iterator[bytes]


def _described_zip(pictures: QuerySet[Picture]) -> Iterator[bytes]:
    return zip_parts(described_files(pictures))


def _training_zip(pictures: QuerySet[Picture]) -> Iterator[bytes]:
    return zip_parts(training_set(pictures))


# The media type of each download, and the function that generates it.
EXPORTS: dict[str, tuple[str, Callable[[QuerySet[Picture]], Parts]]] = {
    "pictures.csv": ("text/csv; charset=utf-8", csv_rows),
    "pictures.json": ("application/json", json_rows),
    "pictures.zip": ("application/zip", _described_zip),
    "training-set.zip": ("application/zip", _training_zip),
}


@never_cache
@require_safe
def export(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """Send all pictures that the search finds as one of the `EXPORTS`."""
    media_type, written = EXPORTS[name]
    pictures, _ = find_requested_pictures(request)
    return StreamingHttpResponse(
        written(pictures),
        content_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
