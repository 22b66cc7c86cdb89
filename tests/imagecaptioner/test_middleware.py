import pytest
from django.http import HttpResponse

from imagecaptioner.middleware import content_security_policy


def policy(rf, *, status):
    middleware = content_security_policy(lambda request: HttpResponse(status=status))
    return middleware(rf.get("/")).headers.get("Content-Security-Policy")


@pytest.mark.parametrize("status", [200, 404, 500])
def test_every_page_has_the_policy(rf, status):
    assert policy(rf, status=status).startswith("default-src 'none'; style-src 'self';")


def test_nothing_inline_is_allowed(rf):
    assert "unsafe" not in policy(rf, status=200)


def test_debug_pages_keep_their_styles(rf, settings):
    settings.DEBUG = True
    assert policy(rf, status=500) is None
    assert policy(rf, status=200) is not None
