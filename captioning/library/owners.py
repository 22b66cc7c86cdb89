"""The pictures that a request may reach: its account's, or those of the visitor in its cookie."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from captioning.models import Owner, Picture

COOKIE = "visitor"
SALT = "captioning.visitor"
MAX_AGE = 400 * 24 * 60 * 60  # seconds; the longest that browsers keep a cookie


def remember_visitor(request: HttpRequest) -> uuid.UUID:
    """Return the visitor in the request's cookie; a new one gets a cookie with the response."""
    if (visitor := _visitor(request)) is None:
        visitor = request.META["NEW_VISITOR"] = uuid.uuid4()
    return visitor


def visitor_cookie(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware that sends the cookie to visitors that are new to `remember_visitor`."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if visitor := request.META.get("NEW_VISITOR"):
            response.set_signed_cookie(
                COOKIE,
                str(visitor),
                salt=SALT,
                max_age=MAX_AGE,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response

    return middleware


def pictures_of(request: HttpRequest) -> QuerySet[Picture]:
    """Find the pictures that the request may see and change, newest first."""
    if request.user.is_authenticated:
        return Picture.objects.filter(owner__account=request.user.pk)
    if (visitor := _visitor(request)) is not None:
        return Picture.objects.filter(owner__visitor=visitor)
    return Picture.objects.none()


def owner_of(request: HttpRequest) -> Owner:
    """Return the owner of what the request keeps, created with the first picture."""
    if request.user.is_authenticated:
        return owner_of_account(request.user)
    owner, _ = Owner.objects.get_or_create(visitor=remember_visitor(request))
    return owner


def owner_of_account(account: AbstractBaseUser) -> Owner:
    """Return the owner that stands for an account, created with the first picture."""
    owner, _ = Owner.objects.get_or_create(account_id=account.pk)
    return owner


@transaction.atomic
def give_visitors_pictures_to_account(request: HttpRequest, account: AbstractBaseUser) -> None:
    """Move the pictures of the request's visitor to the account.

    If both have the same picture, the account's stays, and takes over the captions, the correction
    and the shared link that it lacks.
    """
    # Without a cookie there is no visitor; accounts are the owners whose visitor is None.
    if (cookie := _visitor(request)) is None:
        return
    if (visitor := Owner.objects.filter(visitor=cookie).first()) is None:
        return
    owner = owner_of_account(account)
    kept = {picture.pixel_hash: picture for picture in owner.pictures.all()}
    for picture in visitor.pictures.all():
        if picture.pixel_hash in kept:
            _merge(picture, kept[picture.pixel_hash])
        else:
            picture.owner = owner
            picture.save(update_fields=["owner"])
    visitor.delete()


def _visitor(request: HttpRequest) -> uuid.UUID | None:
    """Return the visitor in the request's cookie, or the new one who is about to get it."""
    if new := request.META.get("NEW_VISITOR"):
        return uuid.UUID(str(new))
    value = request.get_signed_cookie(COOKIE, default=None, salt=SALT, max_age=MAX_AGE)
    return None if value is None else uuid.UUID(value)


def _merge(picture: Picture, kept: Picture) -> None:
    """Delete `picture`, after moving to `kept`, the same picture, what `kept` lacks."""
    for caption in picture.captions.all():
        if not kept.captions.filter(
            checkpoint=caption.checkpoint, settings=caption.settings
        ).exists():
            caption.picture = kept
            caption.save(update_fields=["picture"])
    if not kept.correction:
        kept.correction, kept.corrected = picture.correction, picture.corrected
    share_token = kept.share_token or picture.share_token
    picture.delete()  # first, because no two pictures may have the same token
    kept.share_token = share_token
    kept.sentence = kept.caption.sentence
    kept.save()
