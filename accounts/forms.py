"""Forms of accounts."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import UserCreationForm

from accounts.models import Token


class SignUpForm(UserCreationForm):
    """A name, a password, and an address for the day when that is forgotten."""

    email = forms.EmailField(
        label="E-mail address",
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        help_text="A forgotten password can be set anew through it.",
    )

    class Meta(UserCreationForm.Meta):
        fields = ("username", "email")


class TokenForm(forms.ModelForm):
    """What a new token is called."""

    class Meta:
        model = Token
        fields = ("name",)
        help_texts = {"name": "Where it will be used, such as “backup script”."}
