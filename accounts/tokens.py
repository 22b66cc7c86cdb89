"""Tokens, by which programs act for an account: made, recognised, and only their hash stored."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from accounts.models import Token

# Whoever finds a token somewhere, a secret scanner too, can see what it belongs to.
PREFIX = "imagecaptioner_"
# "Last used" need not be exact, and a write for every request would be many.
USED_PRECISION = timedelta(minutes=1)


def make_token(account: User, name: str) -> str:
    """Make a token for the account and return it; it cannot be read again."""
    token = PREFIX + secrets.token_urlsafe(32)
    Token.objects.create(account=account, name=name, hash=_hash(token))
    return token


def account_of(token: str) -> User | None:
    """Return the account that the token acts for; None if it is unknown, or the account closed."""
    found = Token.objects.select_related("account").filter(hash=_hash(token)).first()
    if found is None or not found.account.is_active:
        return None
    now = timezone.now()
    if found.used is None or found.used < now - USED_PRECISION:
        Token.objects.filter(pk=found.pk).update(used=now)
    return found.account


def _hash(token: str) -> str:
    # A token has 256 random bits: nobody can try them all, so the hash need not be a slow one.
    return hashlib.sha256(token.encode()).hexdigest()
