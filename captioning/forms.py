"""Forms: an upload becomes a photograph here, once, or is refused with a message."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from PIL import Image

from captioning.photographs import (
    FORMATS_IN_WORDS,
    MAX_PIXELS,
    MEDIA_TYPES,
    PhotographError,
    open_photograph,
)
from captioning.uploads import MAX_UPLOAD_BYTES

MAX_MEGABYTES = MAX_UPLOAD_BYTES // 1_000_000


class PhotographField(forms.FileField):
    """An uploaded file whose cleaned value is the upright RGB image in it.

    Its errors have the codes `missing` and `too_large_bytes`, and those of PhotographError.
    """

    widget = forms.FileInput(attrs={"accept": ",".join(MEDIA_TYPES)})

    def clean(self, data: UploadedFile | None, initial: Any = None) -> Image.Image:
        """Return the image, or raise a ValidationError."""
        if data is None:
            raise ValidationError("Choose a photograph first.", code="missing")
        if data.size is None or data.size > MAX_UPLOAD_BYTES:
            raise ValidationError(
                f"This file is larger than {MAX_MEGABYTES} MB. Send a smaller copy.",
                code="too_large_bytes",
            )
        try:
            return open_photograph(data)
        except PhotographError as error:
            raise ValidationError(error.message, code=error.code) from error


class PhotographForm(forms.Form):
    """One photograph to caption."""

    photograph = PhotographField(
        help_text=(
            f"{FORMATS_IN_WORDS}, at most {MAX_MEGABYTES} MB "
            f"and {MAX_PIXELS // 1_000_000} megapixels."
        )
    )
    keep = forms.BooleanField(
        label="Keep this picture",
        required=False,
        initial=True,
        help_text="In your library, for you alone.",
    )


class CorrectionForm(forms.Form):
    """What a person says of a picture; nothing brings the model's caption back."""

    correction = forms.CharField(
        label="What would you say?",
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
