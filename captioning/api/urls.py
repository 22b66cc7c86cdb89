"""Addresses of the API. `/api/v1/docs` documents them, from `/api/v1/openapi.json`."""

from django.urls import path
from django.views.decorators.cache import never_cache

from captioning.api import captions, models
from captioning.api.authentication import CALLERS
from captioning.api.max_predict import predict
from captioning.api.openapi import DOCS, DocumentedAPI
from captioning.api.problems import handle_errors

api = DocumentedAPI(
    title="Image Captioner",
    version="1",
    # Swagger UI's headings of operations come one level below this heading.
    description="Captions for photographs. Errors are problem details (RFC 9457).\n\n## Operations",
    urls_namespace="api-v1",
    auth=CALLERS,
    docs=DOCS,
)
handle_errors(api)
api.add_decorator(never_cache, mode="view")
api.add_router("", captions.router)
api.add_router("", models.router)

urlpatterns = [
    path("api/v1/", api.urls),
    path("model/predict", predict, name="max_predict"),
]
