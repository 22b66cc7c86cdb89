"""The content security policy, as middleware."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

# Nothing from other hosts and nothing inline. Images may also be data: URLs (the photograph beside
# its caption) and blob: URLs (the preview of a chosen file).
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)


def content_security_policy(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Add the content security policy to every response."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # Django's debug pages have inline styles.
        if not (settings.DEBUG and response.status_code in (404, 500)):
            response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response

    return middleware
