"""Application configuration."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Pages and tokens for the users of `django.contrib.auth`."""

    name = "accounts"
