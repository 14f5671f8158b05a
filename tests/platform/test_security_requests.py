"""Requests that nobody means well: hosts, bodies, methods, headers, undeclared routes."""

import json

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import path

from platform_site.accounts.models import ApiToken
from platform_site.core import access_rules
from platform_site.core.checks import check_routes

JSON = "application/json"
ME, PROJECTS, TOKEN = "/api/v1/me/", "/api/v1/projects/", "/api/v1/auth/token/"


@pytest.fixture
def alice(people):
    _token, secret = ApiToken.objects.create(people.alice, name="t", scope="write")
    return Client(headers={"Authorization": f"Bearer {secret}"})


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example"])
@pytest.mark.parametrize("route", ["/sign-in/", "/health", ME, "/admin/login/"])
def test_a_foreign_host_name_is_refused(db, host, route):
    client = Client()
    assert client.get(route, headers={"Host": host}).status_code == 400
    assert client.post(route, headers={"Host": host}).status_code == 400


def test_no_cors_headers_are_given_to_other_sites(alice):
    for origin in ("https://evil.example", "null", "http://localhost.evil.example"):
        answer = alice.get(ME, headers={"Origin": origin})
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver.evil.com"])
def test_a_session_post_from_another_origin_is_refused(people, origin):
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.alice)
    client.get("/account/")
    csrf = client.cookies["assay_csrf"].value
    headers = {"Origin": origin, "X-CSRFToken": csrf}
    assert client.post(PROJECTS, {"name": "x"}, JSON, headers=headers).status_code == 403
    page = client.post("/projects/", {"name": "x", "csrfmiddlewaretoken": csrf}, headers=headers)
    assert page.status_code == 403


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "",
        "application/xml",
    ],
)
def test_only_json_is_read_as_json(alice, content_type):
    answer = alice.post(PROJECTS, b'{"name": "x"}', content_type=content_type)
    assert answer.status_code == 415
    assert answer.json()["error_code"] == "unsupported_media_type"


BAD_BODIES = {
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "closed deep list": b"[" * 5000 + b"]" * 5000,
    "just too deep": b"[" * 66 + b"]" * 66,
    "nan": b'{"name": NaN}',
    "infinity": b'{"name": -Infinity}',
    "huge float": b'{"name": 1e999}',
    "huge integer": b'{"name": ' + b"9" * 5000 + b"}",
    "nul": b'{"name": "a\\u0000b"}',
    "half a pair": b'{"name": "\\ud800"}',
    "half a pair as key": b'{"\\udfff": 1}',
    "bad utf-8": b'{"name": "\xff"}',
    "not json": b"{name: 1}",
    "nothing": b"",
    "list": b"[]",
    "null": b"null",
    "text": b'"x"',
    "number": b"1",
    "byte order mark": b'\xef\xbb\xbf{"name": "x"}',
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_body_that_cannot_be_worked_with_is_400(alice, body):
    answer = alice.post(PROJECTS, body, content_type=JSON)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error_code", "message", "details", "request_id"}
    assert "Traceback" not in answer.content.decode()


def test_of_equal_keys_the_last_counts(alice):
    answer = alice.post(PROJECTS, b'{"name": "first", "name": "second"}', content_type=JSON)
    assert answer.status_code == 201
    assert answer.json()["name"] == "second"


def test_a_body_at_the_depth_limit_is_read(alice):
    body = b'{"nested": ' + b"[" * 60 + b"]" * 60 + b"}"
    answer = alice.post(PROJECTS, body, content_type=JSON)
    assert answer.json()["details"]["fields"].keys() == {"nested"}


def test_a_body_above_16_mib_is_413(alice):
    body = b'{"name": "' + b"x" * (16 * 1024 * 1024) + b'"}'
    answer = alice.post(PROJECTS, body, content_type=JSON)
    assert answer.status_code == 413
    assert answer.json()["error_code"] == "too_large"


def test_a_compressed_body_is_not_inflated(alice):
    answer = alice.post(
        PROJECTS, b"\x1f\x8b" + b"\0" * 50, content_type=JSON, headers={"Content-Encoding": "gzip"}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("method", ["PUT", "TRACE", "PATCH", "BREW", "DELETE"])
def test_an_unknown_method_is_405(alice, method):
    answer = alice.generic(method, PROJECTS, b"{}", content_type=JSON)
    assert answer.status_code == 405
    assert answer.json()["error_code"] == "method_not_allowed"


@pytest.mark.parametrize("route", ["/account/tokens/", "/projects/", "/projects/switch/"])
def test_an_unknown_method_on_a_page_is_405(people, as_user, route):
    assert as_user(people.alice).generic("BREW", route).status_code == 405
    assert as_user(people.alice).put(route).status_code == 405


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1",
        "limit=0",
        "limit=1001",
        "limit=1e3",
        "limit=NaN",
        "offset=-1",
        "offset=99999999999999999999",
        "limit=%00",
        "limit=٣",
    ],
)
def test_bad_windows_are_400(alice, query):
    answer = alice.get(f"{PROJECTS}?{query}")
    assert answer.status_code == 400
    assert answer.json()["details"]["field"] in {"limit", "offset"}


@pytest.mark.parametrize("number", ["9" * 30, str(2**63), "0"])
def test_ids_beyond_the_database_are_404(alice, people, as_user, number):
    assert alice.get(f"{PROJECTS}{number}/").status_code == 404
    assert alice.get(f"{PROJECTS}{people.project.pk}/members/{number}/").status_code == 405
    assert alice.delete(f"{PROJECTS}{people.project.pk}/members/{number}/").status_code == 403
    root = as_user(people.root)
    assert root.get(f"/projects/{number}/").status_code == 404
    base = f"/projects/{people.project.pk}/members/{number}"
    assert root.post(f"{base}/remove/").status_code == 404
    assert root.post(f"/people/{number}/reset/").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "owner__password__startswith=pbkdf2",
        "ordering=owner__password",
        "_connector=) OR 1=1",
        "id__in=1",
    ],
)
def test_query_words_never_reach_the_database(alice, query):
    plain = alice.get(PROJECTS).json()
    assert alice.get(f"{PROJECTS}?{query}").json() == plain


def test_private_answers_are_never_cached(alice, people, as_user):
    for answer in (alice.get(ME), as_user(people.alice).get("/account/")):
        assert "no-store" in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]


def test_names_are_shown_as_text(people, as_user):
    evil = "<img src=x onerror=alert(1)>{{ 7|add:7 }}"
    client = as_user(people.alice)
    client.post("/projects/", {"name": evil, "description": evil})
    client.post("/account/", {"first_name": evil, "theme": "system"})
    client.post("/account/tokens/", {"name": evil, "scope": "read", "expires_in_days": "7"})
    for route in ("/projects/", "/account/", "/account/tokens/"):
        html = client.get(route).content.decode()
        assert "<img src=x" not in html
        assert "&lt;img src=x onerror" in html
        assert "{{ 7|add:7 }}" in html


def undeclared(request):
    raise AssertionError("must not be reached")


class PlantedRoutes:
    """A URL configuration with one route that nobody declared."""

    urlpatterns = [path("planted/", undeclared)]


def test_a_route_without_a_declared_permission_stops_the_start(settings):
    settings.ROOT_URLCONF = PlantedRoutes
    with pytest.raises(ImproperlyConfigured, match="planted/"):
        access_rules.refuse_undeclared_routes()
    assert [message.id for message in check_routes(None)] == ["assay.E001"]


def test_a_route_without_a_declared_permission_answers_nobody(settings, people, as_user):
    settings.ROOT_URLCONF = PlantedRoutes
    client = as_user(people.root)
    client.raise_request_exception = False
    assert client.get("/planted/").status_code in {403, 500}


def test_the_key_of_the_installation_is_its_own(settings):
    mode = (settings.DATA_DIR / "secret_key").stat().st_mode & 0o777
    assert mode == 0o600
    assert "insecure" not in settings.SECRET_KEY
    assert len(settings.SECRET_KEY) >= 50


def test_answers_to_programs_carry_the_request_id(db, client):
    answer = client.get("/api/v1/nothing-here/")
    assert answer.status_code == 404
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


def test_json_answers_are_json(alice):
    assert json.loads(alice.get(ME).content)["username"] == "alice"
