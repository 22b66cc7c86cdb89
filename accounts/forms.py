"""The forms for signing up and for API tokens."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import UserCreationForm

from accounts.models import Token


class SignUpForm(UserCreationForm):
    """Username, password, and an email address for password resets."""

    email = forms.EmailField(
        label="Email address",
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        help_text="Used only to reset your password.",
    )

    class Meta(UserCreationForm.Meta):
        fields = ("username", "email")


class TokenForm(forms.ModelForm):
    """The name of a new token."""

    class Meta:
        model = Token
        fields = ("name",)
        help_texts = {"name": "Where you will use it, for example “backup script”."}
