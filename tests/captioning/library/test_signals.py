import pytest
from django.contrib.auth.models import User
from django.db import transaction

from captioning.library import owners
from captioning.models import Picture
from tests.captioning.library.kept import keep, kept_files, visitor

pytestmark = pytest.mark.django_db


def test_files_go_with_an_account_and_its_pictures(coffee_jpeg, django_capture_on_commit_callbacks):
    account = User.objects.create_user("alice")
    keep(owners.owner_of_account(account), coffee_jpeg)
    others = keep(visitor(), coffee_jpeg)
    with django_capture_on_commit_callbacks(execute=True):
        account.delete()
    assert Picture.objects.get() == others
    assert len(kept_files()) == 3


@pytest.mark.django_db(transaction=True)
def test_files_stay_if_the_deletion_is_rolled_back(coffee_jpeg):
    with transaction.atomic():
        keep(visitor(), coffee_jpeg).delete()
        transaction.set_rollback(True)
    assert len(kept_files()) == 3
