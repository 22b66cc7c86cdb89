"""URLs of the project."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("captioning.urls")),
    path("", include("captioning.api.urls")),
    path("account/", include("accounts.urls")),
]
