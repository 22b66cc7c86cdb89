"""Pictures kept for tests."""

import uuid
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.signing import get_cookie_signer
from django.test import Client

from captioning.library import owners, services
from captioning.models import Owner, Picture
from pytorch.files.photographs import open_photograph


def visitor():
    return Owner.objects.create(visitor=uuid.uuid4())


def keep(owner, content, name="photo.jpg"):
    """Keep the picture in the bytes of a file."""
    return services.keep_photograph(owner, open_photograph(SimpleUploadedFile(name, content)))


def without_files(owner, sentence, **fields):
    """A picture in the database alone, which the model captioned with the sentence."""
    size = {"width": 300, "height": 200}
    return Picture.objects.create(
        owner=owner,
        pixel_hash=uuid.uuid4().hex,
        format="JPEG",
        sentence=sentence,
        **(size | fields),
    )


def kept_files():
    """Files of all kept pictures."""
    return sorted(path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file())


def copies(picture, number):
    """More pictures of the owner, without files."""
    for _ in range(number):
        without_files(picture.owner, "A copy.")


def client_of(owner):
    """The browser of a visitor."""
    client = Client()
    signer = get_cookie_signer(salt=owners.COOKIE + owners.SALT)
    client.cookies[owners.COOKIE] = signer.sign(str(owner.visitor))
    return client
