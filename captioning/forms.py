"""Forms: an upload becomes a photograph here, once, or is refused with a message."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.base import File

from captioning import engine
from captioning.uploads import MAX_UPLOAD_BYTES
from pytorch.files.photographs import (
    FORMATS_IN_WORDS,
    MAX_PIXELS,
    MEDIA_TYPES,
    Photograph,
    PhotographError,
    open_photograph,
)

MAX_MEGABYTES = MAX_UPLOAD_BYTES // 1_000_000
MAX_BEAM_SIZE = 10
MAX_CORRECTION = 1000  # characters
MAX_SEED = 2**31 - 1
DEFAULT_TOP_P = 0.9


class PhotographField(forms.FileField):
    """An uploaded file whose cleaned value is the Photograph in it.

    Its errors have the codes `missing` and `too_large_bytes`, and those of PhotographError.
    """

    widget = forms.FileInput(attrs={"accept": ",".join(MEDIA_TYPES)})

    def clean(self, data: File[bytes] | None, initial: Any = None) -> Photograph:
        """Return the photograph, or raise a ValidationError."""
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


def _optional_number(label: str, least: float, most: float) -> dict[str, Any]:
    """Arguments of a field for a number, with one message for all that can be wrong with it."""
    message = f"{label}: choose a number from {least} to {most}."
    return {
        "label": label,
        "min_value": least,
        "max_value": most,
        "required": False,
        "error_messages": dict.fromkeys(("invalid", "min_value", "max_value"), message),
    }


def _own_beam_size() -> int:
    return engine.served_model().beam_size


class DecodingForm(forms.Form):
    """How to search for captions. What is left empty is the model's own choice."""

    beam_size = forms.IntegerField(
        **_optional_number("Beam size", 1, MAX_BEAM_SIZE),
        initial=_own_beam_size,
        help_text="How many captions the search keeps at each word. Higher is slower.",
    )
    candidates = forms.IntegerField(
        **_optional_number("Candidates", 1, MAX_BEAM_SIZE),
        initial=_own_beam_size,
        help_text="How many of these to show, including the best.",
    )
    creative = forms.BooleanField(
        required=False,
        help_text="Draw words at random, instead of searching for the most probable caption.",
    )
    top_p = forms.FloatField(
        **_optional_number("Top-p", 0.05, 1),
        initial=DEFAULT_TOP_P,
        widget=forms.NumberInput(attrs={"step": "0.05"}),
        help_text=(
            "Draw from the most probable words that together reach this probability. "
            "Higher is bolder."
        ),
    )
    seed = forms.IntegerField(
        **_optional_number("Seed", 0, MAX_SEED),
        initial=0,
        help_text="The same seed gives the same caption again.",
    )

    @property
    def decoding_errors(self) -> bool:
        """Whether one of the options is refused."""
        return any(name in self.errors for name in DecodingForm.base_fields)

    @property
    def decoding(self) -> engine.Decoding:
        """What a valid form asks for."""
        options = self.cleaned_data
        creative = options["creative"]
        return engine.Decoding(
            beam_size=options["beam_size"],
            candidates=options["candidates"],
            top_p=(options["top_p"] or DEFAULT_TOP_P) if creative else None,
            seed=(options["seed"] or 0) if creative else None,
        )


class PhotographForm(DecodingForm):
    """One photograph to caption, and how."""

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
        help_text="In your library, where only you can see it.",
    )


class CorrectionForm(forms.Form):
    """What a person says of a picture; nothing brings the model's caption back."""

    correction = forms.CharField(
        label="Your description",
        required=False,
        max_length=MAX_CORRECTION,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
