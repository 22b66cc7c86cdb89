"""Forms of accounts."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User


class SignUpForm(UserCreationForm):
    """A name, a password, and an address for the day when that is forgotten."""

    email = forms.EmailField(
        label="E-mail address", help_text="A forgotten password can be set anew through it."
    )

    class Meta:
        model = User
        fields = ("username", "email")
