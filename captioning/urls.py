"""Addresses of the pages."""

from django.urls import path

from captioning import views
from captioning.library import export_views
from captioning.library import views as library_views

app_name = "captioning"
urlpatterns = [
    path("", views.index, name="index"),
    path("model", views.model_card, name="model_card"),
    path("pictures", library_views.gallery, name="gallery"),
    path("pictures/<int:pk>", library_views.picture, name="picture"),
    path("pictures/<int:pk>/correct", library_views.correct, name="correct"),
    path("pictures/<int:pk>/delete", library_views.delete, name="delete"),
    path("pictures/<int:pk>/share", library_views.share, name="share"),
    path("pictures/<int:pk>/revoke", library_views.revoke, name="revoke"),
    path("pictures/<int:pk>/original", library_views.file, {"kind": "original"}, name="original"),
    path("pictures/<int:pk>/shown.jpg", library_views.file, {"kind": "shown"}, name="shown"),
    path(
        "pictures/<int:pk>/thumbnail.jpg",
        library_views.file,
        {"kind": "thumbnail"},
        name="thumbnail",
    ),
    *(
        path(f"export/{name}", export_views.export, {"name": name}, name="export")
        for name in export_views.EXPORTS
    ),
    path("shared/<str:token>", library_views.shared, name="shared"),
    path("shared/<str:token>/shown.jpg", library_views.shared_file, name="shared_file"),
]
