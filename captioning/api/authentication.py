"""Who calls: an account by its token, else whom the browser's cookies name, else anybody."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf

from accounts.tokens import account_of
from captioning.api.problems import ProblemError

# Browsers send one of these with every request that changes something; other programs do not.
SENT_BY_BROWSERS = ("Origin", "Sec-Fetch-Site")


class Token(HttpBearer):
    """A token in the header `Authorization: Bearer TOKEN`."""

    def authenticate(self, request: HttpRequest, token: str) -> User:
        """Make the token's account that of the request. Raises ProblemError."""
        account = account_of(token)
        if account is None:
            raise ProblemError(
                "invalid_token", "This token is unknown or was revoked. Make another."
            )
        request.user = account
        return account


class Session(APIKeyCookie):
    """The cookie of a browser that is logged in, such as one on the page that tries the API out."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> User | None:
        """Return the account that is logged in. Raises ProblemError where the request is forged."""
        if not request.user.is_authenticated:
            return None
        _refuse_forged(request)
        return request.user

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        """Needed by the base class; `__call__` does it all."""
        raise NotImplementedError


def anybody(request: HttpRequest) -> bool:
    """Tell whether callers without an account are served. Raises ProblemError for a forged request.

    A visitor's cookie works as on the pages. Programs may keep it and send it without more ado;
    only where a browser speaks can another site be behind the request.
    """
    if any(header in request.headers for header in SENT_BY_BROWSERS):
        _refuse_forged(request)
    return bool(settings.API_ANONYMOUS)


# In this order, and for every operation.
CALLERS = (Token(), Session(), anybody)


def is_served(request: HttpRequest) -> bool:
    """Tell whether the caller of what changes nothing is served.

    Raises ProblemError for a bad token.
    """
    return bool(Token()(request) or request.user.is_authenticated or settings.API_ANONYMOUS)


def _refuse_forged(request: HttpRequest) -> None:
    """Let another site change nothing by the cookies of the browser that it is open in."""
    if check_csrf(request) is not None:
        raise ProblemError(
            "csrf_failed",
            "Send the page's CSRF token in the header `X-CSRFToken`, "
            "or a token of your account in `Authorization`.",
        )
