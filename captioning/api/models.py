"""Operations on models."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from captioning import engine
from captioning.api import schemas
from captioning.api.openapi import may_fail

router = Router(tags=["models"])


@router.get("/models", response=schemas.Models, openapi_extra=may_fail("model_unusable"))
def list_models(request: HttpRequest) -> dict[str, Any]:
    """List the models in use, with their scores and settings."""
    served = engine.served_model()
    metrics = served.metrics
    model = {
        "name": served.name,
        "hash": served.hash,
        "dataset": metrics.get("dataset"),
        "split": metrics.get("split"),
        "scores": metrics.get("scores", {}),
        "settings": engine.caption_settings(),
    }
    return {"models": [model]}
