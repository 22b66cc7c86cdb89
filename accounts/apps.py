"""Configuration of the application."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Accounts; the users themselves are those of `django.contrib.auth`."""

    name = "accounts"
