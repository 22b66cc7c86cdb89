"""API tokens; the accounts themselves are Django's own users."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Token(models.Model):
    """Lets programs act for an account.

    `accounts.tokens` creates and checks tokens. Only the hash is stored: a token is shown once.
    """

    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens"
    )
    name = models.CharField(max_length=100)
    """Chosen by its owner, as a reminder of where it is used."""
    hash = models.CharField(max_length=64, unique=True)
    """SHA-256 of the token."""
    created = models.DateTimeField(auto_now_add=True)
    used = models.DateTimeField("last used", null=True)

    class Meta:
        ordering = ["-created", "-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.account})"
