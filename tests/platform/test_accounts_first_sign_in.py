"""The one-time link for the first administrator."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth import SESSION_KEY
from django.test import Client
from django.utils import timezone

from platform_site.accounts.models import FirstSignIn, User
from platform_site.accounts.services.first_sign_in import (
    complete_first_sign_in,
    first_sign_in_path,
)
from platform_site.core.errors import NotFound
from tests.people import PASSWORD, person

FORM = {"username": "ada", "password1": PASSWORD, "password2": PASSWORD}


def test_the_link_makes_the_first_administrator_and_signs_in(db, client):
    path = first_sign_in_path()
    assert client.get(path).status_code == 200
    answer = client.post(path, FORM)
    assert answer.status_code == 302
    ada = User.objects.get()
    assert (ada.username, ada.is_superuser, ada.is_staff) == ("ada", True, True)
    assert client.session[SESSION_KEY] == str(ada.pk)


def test_the_link_works_once(db):
    path = first_sign_in_path()
    assert Client().post(path, FORM).status_code == 302
    assert Client().get(path).status_code == 404
    assert Client().post(path, {**FORM, "username": "eve"}).status_code == 404
    assert User.objects.count() == 1


def test_of_two_at_once_one_wins(db):
    secret = first_sign_in_path().split("/")[-2]
    complete_first_sign_in(secret=secret, username="ada", password=PASSWORD)
    with pytest.raises(NotFound):
        complete_first_sign_in(secret=secret, username="eve", password=PASSWORD)
    assert User.objects.get().username == "ada"


def test_the_secret_is_not_in_the_database(db):
    secret = first_sign_in_path().split("/")[-2]
    row = FirstSignIn.objects.get()
    assert secret not in row.digest
    assert len(secret) >= 40


def test_the_link_ends_after_a_day(db, client):
    path = first_sign_in_path()
    with time_machine.travel(timezone.now() + timedelta(hours=24, seconds=1), tick=False):
        assert client.get(path).status_code == 404
        assert client.post(path, FORM).status_code == 404
    assert not User.objects.exists()


def test_a_newer_link_replaces_the_older(db, client):
    old, new = first_sign_in_path(), first_sign_in_path()
    assert client.get(old).status_code == 404
    assert client.get(new).status_code == 200


def test_no_link_once_there_is_an_administrator(db, client):
    path = first_sign_in_path()
    person("root", is_superuser=True, is_staff=True)
    assert first_sign_in_path() is None
    assert client.get(path).status_code == 404
    assert client.post(path, FORM).status_code == 404


def test_an_administrator_who_cannot_sign_in_does_not_count(db):
    person("off", is_superuser=True, is_active=False)
    User.objects.create(username="nopassword", is_superuser=True, password="!x")
    person("plain")
    assert first_sign_in_path() is not None


@pytest.mark.parametrize("secret", ["x", "a" * 43, "%00", "..%2f"])
def test_a_guessed_link_is_404(db, client, secret):
    first_sign_in_path()
    assert client.get(f"/first-sign-in/{secret}/").status_code == 404


def test_a_weak_password_does_not_spend_the_link(db, client):
    path = first_sign_in_path()
    weak = {**FORM, "password1": "password1", "password2": "password1"}
    assert client.post(path, weak).status_code == 200
    assert client.post(path, FORM).status_code == 302


def test_a_taken_name_does_not_spend_the_link(db, client):
    person("ada")
    path = first_sign_in_path()
    assert client.post(path, FORM).status_code == 200
    assert client.post(path, {**FORM, "username": "grace"}).status_code == 302
