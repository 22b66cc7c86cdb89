"""Addresses of the project."""

from django.urls import include, path

urlpatterns = [
    path("", include("captioning.urls")),
    path("", include("captioning.api.urls")),
    path("account/", include("accounts.urls")),
]
