"""Every route of the product: who gets in without signing in, and who does not."""

import re

import pytest
from django.test import Client
from django.urls import Resolver404, resolve

from platform_site.core.access_rules import OWN_CHECK_NAMESPACES, rule_of, walk_routes

# The whole list of what answers people who have not signed in. Growing it is a decision.
PUBLIC_ROUTES = {
    "health",
    "sign-in/",
    "sign-out/",
    "sign-up/",
    "first-sign-in/<str:secret>/",
    "set-password/<str:uidb64>/<str:token>/",
    "api/v1/auth/token/",
    "i18n/",
    "version",
}
# The console's own doors.
PUBLIC_CONSOLE_ROUTES = {"admin/login/", "admin/logout/", "admin/jsi18n/"}
SAMPLES = {"int": "1", "uuid": "0" * 32, "str": "x", "slug": "x", "path": "x", "hex": "0" * 32}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def concrete(route: str) -> str:
    """Return an address that the route matches."""
    text = re.sub(r"<(?:(\w+):)?\w+>(?![^(]*\))", lambda m: SAMPLES.get(m[1] or "str", "x"), route)
    text = re.sub(r"\(\?P<\w+>([\w-]+)(?:\|[\w-]+)*\)", r"\1", text)
    text = re.sub(r"\(\?P<\w+>[^)]*\)", "x", text)
    return "/" + text.replace("\\.", ".").replace("^", "").replace("$", "").replace("?", "")


ROUTES = [
    pytest.param(route, pattern, namespaces, id=route or "/")
    for route, pattern, namespaces in walk_routes()
    if route not in PUBLIC_ROUTES | PUBLIC_CONSOLE_ROUTES
]


def test_the_walk_finds_the_routes():
    assert len(ROUTES) > 40


def test_the_public_routes_are_the_pinned_ones():
    found = {
        route
        for route, pattern, namespaces in walk_routes()
        if not OWN_CHECK_NAMESPACES & set(namespaces)
        and (rule_of(pattern.callback) == "public" or open_to_all(pattern.callback))
    }
    assert found <= PUBLIC_ROUTES, f"newly public: {sorted(found - PUBLIC_ROUTES)}"


def open_to_all(callback) -> bool:
    """Whether an API class drops the default permissions."""
    classes = getattr(getattr(callback, "cls", None), "permission_classes", None)
    return classes is not None and not any(
        "IsAuthenticated" in one.__name__ or "IsAdmin" in one.__name__ for one in classes
    )


@pytest.mark.parametrize(("route", "pattern", "namespaces"), ROUTES)
def test_who_has_not_signed_in_gets_nothing(db, route, pattern, namespaces):
    address = concrete(route)
    try:
        match = resolve(address)
    except Resolver404:
        pytest.fail(f"no address for {route}: {address}")
    client = Client(raise_request_exception=False)
    for method in METHODS:
        answer = client.generic(method, address, b"{}", content_type="application/json")
        allowed = expected_statuses(rule_of(match.func), match.namespaces)
        assert answer.status_code in allowed, f"{method} {address}: {answer.status_code}"
        if answer.status_code == 302:
            assert answer.headers["Location"].startswith(("/sign-in/?next=", "/admin/login/"))


def expected_statuses(rule, namespaces) -> set[int]:
    """Return what an anonymous call may get."""
    if OWN_CHECK_NAMESPACES & set(namespaces):
        return {302, 403, 404}
    return {401, 403} if rule == "api" else {302}


def test_everything_below_api_is_guarded_as_api():
    wrong = [
        route
        for route, pattern, _namespaces in walk_routes()
        if route.startswith("api/") and rule_of(pattern.callback) not in {"api", "public"}
    ]
    assert wrong == []


def test_staff_routes_refuse_ordinary_people(people, as_user):
    client = as_user(people.alice)
    for route, pattern, namespaces in walk_routes():
        is_console = OWN_CHECK_NAMESPACES & set(namespaces)
        if rule_of(pattern.callback) == "staff":
            assert client.get(concrete(route)).status_code in {403, 405}, route
        elif is_console and route not in PUBLIC_CONSOLE_ROUTES:
            assert client.get(concrete(route)).status_code in {302, 403, 404}, route
