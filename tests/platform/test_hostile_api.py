"""Rubbish thrown at every route: a clear refusal each time, never a crash, never a leak."""

import itertools
import json
import re
from typing import Any
from urllib.parse import quote, urljoin

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from platform_site.core.access_rules import walk_routes
from platform_site.protocol import protocol_urls
from tests.platform.hostile_world import PAYLOADS, addresses, one_of_everything

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.django_db]

BROKEN_BODIES = [
    b"{", b"", b"null", b"[]", b"3", b'"x"', b"[" * 100_000, b'{"a":' * 200 + b"1" + b"}" * 200,
    b'{"name": 1e999}', b'{"name": NaN}', b'{"name": "\xff\xfe"}', b'{"a": 1, "a": 2}',
    b'{"name": ' + b"9" * 5000 + b"}", b'{"unknown_key": 1}', b'{"id": 7, "is_superuser": true}',
]  # fmt: skip
VALUES: list[Any] = [
    2**63, 10**30, -(2**70), -1, 0, 1.5, 1e308, True, None, "", "a\x00b", "\ud800", "x" * 200_001,
    "\u202egpj.exe", "../../etc/passwd", "{{7*7}}", "$(id)", [], {}, [[[[]]]], [None], ["a\x00b"],
    {"a": {"b": [1]}}, {"kind": 7}, {"\x00": 1}, [10**30], {"rows": [{}]},
]  # fmt: skip
QUERY_KEYS = (
    "limit", "offset", "after", "before", "page", "sort", "search", "status", "project", "dataset",
    "filters", "columns", "target", "as", "format", "topic", "run", "q", "descending", "model_type",
    "min_confidence", "actual", "correct", "threshold", "row", "version", "before_id", "column",
    "runs", "key", "path", "view", "group", "cols", "start", "end", "buckets", "by", "show",
)  # fmt: skip
QUERY_VALUES = (
    "-1", "0", str(2**63), str(10**30), "1e999999", "NaN", "abc", "\x00", "%", "_" * 300,
    "x" * 3000, "[[", '{"a":', '[{"column":"size","op":"eq","value":null}]', "owner__password",
    "-owner__password", "\u202e", "'; DROP TABLE x; --", '"><script>', "\u0664",
)  # fmt: skip
SECRET_LINES = re.compile(r"Traceback|site-packages|SELECT .* FROM|django\.db", re.I)
STREAMS = ("stream/",)
DESCRIPTION = ("api/v1/schema/", "api/v1/docs/")
PROTOCOL = {str(address.pattern) for address in protocol_urls()}


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker, tmp_path_factory):
    with (
        django_db_blocker.unblock(),
        one_of_everything(tmp_path_factory.mktemp("hostile") / "data") as built,
    ):
        yield built


@pytest.fixture
def client_of(world):
    """Return a function that signs a person in, on a client that reports crashes as answers."""

    def sign_in(user: Any) -> Client:
        client = Client(raise_request_exception=False)
        client.force_login(user)
        return client

    return sign_in


def routes(prefix: str = "") -> list[tuple[str, Any]]:
    """Return (route, view) of all but console, API description and the clients' protocol.

    The protocol has rubbish of its own, as bytes: ``tests/*/test_protocol_*``.
    """
    return [
        (route, pattern.callback)
        for route, pattern, _ in walk_routes()
        if route.startswith(prefix)
        and not route.startswith(("admin/", *DESCRIPTION))
        and route not in PROTOCOL
    ]


def concrete(route: str, world: Any) -> str:
    """Return the address of the route in this world."""
    known = addresses(world)
    return "/" + re.sub(r"<\w+:(\w+)>", lambda found: quote(known[found[1]]), route)


def complaint(answer: Any, *, api: bool) -> str | None:
    """Return what is wrong with the answer, None if nothing is."""
    if answer.status_code >= 500:
        return f"{answer.status_code} {getattr(answer, 'exc_info', ('', ''))[1]!r}"
    if answer.status_code < 400 or answer.streaming:
        return None
    text = answer.content.decode()
    if SECRET_LINES.search(text):
        return f"leaks: {SECRET_LINES.search(text)[0]}"  # type: ignore[index]
    if not api:
        return None
    try:
        body = json.loads(text)
    except ValueError:
        return f"{answer.status_code} is no JSON: {text[:80]}"
    if set(body) != {"error_code", "message", "details", "request_id"}:
        return f"{answer.status_code} has the keys {sorted(body)}"
    return None if body["message"] else "no message"


def methods_of(view: Any) -> list[str]:
    """Return what the API class answers to."""
    return [
        one for one in ("GET", "POST", "PUT", "PATCH", "DELETE") if hasattr(view.cls, one.lower())
    ]


@pytest.mark.parametrize("prefix", ["api/v1/", ""], ids=["api", "pages"])
def test_no_query_string_breaks_a_route(world, client_of, prefix):
    client, found = client_of(world.alice), []
    for route, view in routes(prefix):
        is_api = route.startswith("api/")
        if is_api != bool(prefix) or "sign-out" in route or "<str:secret>" in route:
            continue
        if is_api and "GET" not in methods_of(view) or route.endswith(STREAMS):
            continue
        for turn in range(0, len(QUERY_VALUES), 6):
            values = itertools.islice(itertools.cycle(QUERY_VALUES), turn, turn + len(QUERY_KEYS))
            query = "&".join(
                f"{key}={quote(value)}" for key, value in zip(QUERY_KEYS, values, strict=True)
            )
            answer = client.get(f"{concrete(route, world)}?{query}")
            wrong = complaint(answer, api=is_api)
            if wrong:
                found.append(f"{route}?{query[:200]}: {wrong}")
    assert not found, "\n".join(found)


def test_no_single_parameter_breaks_a_list(world, client_of):
    client, found = client_of(world.alice), []
    lists = (
        "/api/v1/datasets/", f"/api/v1/datasets/{world.dataset.pk}/versions/",
        f"/api/v1/datasets/{world.dataset.pk}/versions/1/rows/",
        "/api/v1/ml-platform/training-jobs/", "/api/v1/ml-platform/models/",
        f"/api/v1/ml-platform/training-jobs/{world.run.job_id}/events/",
        f"/api/v1/ml-platform/training-jobs/{world.run.job_id}/logs/",
        f"/api/v1/ml-platform/training-jobs/{world.run.job_id}/predictions/",
        "/api/v1/projects/", "/datasets/", "/runs/", "/models/", "/search/", "/jobs/", "/train/",
        f"/datasets/{world.dataset.pk}/versions/1/rows/", f"/runs/{world.run.uuid}/predictions/",
    )  # fmt: skip
    for address in lists:
        for key in QUERY_KEYS:
            for value in ("-1", str(10**30), "\x00"):
                answer = client.get(f"{address}?{key}={quote(value)}")
                wrong = complaint(answer, api=address.startswith("/api/"))
                if wrong:
                    found.append(f"{address} {key}={value[:20]!r}: {wrong}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "text/csv", "", "application/json; charset=x",
                     "multipart/form-data", "multipart/form-data; boundary=" + "b" * 300]
)  # fmt: skip
def test_no_content_type_breaks_a_route_of_the_api(world, client_of, content_type):
    client, found = client_of(world.root), []
    for route, view in routes("api/v1/"):
        for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
            if "logout" in route or (method == "DELETE" and "DELETE" in methods_of(view)):
                continue
            answer = client.generic(
                method, concrete(route, world), b'{"name": 1', content_type=content_type
            )
            wrong = complaint(answer, api=True)
            if wrong:
                found.append(f"{method} {route}: {wrong}")
            elif method not in methods_of(view) and answer.status_code != 405:
                found.append(f"{method} {route}: {answer.status_code} instead of 405")
    assert not found, "\n".join(found)


def test_a_stranger_meets_nothing_but_404_on_other_peoples_things(world, client_of):
    client, found = client_of(world.charlie), []
    own = ("me/", "tokens/", "people/")
    for route, view in routes():
        if "<" not in route or route.startswith(("first-", "set-password", "people/", "account/")):
            continue
        is_api = route.startswith("api/")
        if any(part in route for part in own):
            continue
        for method in methods_of(view) if is_api else ("GET", "POST"):
            answer = client.generic(
                method, concrete(route, world), b"{}", content_type="application/json"
            )
            allowed = (404,) if is_api else (404, 405)
            if answer.status_code not in allowed:
                found.append(f"{method} {route}: {answer.status_code}")
    assert not found, "\n".join(found)


def test_a_viewer_changes_nothing(world, client_of):
    client, found = client_of(world.bob), []
    harmless = (
        "predict/",
        "target-analysis/",
        "me/",
        "tokens/",
        "people/",
        "members/<int:user_id>/",
    )
    for route, view in routes("api/v1/"):
        if "<" not in route or any(part in route for part in harmless):
            continue
        for method in set(methods_of(view)) - {"GET"}:
            answer = client.generic(
                method, concrete(route, world), b"{}", content_type="application/json"
            )
            if answer.status_code != 403:
                found.append(f"{method} {route}: {answer.status_code} {answer.content[:80]!r}")
    assert not found, "\n".join(found)


LITERAL = re.compile(
    r"<img src=x|<svg onload|</script><svg|href=\"javascript:|'-alert\(1\)-'\s*[;)]"
)


def test_what_people_type_does_nothing_on_any_page(world, client_of):
    client, seen, found = client_of(world.root), 0, []
    extra = [f"/datasets/{world.failed.pk}/", f"/datasets/{world.failed.pk}/versions/1/"]
    extra += [f"/search/?q={quote(one)}" for one in PAYLOADS]
    extra += [f"/datasets/?search={quote(one)}" for one in PAYLOADS]
    extra += [f"/sign-in/?next={quote(one)}" for one in PAYLOADS]
    extra += [f"/train/?dataset={world.dataset.pk}&target=kind"]
    for address in [*(concrete(route, world) for route, _ in routes()), *extra]:
        if address.startswith("/api/") or "sign-out" in address:
            continue
        answer = client.get(address)
        if answer.streaming or "html" not in answer.headers.get("Content-Type", ""):
            continue
        text = answer.content.decode()
        seen += "onerror=fetch" in text
        assert answer.status_code < 500, address
        bad = LITERAL.search(text)
        if bad:
            found.append(f"{address}: …{text[max(0, bad.start() - 60) : bad.end() + 20]}…")
        if "{{7*7}}" in text.replace("{{7*7}}{% load", "{{7*7}}", 1) and "django-insecure" in text:
            found.append(f"{address}: template text was rendered")
        if ">49{" in text or "49{% load" in text:
            found.append(f"{address}: {{{{7*7}}}} was computed")
    assert seen > 5
    assert not found, "\n".join(found)


def test_the_api_hands_hostile_text_out_as_json_only(world, client_of):
    client = client_of(world.alice)
    for address in ("/api/v1/datasets/", "/api/v1/ml-platform/training-jobs/"):
        answer = client.get(address, headers={"accept": "text/html"})
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_an_unknown_parameter_is_named_and_never_makes_a_route_disappear(world, client_of):
    answer = client_of(world.alice).get("/api/v1/datasets/?format=csv")
    assert answer.status_code == 400
    assert "format" in answer.json()["message"]


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https:evil.example",
                                    "https://evil.example", "%2f%2fevil.example", "\tjavascript:1"])  # fmt: skip
def test_sign_in_and_switches_lead_nowhere_else(world, client_of, target):
    client = client_of(world.alice)
    for address, data in (
        ("/sign-in/", {"username": "alice", "password": "correct horse battery"}),
        ("/i18n/", {"language": "en"}),
        ("/projects/switch/", {"project": world.project.pk}),
    ):
        answer = client.post(f"{address}?next={quote(target)}", {**data, "next": target})
        location = answer.headers.get("Location", "/")
        # Browsers take a backslash for a slash.
        landing = urljoin(f"http://testserver{address}", location.replace("\\", "/"))
        assert landing.startswith("http://testserver/"), (address, location)


def test_no_broken_body_breaks_a_route_of_the_api(world, client_of):
    client, found = client_of(world.root), []
    for route, view in routes("api/v1/"):
        if "logout" in route:
            continue
        for method in ("POST", "PUT", "PATCH"):
            for body in BROKEN_BODIES if method in methods_of(view) else BROKEN_BODIES[:1]:
                answer = client.generic(
                    method, concrete(route, world), body, content_type="application/json"
                )
                wrong = complaint(answer, api=True)
                if wrong:
                    found.append(f"{method} {route} {body[:30]!r}: {wrong}")
    assert not found, "\n".join(found)


def test_no_value_breaks_a_field_of_the_api(world, client_of):
    client, found, tried = client_of(world.root), [], 0
    for address, method, fields, required in json_operations(world):
        for field in fields:
            for value in VALUES:
                body = {**required, field: value}
                answer = client.generic(
                    method, address, json.dumps(body), content_type="application/json"
                )
                tried += 1
                wrong = complaint(answer, api=True)
                if wrong:
                    found.append(f"{method} {address} {field}={value!r:.40}: {wrong}")
    assert tried > 500
    assert not found, "\n".join(found)


def json_operations(world: Any) -> list[tuple[str, str, list[str], dict[str, Any]]]:
    """Return (address, method, field names, good values of the required ones) by the description."""
    description = SchemaGenerator().get_schema(request=None, public=True)
    schemas = description["components"]["schemas"]
    good: dict[str, Any] = {
        "dataset": world.dataset.pk, "target": "kind", "model_type": "dummy", "action": "pause",
        "name": "hostile", "run": world.run.uuid, "rows": [{}], "username": "bob", "role": "viewer",
        "password": "x", "old_password": "x", "new_password": "y", "source": "bundled",
        "key": "nothing",
    }  # fmt: skip
    found = []
    for path, operations in description["paths"].items():
        address = concrete(re.sub(r"\{(\w+)\}", r"<str:\1>", path[1:]), world)
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            reference = content.get("application/json", {}).get("schema", {}).get("$ref")
            if reference and "password" not in path and "auth" not in path:
                schema = schemas[reference.rsplit("/", 1)[-1]]
                required = {key: good[key] for key in schema.get("required", [])}
                found.append((address, method.upper(), list(schema["properties"]), required))
    return found
