"""Configuration of the application."""

from django.apps import AppConfig


class CaptioningConfig(AppConfig):
    """The captioning application."""

    name = "captioning"

    def ready(self) -> None:
        """Register the system checks and signals, which Django finds by their import."""
        from captioning import checks  # noqa: F401, PLC0415
        from captioning.library import signals  # noqa: F401, PLC0415
