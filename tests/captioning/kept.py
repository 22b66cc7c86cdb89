"""Pictures kept for tests."""

import uuid
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from captioning import library
from captioning.models import Owner
from pytorch.files.photographs import open_photograph


def visitor():
    return Owner.objects.create(visitor=uuid.uuid4())


def keep(owner, content, name="photo.jpg"):
    """Keep the picture in the bytes of a file."""
    return library.keep(owner, open_photograph(SimpleUploadedFile(name, content)))


def kept_files():
    """Files of all kept pictures."""
    return sorted(path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file())
