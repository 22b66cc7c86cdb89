"""Pages of accounts: Django's own views, and signing up."""

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
    """Make an account and log it in."""

    form_class = SignUpForm
    template_name = FORM
    extra_context = {
        "title": "Sign up",
        "lead": "Your pictures so far come along, and wait for you on every device.",
        "other": "accounts:log_in",
        "other_title": "I have an account",
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
        "lead": "Pictures that you kept on this device come along.",
        "other": "accounts:password_reset",
        "other_title": "I forgot my password",
    },
)

log_out = views.LogoutView.as_view()

password_reset = views.PasswordResetView.as_view(
    template_name=FORM,
    email_template_name="accounts/password_reset_email.txt",
    subject_template_name="accounts/password_reset_subject.txt",
    success_url=reverse_lazy("accounts:password_reset_sent"),
    extra_context={
        "title": "Forgotten password",
        "lead": "A link to set a new one will be sent to the address of your account.",
    },
)

password_reset_sent = views.PasswordResetDoneView.as_view(
    template_name=MESSAGE,
    extra_context={
        "title": "Look into your mail",
        "lead": (
            "If there is an account with that address, a link to set a new password is on its way."
        ),
    },
)

password_reset_confirm = views.PasswordResetConfirmView.as_view(
    template_name=FORM,
    success_url=reverse_lazy("accounts:password_reset_complete"),
    extra_context={"title": "New password", "lead": "Choose a password that nobody can guess."},
)

password_reset_complete = views.PasswordResetCompleteView.as_view(
    template_name=MESSAGE,
    extra_context={"title": "The new password is set", "lead": "You can log in with it now."},
)
