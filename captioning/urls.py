"""Addresses of the application."""

from django.urls import path

from captioning import views

app_name = "captioning"
urlpatterns = [
    path("", views.index, name="index"),
    path("model", views.model_card, name="model_card"),
]
