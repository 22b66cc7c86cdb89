"""Creates and checks the API tokens with which programs act for an account."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from accounts.models import Token

# Tells people and secret scanners that find a token what it belongs to.
PREFIX = "imagecaptioner_"
# "Last used" need not be exact, so not every request has to write to the database.
USED_PRECISION = timedelta(minutes=1)


def make_token(account: User, name: str) -> str:
    """Create a token for the account and return it; only its hash is stored."""
    token = PREFIX + secrets.token_urlsafe(32)
    Token.objects.create(account=account, name=name, hash=_hash(token))
    return token


def account_of(token: str) -> User | None:
    """Look up a token, and record that it was used.

    Returns:
        The account that the token acts for; None if the token is unknown or the account inactive.
    """
    found = Token.objects.select_related("account").filter(hash=_hash(token)).first()
    if found is None or not found.account.is_active:
        return None
    now = timezone.now()
    if found.used is None or found.used < now - USED_PRECISION:
        Token.objects.filter(pk=found.pk).update(used=now)
    return found.account


def _hash(token: str) -> str:
    # Tokens have 256 random bits. Guessing is hopeless, so the hash need not be slow.
    return hashlib.sha256(token.encode()).hexdigest()
