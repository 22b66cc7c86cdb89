"""Who calls the API: an account by its token or session cookie, or else anybody."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf

from accounts.tokens import account_of
from captioning.api.problems import ProblemError

# Browsers send at least one of these with every request that changes something; other programs
# send neither.
SENT_BY_BROWSERS = ("Origin", "Sec-Fetch-Site")


class Token(HttpBearer):
    """A token in the header `Authorization: Bearer TOKEN`."""

    def authenticate(self, request: HttpRequest, token: str) -> User:
        """Make the token's account the request's user.

        Raises:
            ProblemError: The token is unknown or revoked.
        """
        account = account_of(token)
        if account is None:
            raise ProblemError(
                "invalid_token", "This token is unknown or revoked. Create a new one."
            )
        request.user = account
        return account


class Session(APIKeyCookie):
    """The session cookie of a logged-in browser, such as one that tries the API out in its docs."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> User | None:
        """Return the account that is logged in, if any.

        Raises:
            ProblemError: The request lacks the CSRF token.
        """
        if not request.user.is_authenticated:
            return None
        _refuse_forged(request)
        return request.user

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        """Never called; the base class requires it."""
        raise NotImplementedError


def anybody(request: HttpRequest) -> bool:
    """Tell whether callers without an account are served.

    A visitor's cookie works as on the pages. Only browsers need the CSRF token with it, since only
    a browser can be made to send a request by another site.

    Raises:
        ProblemError: A browser's request lacks the CSRF token.
    """
    if any(header in request.headers for header in SENT_BY_BROWSERS):
        _refuse_forged(request)
    return bool(settings.API_ANONYMOUS)


# Tried in this order, by every operation.
CALLERS = (Token(), Session(), anybody)


def is_served(request: HttpRequest) -> bool:
    """Tell whether the caller is served by an operation that changes nothing.

    Raises:
        ProblemError: The token is unknown or revoked.
    """
    return bool(Token()(request) or request.user.is_authenticated or settings.API_ANONYMOUS)


def _refuse_forged(request: HttpRequest) -> None:
    """Refuse a request that another site may have made a browser send. Raises ProblemError."""
    if check_csrf(request) is not None:
        raise ProblemError(
            "csrf_failed",
            "Send the page's CSRF token in the header `X-CSRFToken`, "
            "or an API token in the header `Authorization`.",
        )
