from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from accounts.models import Token
from accounts.tokens import account_of, make_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return User.objects.create_user("alice")


def test_a_token_belongs_to_one_account(alice):
    other = make_token(User.objects.create_user("bob"), "script")
    assert account_of(make_token(alice, "script")) == alice
    assert account_of(other).username == "bob"


@pytest.mark.parametrize("change", [str.upper, lambda token: token[:-1], lambda token: ""])
def test_a_text_that_is_not_a_token_belongs_to_no_account(alice, change):
    assert account_of(change(make_token(alice, "script"))) is None


def test_tokens_are_long_and_unique(alice):
    tokens = {make_token(alice, "script") for _ in range(10)}
    assert len(tokens) == 10
    assert all(len(token) >= 50 for token in tokens)


def test_the_token_is_not_stored(alice):
    token = make_token(alice, "script")
    [stored] = Token.objects.values_list()
    assert token not in str(stored)
    assert account_of(Token.objects.get().hash) is None


def test_the_token_of_an_inactive_account_is_refused(alice):
    token = make_token(alice, "script")
    alice.is_active = False
    alice.save()
    assert account_of(token) is None


def test_the_last_use_is_recorded_to_the_minute(alice, django_assert_num_queries):
    token = make_token(alice, "script")
    assert Token.objects.get().used is None
    before = timezone.now()
    account_of(token)
    assert Token.objects.get().used >= before
    with django_assert_num_queries(1):
        account_of(token)
    Token.objects.update(used=before - timedelta(minutes=2))
    account_of(token)
    assert Token.objects.get().used >= before
