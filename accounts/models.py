"""What accounts have besides Django's own."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Token(models.Model):
    """Lets programs act for an account; `accounts.tokens` makes and recognises them.

    The token itself is shown once and never stored.
    """

    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens"
    )
    name = models.CharField(max_length=100)
    """What its owner calls it, to know later where it is used."""
    hash = models.CharField(max_length=64, unique=True)
    """SHA-256 of the token."""
    created = models.DateTimeField(auto_now_add=True)
    used = models.DateTimeField("last used", null=True)

    class Meta:
        ordering = ["-created", "-id"]

    def __str__(self) -> str:
        return f"{self.name} of {self.account}"
