"""Signal handlers: delete files with their rows, and move pictures to the account at log-in."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.http import HttpRequest

from captioning.library import owners, services
from captioning.models import Picture


@receiver(post_delete, sender=Picture)
def delete_files(instance: Picture, **_: Any) -> None:
    """Delete a picture's files when the deletion of its row is committed."""
    transaction.on_commit(partial(services.delete_files, instance))


@receiver(user_logged_in)
def take_pictures_along(request: HttpRequest, user: AbstractBaseUser, **_: Any) -> None:
    """Give the account the pictures that the visitor kept before logging in."""
    owners.give_visitors_pictures_to_account(request, user)
