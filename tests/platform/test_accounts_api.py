"""The account endpoints and the tokens that open them."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from platform_site.accounts.authentication import authenticate_token
from platform_site.accounts.models import ApiToken, Membership, Project, User
from platform_site.core.errors import Unauthenticated
from tests.people import PASSWORD, project_of

API = "/api/v1"
JSON = "application/json"


def bearer(user, scope="write", **fields):
    token, secret = ApiToken.objects.create(user, name="test", scope=scope, **fields)
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    client.secret, client.token = secret, token
    return client


def shape_of(response):
    return set(response.json()) == {"error_code", "message", "details", "request_id"}


def test_a_password_gives_a_token_that_works(people, client):
    answer = client.post(f"{API}/auth/token/", {"username": "alice", "password": PASSWORD}, JSON)
    assert answer.status_code == 200
    token = answer.json()["token"]
    assert not answer.cookies
    me = Client().get(f"{API}/me/", headers={"Authorization": f"Bearer {token}"}).json()
    assert me["username"] == "alice"
    assert me["token"]["name"] == "password sign-in"
    assert me["token"]["scope"] == "write"
    assert [(one["slug"], one["role"]) for one in me["projects"]] == [("stars", "editor")]
    lifetime = ApiToken.objects.get().expiry - timezone.now()
    assert timedelta(days=29) < lifetime <= timedelta(days=30)


def test_the_wrong_password_says_nothing_about_the_account(people, client):
    path = f"{API}/auth/token/"
    wrong = client.post(path, {"username": "alice", "password": "wrong"}, JSON)
    unknown = client.post(path, {"username": "nobody", "password": "wrong"}, JSON)
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json()["message"] == unknown.json()["message"]
    assert wrong.headers["WWW-Authenticate"] == "Bearer"
    assert shape_of(wrong)


def test_many_password_tokens_make_room_for_the_newest(people, client):
    for _number in range(52):
        ApiToken.objects.create(people.alice, name="password sign-in", scope="write")
    body = {"username": "alice", "password": PASSWORD}
    secret = client.post(f"{API}/auth/token/", body, JSON).json()["token"]
    assert ApiToken.objects.filter(user=people.alice).count() == 50
    assert authenticate_token(secret)[0] == people.alice


def test_without_a_token_the_answer_is_401_in_our_shape(db, client):
    for path in ("me/", "tokens/", "projects/", "people/"):
        answer = client.get(f"{API}/{path}")
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert shape_of(answer)


@pytest.mark.parametrize(
    "value",
    ["Bearer", "Bearer a b", "Bearer assay_0123", "Bearer \xff\xfe", "Bearer " + "a" * 5000],
)
def test_a_broken_token_is_401(db, client, value):
    answer = client.get(f"{API}/me/", headers={"Authorization": value})
    assert answer.status_code == 401
    assert shape_of(answer)


def test_expired_revoked_and_deactivated_tokens_get_the_same_401(people):
    expired = bearer(people.alice, expiry=timedelta(seconds=-1))
    revoked = bearer(people.alice)
    revoked.token.delete()
    deactivated = bearer(people.bob)
    User.objects.filter(pk=people.bob.pk).update(is_active=False)
    answers = [client.get(f"{API}/me/") for client in (expired, revoked, deactivated)]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json()["message"] for answer in answers}) == 1


def test_a_token_expires_by_the_clock(people):
    client = bearer(people.alice, expiry=timedelta(days=7))
    assert client.get(f"{API}/me/").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=1), tick=False):
        assert client.get(f"{API}/me/").status_code == 401


def test_a_token_works_without_a_request(people):
    _token, secret = ApiToken.objects.create(people.alice, name="socket")
    user, token = authenticate_token(secret)
    assert user == people.alice
    assert token.name == "socket"
    for bad in ("", "x", secret + "0", secret[:-1], "é" * 70):
        with pytest.raises(Unauthenticated):
            authenticate_token(bad)


def test_the_last_use_is_noted_at_most_once_a_minute(people, django_assert_num_queries):
    _token, secret = ApiToken.objects.create(people.alice, name="ci")
    start = timezone.now()
    with time_machine.travel(start, tick=False):
        with django_assert_num_queries(2):
            authenticate_token(secret)
        with django_assert_num_queries(1):
            authenticate_token(secret)
    assert ApiToken.objects.get().last_used_at == start
    with time_machine.travel(start + timedelta(seconds=61), tick=False):
        authenticate_token(secret)
    assert ApiToken.objects.get().last_used_at == start + timedelta(seconds=61)


def test_a_read_token_changes_nothing(people):
    client = bearer(people.root, scope="read")
    assert client.get(f"{API}/projects/").status_code == 200
    calls = [
        ("post", "projects/", {"name": "New"}),
        ("post", "tokens/", {"name": "more", "scope": "write"}),
        ("patch", "me/", {"first_name": "X"}),
        ("post", "people/", {"username": "new"}),
        ("post", "auth/logout/", {}),
        ("patch", f"projects/{people.project.pk}/", {"name": "New"}),
        ("delete", f"projects/{people.project.pk}/members/{people.bob.pk}/", None),
    ]
    for method, path, body in calls:
        answer = getattr(client, method)(f"{API}/{path}", body, JSON)
        assert answer.status_code == 403, path
        assert answer.json()["message"] == "This token may only read."


def test_a_token_call_ignores_cookies(people, as_user):
    client = as_user(people.root)
    _token, secret = ApiToken.objects.create(people.alice, name="ci")
    headers = {"Authorization": f"Bearer {secret}"}
    assert client.get(f"{API}/me/", headers=headers).json()["username"] == "alice"
    bad = client.get(f"{API}/me/", headers={"Authorization": "Bearer assay_bad"})
    assert bad.status_code == 401


def test_a_session_needs_the_csrf_token_to_change_something(people):
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.alice)
    refused = client.post(f"{API}/projects/", {"name": "New"}, JSON)
    assert refused.status_code == 403
    assert not Project.objects.filter(name="New").exists()
    client.get("/account/")
    csrf = client.cookies["assay_csrf"].value
    accepted = client.post(f"{API}/projects/", {"name": "New"}, JSON, headers={"X-CSRFToken": csrf})
    assert accepted.status_code == 201


def test_a_token_needs_no_csrf_token(people):
    client = Client(enforce_csrf_checks=True)
    _token, secret = ApiToken.objects.create(people.alice, name="ci", scope="write")
    headers = {"Authorization": f"Bearer {secret}"}
    assert client.post(f"{API}/projects/", {"name": "N"}, JSON, headers=headers).status_code == 201


@pytest.mark.parametrize("method", ["post", "delete"])
def test_sign_out_revokes_this_token_only(people, method):
    client, other = bearer(people.alice), bearer(people.alice)
    assert getattr(client, method)(f"{API}/auth/logout/").status_code == 204
    assert client.get(f"{API}/me/").status_code == 401
    assert other.get(f"{API}/me/").status_code == 200


def test_tokens_are_made_listed_and_revoked(people):
    client = bearer(people.alice)
    made = client.post(
        f"{API}/tokens/", {"name": "ci", "scope": "read", "expires_in_days": 7}, JSON
    )
    assert made.status_code == 201
    secret, key = made.json()["token"], made.json()["key"]
    listed = client.get(f"{API}/tokens/")
    assert listed.json()["count"] == 2
    assert secret not in listed.content.decode()
    digest = ApiToken.objects.get(token_key=key).digest
    assert digest not in listed.content.decode()
    assert client.get(f"{API}/tokens/{key}/").json()["name"] == "ci"
    for stranger in (people.charlie, people.root):
        other = bearer(stranger)
        assert other.get(f"{API}/tokens/{key}/").status_code == 404
        assert other.delete(f"{API}/tokens/{key}/").status_code == 404
    assert client.delete(f"{API}/tokens/{key}/").status_code == 204
    with pytest.raises(Unauthenticated):
        authenticate_token(secret)


def test_a_token_does_not_make_one_that_outlives_it(people):
    client = bearer(people.alice, expiry=timedelta(days=2))
    made = client.post(f"{API}/tokens/", {"name": "x", "expires_in_days": 365}, JSON)
    assert made.status_code == 201
    assert ApiToken.objects.get(name="x").expiry <= client.token.expiry


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "x", "scope": "admin"}, "scope"),
        ({"name": "x", "expires_in_days": 0}, "expires_in_days"),
        ({"name": "x", "expires_in_days": 366}, "expires_in_days"),
        ({"name": "x", "user": 1}, "user"),
        ({"name": "x", "digest": "0"}, "digest"),
        ({"name": "x", "expiry": None}, "expiry"),
    ],
)
def test_a_bad_token_request_names_the_field(people, body, field):
    answer = bearer(people.alice).post(f"{API}/tokens/", body, JSON)
    assert answer.status_code == 400
    assert field in answer.json()["details"]["fields"]
    assert ApiToken.objects.count() == 1


def test_too_many_live_tokens_are_refused(people):
    client = bearer(people.alice)
    for number in range(199):
        ApiToken.objects.create(people.alice, name=str(number))
    answer = client.post(f"{API}/tokens/", {"name": "one more"}, JSON)
    assert answer.status_code == 409
    assert answer.json()["error_code"] == "too_many_tokens"


def test_projects_are_made_and_changed(people):
    client = bearer(people.charlie)
    made = client.post(f"{API}/projects/", {"name": "Moons"}, JSON)
    assert made.status_code == 201
    assert made.json()["role"] == "administrator"
    path = f"{API}/projects/{made.json()['id']}/"
    changed = client.patch(path, {"description": "round"}, JSON).json()
    assert (changed["name"], changed["description"]) == ("Moons", "round")
    assert client.get(f"{API}/projects/").json()["count"] == 1
    assert client.post(f"{API}/projects/", {"name": "moons"}, JSON).status_code == 409


PROJECT_CALLS = [
    ("get", "", None),
    ("patch", "", {"name": "Mine"}),
    ("get", "members/", None),
    ("post", "members/", {"username": "charlie", "role": "administrator"}),
    ("patch", "members/{alice}/", {"role": "viewer"}),
    ("delete", "members/{alice}/", None),
]


@pytest.mark.parametrize(("method", "path", "body"), PROJECT_CALLS)
def test_strangers_get_404_and_small_roles_403(people, method, path, body):
    path = path.format(alice=people.alice.pk)
    url = f"{API}/projects/{people.project.pk}/{path}"
    before = list(Membership.objects.values_list("user", "role"))
    stranger = getattr(bearer(people.charlie), method)(url, body, JSON)
    assert stranger.status_code == 404
    missing = getattr(bearer(people.charlie), method)(
        url.replace(f"/projects/{people.project.pk}/", "/projects/987654/"), body, JSON
    )
    assert missing.json()["message"] == stranger.json()["message"]
    viewer = getattr(bearer(people.bob), method)(url, body, JSON)
    assert viewer.status_code == (200 if method == "get" else 403)
    assert list(Membership.objects.values_list("user", "role")) == before


def test_members_are_added_changed_and_removed(people):
    client = bearer(people.root)
    base = f"{API}/projects/{people.project.pk}/members/"
    assert client.post(base, {"username": "nobody", "role": "viewer"}, JSON).status_code == 400
    added = client.post(base, {"username": "charlie", "role": "viewer"}, JSON)
    assert added.status_code == 201
    assert client.post(base, {"username": "charlie", "role": "viewer"}, JSON).status_code == 409
    one = f"{base}{people.charlie.pk}/"
    assert client.patch(one, {"role": "editor"}, JSON).json()["role"] == "editor"
    assert client.patch(one, {"role": "owner"}, JSON).status_code == 400
    assert client.get(base).json()["count"] == 3
    assert client.delete(one).status_code == 204
    assert client.delete(one).status_code == 404


def test_the_last_active_administrator_stays(people):
    client = bearer(people.root)
    base = f"{API}/projects/{people.project.pk}/members/"
    client.patch(f"{base}{people.alice.pk}/", {"role": "administrator"}, JSON)
    client.patch(f"{base}{people.bob.pk}/", {"role": "administrator"}, JSON)
    User.objects.filter(pk=people.bob.pk).update(is_active=False)
    refused = client.delete(f"{base}{people.alice.pk}/")
    assert refused.status_code == 409
    assert refused.json()["error_code"] == "last_administrator"


def test_a_lost_role_counts_from_the_next_call(people):
    project_of((people.charlie, "administrator"), name="Moons")
    client = bearer(people.charlie)
    moons = Project.objects.get(slug="moons")
    path = f"{API}/projects/{moons.pk}/"
    assert client.patch(path, {"description": "1"}, JSON).status_code == 200
    Membership.objects.filter(project=moons).update(role="viewer")
    assert client.patch(path, {"description": "2"}, JSON).status_code == 403
    Membership.objects.filter(project=moons).delete()
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("me/", {"is_superuser": True}),
        ("me/", {"username": "root"}),
        ("me/", {"id": 1}),
        ("me/", {"password": "x"}),
        ("me/", {"is_staff": True, "first_name": "A"}),
        ("projects/{project}/", {"slug": "x"}),
        ("projects/{project}/", {"created_by": 1}),
        ("projects/{project}/members/{bob}/", {"role": "viewer", "user": 1}),
    ],
)
def test_nothing_can_be_set_that_is_not_offered(people, path, body):
    Membership.objects.filter(user=people.alice).update(role="administrator")
    path = path.format(project=people.project.pk, bob=people.bob.pk)
    answer = bearer(people.alice).patch(f"{API}/{path}", body, JSON)
    assert answer.status_code == 400
    assert set(answer.json()["details"]["fields"]) == set(body) - {"role", "first_name"}
    people.alice.refresh_from_db()
    assert not people.alice.is_superuser
    assert people.alice.first_name == ""


def test_the_profile_changes(people):
    answer = bearer(people.alice).patch(f"{API}/me/", {"first_name": "A", "theme": "dark"}, JSON)
    assert answer.json()["first_name"] == "A"
    assert answer.json()["theme"] == "dark"
    assert answer.json()["email"] == "alice@example.org"


def test_the_password_changes_and_ends_tokens(people):
    client = bearer(people.alice)
    path = f"{API}/me/password/"
    wrong = client.post(path, {"old_password": "no", "new_password": "brand new staple"}, JSON)
    assert wrong.status_code == 400
    weak = client.post(path, {"old_password": PASSWORD, "new_password": "short"}, JSON)
    assert weak.status_code == 400
    done = client.post(path, {"old_password": PASSWORD, "new_password": "brand new staple"}, JSON)
    assert done.status_code == 204
    assert client.get(f"{API}/me/").status_code == 401
    people.alice.refresh_from_db()
    assert people.alice.check_password("brand new staple")


def test_only_administrators_of_the_installation_manage_people(people):
    target = f"{API}/people/{people.bob.pk}/"
    for user in (people.alice, people.bob, people.charlie):
        client = bearer(user)
        assert client.get(f"{API}/people/").status_code == 403
        assert client.post(f"{API}/people/", {"username": "x"}, JSON).status_code == 403
        assert client.patch(target, {"is_active": False}, JSON).status_code == 403
        assert client.post(f"{target}reset/").status_code == 403
    root = bearer(people.root)
    made = root.post(f"{API}/people/", {"username": "dora"}, JSON)
    assert made.status_code == 201
    assert "/set-password/" in made.json()["set_password_url"]
    assert root.post(f"{API}/people/", {"username": "dora"}, JSON).status_code == 409
    assert root.post(f"{API}/people/", {"username": "no spaces!"}, JSON).status_code == 400
    assert root.patch(target, {"is_active": False}, JSON).json()["is_active"] is False
    assert root.post(f"{target}reset/").status_code == 409
    listed = root.get(f"{API}/people/?limit=2").json()
    assert (listed["count"], len(listed["results"])) == (5, 2)
    assert "password" not in listed["results"][0]


def test_the_description_of_the_api_names_every_account_endpoint(people):
    schema = bearer(people.alice).get(f"{API}/schema/", headers={"Accept": "application/json"})
    text = schema.content.decode()
    for path in ("/auth/token/", "/auth/logout/", "/me/", "/tokens/{token_key}/", "/people/"):
        assert path in text
    assert "bearer" in text
