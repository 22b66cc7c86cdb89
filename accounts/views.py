"""The account pages: Django's own views with our templates, and sign-up."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import login, views
from django.forms import ModelForm
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.views.generic import CreateView

from accounts.forms import SignUpForm

FORM = "accounts/form.html"
MESSAGE = "accounts/message.html"


class SignUp(CreateView):
    """Create an account and log it in."""

    form_class = SignUpForm
    template_name = FORM
    extra_context = {
        "title": "Sign up",
        "lead": (
            "The pictures you kept on this device move to your account, "
            "so you can see them on any device."
        ),
        "other": "accounts:log_in",
        "other_title": "I already have an account",
    }
    success_url = reverse_lazy("captioning:gallery")

    def form_valid(self, form: ModelForm[Any]) -> HttpResponse:
        """Log the new account in."""
        response = super().form_valid(form)
        login(self.request, form.instance)
        return response


log_in = views.LoginView.as_view(
    template_name=FORM,
    redirect_authenticated_user=True,
    extra_context={
        "title": "Log in",
        "lead": "The pictures you kept on this device move to your account.",
        "other": "accounts:password_reset",
        "other_title": "Forgot your password?",
    },
)

log_out = views.LogoutView.as_view()

password_reset = views.PasswordResetView.as_view(
    template_name=FORM,
    email_template_name="accounts/password_reset_email.txt",
    subject_template_name="accounts/password_reset_subject.txt",
    success_url=reverse_lazy("accounts:password_reset_sent"),
    extra_context={
        "title": "Reset your password",
        "lead": "Enter your account's email address, and we will send you a link.",
        "button": "Send link",
    },
)

password_reset_sent = views.PasswordResetDoneView.as_view(
    template_name=MESSAGE,
    extra_context={
        "title": "Check your email",
        "lead": "If an account has this address, a link to choose a new password is on its way.",
    },
)

password_reset_confirm = views.PasswordResetConfirmView.as_view(
    template_name=FORM,
    success_url=reverse_lazy("accounts:password_reset_complete"),
    extra_context={
        "title": "Choose a new password",
        "lead": "Make it hard to guess.",
        "button": "Save password",
    },
)

password_reset_complete = views.PasswordResetCompleteView.as_view(
    template_name=MESSAGE,
    extra_context={
        "title": "Password changed",
        "lead": "You can now log in with your new password.",
    },
)
