"""The application's configuration."""

from django.apps import AppConfig


class CaptioningConfig(AppConfig):
    """The captioning application."""

    name = "captioning"

    def ready(self) -> None:
        """Register the system checks and signals, which importing them does."""
        from captioning import checks  # noqa: F401, PLC0415
        from captioning.library import signals  # noqa: F401, PLC0415
