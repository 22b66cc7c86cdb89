"""Addresses of the project."""

from django.urls import include, path

urlpatterns = [
    path("", include("captioning.urls")),
    path("account/", include("accounts.urls")),
]
