"""The page where an account manages its API tokens."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import TokenForm
from accounts.models import Token
from accounts.tokens import make_token


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """List the account's tokens, or create one; only this response shows the new token."""
    account = cast(User, request.user)
    form = TokenForm(request.POST or None)
    context: dict[str, Any] = {"tokens": account.tokens.all()}
    if form.is_valid():
        context["new_token"] = make_token(account, form.cleaned_data["name"])
        form = TokenForm()
    status = 400 if form.errors else 200
    return render(request, "accounts/tokens.html", context | {"form": form}, status=status)


@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete one of the account's tokens; programs that use it lose access at once."""
    token = get_object_or_404(Token, pk=pk, account=request.user.pk)
    token.delete()
    messages.success(request, f"Token “{token.name}” revoked.")
    return redirect("accounts:tokens")
