"""Pictures kept for tests."""

import io
import uuid
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from captioning import library
from captioning.models import Owner
from captioning.photographs import open_photograph


def visitor():
    return Owner.objects.create(visitor=uuid.uuid4())


def keep(owner, content, name="photo.jpg"):
    """Keep the picture in the bytes of a file."""
    photograph = open_photograph(io.BytesIO(content))
    return library.keep(owner, photograph, SimpleUploadedFile(name, content))


def kept_files():
    """Files of all kept pictures."""
    return sorted(path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file())
