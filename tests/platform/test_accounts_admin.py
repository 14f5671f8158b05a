"""The console of people, projects and tokens."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group

from platform_site.accounts.models import ApiToken, Membership, Project, User
from tests.people import PASSWORD

LISTS = ["user", "project", "membership", "apitoken"]


@pytest.fixture
def console(people, as_user):
    client = as_user(people.root)
    client.people = people
    return client


def pages(console):
    token, secret = ApiToken.objects.create(console.people.alice, name="ci")
    console.secret, console.token = secret, token
    rows = {
        "user": console.people.alice.pk,
        "project": console.people.project.pk,
        "membership": Membership.objects.first().pk,
        "apitoken": token.pk,
    }
    for name in LISTS:
        yield f"/admin/accounts/{name}/"
        yield f"/admin/accounts/{name}/{rows[name]}/change/"


def test_pages_show_neither_digests_nor_password_hashes(console):
    hashed = User.objects.get(pk=console.people.alice.pk).password
    for page in list(pages(console)):
        answer = console.get(page)
        assert answer.status_code == 200, page
        html = answer.content.decode()
        assert hashed not in html
        assert hashed.split("$")[-1] not in html
        if not page.endswith("/change/"):
            assert console.token.digest not in html
        assert console.secret not in html


def test_nothing_is_added_changed_or_deleted_by_hand(console):
    for page in list(pages(console)):
        if page.endswith("/change/"):
            assert (
                console.post(page, {"is_superuser": "on", "role": "administrator"}).status_code
                == 403
            )
            assert (
                console.post(page.replace("/change/", "/delete/"), {"post": "yes"}).status_code
                == 403
            )
        else:
            assert console.get(page + "add/").status_code == 403
            assert console.post(page + "add/", {"username": "x"}).status_code == 403
            body = {"action": "delete_selected", "_selected_action": "1", "post": "yes"}
            console.post(page, body)
    assert User.objects.count() == 4
    assert not User.objects.filter(is_superuser=True).exclude(username="root").exists()
    assert ApiToken.objects.count() == 1
    assert Project.objects.filter(slug="stars").exists()


def test_deactivation_goes_through_the_service(console):
    ApiToken.objects.create(console.people.alice, name="ci")
    ids = [console.people.alice.pk, console.people.root.pk]
    body = {"action": "deactivate", "_selected_action": ids}
    page = console.post("/admin/accounts/user/", body, follow=True)
    assert "cannot deactivate your own account" in page.content.decode()
    console.people.alice.refresh_from_db()
    console.people.root.refresh_from_db()
    assert not console.people.alice.is_active
    assert console.people.root.is_active
    assert not ApiToken.objects.exists()


def test_all_tokens_of_a_person_are_revoked_by_action(console):
    ApiToken.objects.create(console.people.alice, name="ci")
    other, _secret = ApiToken.objects.create(console.people.bob, name="ci")
    body = {"action": "revoke_tokens", "_selected_action": console.people.alice.pk}
    assert console.post("/admin/accounts/user/", body).status_code == 302
    assert list(ApiToken.objects.all()) == [other]


def test_staff_without_rights_can_do_nothing(people, as_user):
    people.bob.is_staff = True
    people.bob.save()
    client = as_user(people.bob)
    for name in LISTS:
        assert client.get(f"/admin/accounts/{name}/").status_code == 403
    body = {"action": "deactivate", "_selected_action": people.alice.pk}
    assert client.post("/admin/accounts/user/", body).status_code == 403
    people.alice.refresh_from_db()
    assert people.alice.is_active


def test_the_console_does_not_offer_the_queues_tables(db):
    labels = {model._meta.label for model in admin.site._registry}
    assert not {label for label in labels if label.startswith("django_q.")}
    assert Group not in admin.site._registry


def test_the_consoles_password_page_is_ours(console):
    answer = console.get("/admin/password_change/")
    assert answer.headers["Location"] == "/account/password/"


def test_only_the_console_may_evaluate_expressions(console):
    policy = console.get("/admin/").headers["Content-Security-Policy"]
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert set(scripts.split()[1:]) == {"'self'", "'unsafe-eval'"}
    for page in ("/account/", "/projects/", "/admin-not/"):
        assert "unsafe" not in console.get(page).headers["Content-Security-Policy"]


def test_the_console_asks_for_a_sign_in(people, client):
    assert client.get("/admin/").headers["Location"].startswith("/admin/login/")
    body = {"username": "alice", "password": PASSWORD}
    assert client.post("/admin/login/", body).status_code == 200
    assert client.get("/admin/").status_code == 302
    assert client.post("/admin/login/", {**body, "username": "root"}).status_code == 302
    assert client.get("/admin/").status_code == 200
