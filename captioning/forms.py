"""Forms: what a person sends becomes a photograph and options, or is refused with a message."""

from __future__ import annotations

from collections.abc import Sequence
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
    """An uploaded file, which is cleaned to the Photograph in it.

    Error codes are `missing`, `too_large_bytes` and those of PhotographError.
    """

    widget = forms.FileInput(attrs={"accept": ",".join(MEDIA_TYPES)})

    def clean(self, data: File[bytes] | None, initial: Any = None) -> Photograph:
        """Decode the photograph.

        Raises:
            ValidationError: There is no file, it is too large, or it is not a usable photograph.
        """
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
    """Arguments for an optional number's field, with one message for every error."""
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
    """Options for generating captions. The checkpoint decides about those left empty.

    The API takes the same options; its schema takes their limits and help texts from here.
    """

    beam_size = forms.IntegerField(
        **_optional_number("Beam size", 1, MAX_BEAM_SIZE),
        initial=_own_beam_size,
        help_text="How many captions beam search keeps at each word. Higher is slower.",
    )
    candidates = forms.IntegerField(
        **_optional_number("Candidates", 1, MAX_BEAM_SIZE),
        initial=_own_beam_size,
        help_text="How many captions to show, including the best.",
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
        """Whether any option is invalid."""
        return any(name in self.errors for name in DecodingForm.base_fields)

    @property
    def decoding(self) -> engine.DecodingConfig:
        """The model's options, from a valid form.

        Raises:
            EngineError: The checkpoint is missing or damaged.
        """
        return self.decoding_with()

    def decoding_with(
        self, *, must_say: Sequence[str] = (), must_not_say: Sequence[str] = ()
    ) -> engine.DecodingConfig:
        """The model's options, from a valid form and words, see `engine.decoding`.

        Raises:
            EngineError: The checkpoint is missing or damaged.
            OptionsError: The model cannot say these words.
        """
        options = self.cleaned_data
        creative = options["creative"]
        return engine.decoding(
            beam_size=options["beam_size"],
            top_p=(options["top_p"] or DEFAULT_TOP_P) if creative else None,
            seed=(options["seed"] or 0) if creative else None,
            must_say=must_say or None,
            must_not_say=must_not_say or None,
        )


class PhotographForm(DecodingForm):
    """A photograph to caption, and options."""

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
    """A person's description of a picture; an empty one brings the model's caption back."""

    correction = forms.CharField(
        label="Your description",
        required=False,
        max_length=MAX_CORRECTION,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
