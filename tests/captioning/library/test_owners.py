import uuid

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.signing import get_cookie_signer
from django.db import IntegrityError
from django.http import HttpResponse

from captioning.library import owners, services
from captioning.models import Owner, Picture
from tests.captioning.library.kept import keep, kept_files, visitor
from tests.captioning.pictures import encoded

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    return User.objects.create_user("alice")


def request_of(rf, visitor=None, *, user=None):
    """A request with the cookie of a visitor, or of an account."""
    if visitor is not None:
        signer = get_cookie_signer(salt=owners.COOKIE + owners.SALT)
        rf.cookies[owners.COOKIE] = signer.sign(str(visitor))
    request = rf.get("/")
    request.user = user or AnonymousUser()
    return request


def answered(request):
    """The response that the middleware makes of a view that remembers its visitor."""

    def view(request):
        owners.remember_visitor(request)
        return HttpResponse()

    return owners.visitor_cookie(view)(request)


def test_a_new_visitor_gets_a_signed_cookie_that_scripts_cannot_read(rf):
    cookie = answered(request_of(rf)).cookies["visitor"]
    assert ":" in cookie.value
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not cookie["secure"]


def test_the_cookie_needs_https_where_the_session_does(rf, settings):
    settings.SESSION_COOKIE_SECURE = True
    assert answered(request_of(rf)).cookies["visitor"]["secure"]


def test_a_known_visitor_keeps_the_cookie(rf):
    assert not answered(request_of(rf, uuid.uuid4())).cookies


def test_other_pages_send_no_cookie(rf):
    response = owners.visitor_cookie(lambda request: HttpResponse())(request_of(rf))
    assert not response.cookies


def test_the_new_visitor_is_the_same_throughout_the_request(rf):
    request = request_of(rf)
    visitor = owners.remember_visitor(request)
    assert owners.remember_visitor(request) == visitor
    assert owners.owner_of(request).visitor == visitor
    assert Owner.objects.get().visitor == visitor


def test_a_forged_cookie_gives_access_to_nothing(rf, coffee_jpeg):
    picture = keep(visitor(), coffee_jpeg)
    rf.cookies[owners.COOKIE] = f"{picture.owner.visitor}:1abcde:forged"
    assert not owners.pictures_of(request_of(rf)).exists()


def test_a_visitor_reaches_only_their_own_pictures(rf, coffee_jpeg):
    mine, _ = keep(visitor(), coffee_jpeg), keep(visitor(), coffee_jpeg)
    assert list(owners.pictures_of(request_of(rf, mine.owner.visitor))) == [mine]


def test_without_a_cookie_there_are_no_pictures(rf, coffee_jpeg):
    keep(visitor(), coffee_jpeg)
    assert not owners.pictures_of(request_of(rf)).exists()


def test_an_account_reaches_only_its_own_pictures(rf, account, coffee_jpeg):
    passing = keep(visitor(), coffee_jpeg)
    mine = keep(owners.owner_of_account(account), coffee_jpeg)
    request = request_of(rf, passing.owner.visitor, user=account)
    assert list(owners.pictures_of(request)) == [mine]
    assert owners.owner_of(request) == mine.owner


def test_an_owner_is_an_account_or_a_visitor(account):
    with pytest.raises(IntegrityError, match="owner_is_an_account_or_a_visitor"):
        Owner.objects.create(account=account, visitor=uuid.uuid4())


def give(rf, visitor, account):
    owners.give_visitors_pictures_to_account(request_of(rf, visitor), account)


def test_a_visitors_pictures_move_to_the_account(rf, account, coffee_jpeg):
    picture = keep(visitor(), coffee_jpeg)
    other = keep(visitor(), coffee_jpeg)
    give(rf, picture.owner.visitor, account)
    picture.refresh_from_db()
    other.refresh_from_db()
    assert picture.owner.account == account
    assert other.owner.account is None
    assert not Owner.objects.filter(visitor=other.owner.visitor, account=account).exists()


def test_a_visitor_without_pictures_changes_nothing(rf, account):
    give(rf, uuid.uuid4(), account)
    give(rf, None, account)
    assert not Owner.objects.exists()


def test_the_accounts_copy_takes_over_what_it_lacks(
    rf, account, coffee_jpeg, switch_checkpoint, django_capture_on_commit_callbacks
):
    kept = keep(owners.owner_of_account(account), coffee_jpeg)
    switch_checkpoint()
    picture = keep(visitor(), coffee_jpeg)
    services.correct(picture, "A cup of coffee.")
    token = services.share(picture)
    with django_capture_on_commit_callbacks(execute=True):
        give(rf, picture.owner.visitor, account)
    assert Picture.objects.get() == kept
    kept.refresh_from_db()
    assert kept.description == "A cup of coffee."
    assert kept.share_token == token
    assert kept.captions.count() == 2
    assert kept.sentence == kept.caption.sentence == picture.sentence
    assert len(kept_files()) == 3


def test_the_accounts_copy_keeps_what_it_has(rf, account, coffee, coffee_jpeg):
    kept = keep(owners.owner_of_account(account), coffee_jpeg)
    services.correct(kept, "A cup of coffee.")
    token = services.share(kept)
    picture = keep(visitor(), coffee_jpeg)
    services.correct(picture, "A mug.")
    services.share(picture)
    new = keep(picture.owner, encoded(coffee, "PNG"))
    give(rf, picture.owner.visitor, account)
    kept.refresh_from_db()
    assert (kept.description, kept.share_token) == ("A cup of coffee.", token)
    assert set(Picture.objects.values_list("pk", flat=True)) == {kept.pk, new.pk}
