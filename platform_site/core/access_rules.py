"""Every route declares who may call it; a route without a declaration does not start."""

from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver, get_resolver

AccessRule = Literal["public", "login", "staff", "api"]
"""public: anybody; login: signed-in people; staff: console users; api: DRF decides (default deny)."""

View = TypeVar("View", bound=Callable[..., Any])
# Third-party routes that carry their own, stricter check inside.
OWN_CHECK_NAMESPACES = frozenset({"admin"})


def declare(rule: AccessRule) -> Callable[[View], View]:
    """Attach an access rule to a view function."""

    def mark(view: View) -> View:
        view.access_rule = rule  # type: ignore[attr-defined]  # functions take attributes
        return view

    return mark


public = declare("public")
login_needed = declare("login")
staff_needed = declare("staff")


def rule_of(callback: Callable[..., Any]) -> AccessRule | None:
    """Return the declared rule of a view function, view class or DRF viewset."""
    for holder in (
        callback,
        getattr(callback, "cls", None),
        getattr(callback, "view_class", None),
    ):
        rule: AccessRule | None = getattr(holder, "access_rule", None)
        if rule is not None:
            return rule
    return None


def walk_routes(
    patterns: list[Any] | None = None, prefix: str = "", namespaces: tuple[str, ...] = ()
) -> Iterator[tuple[str, URLPattern, tuple[str, ...]]]:
    """Yield (path, pattern, namespaces) of every route."""
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            inner = namespaces + ((entry.namespace,) if entry.namespace else ())
            yield from walk_routes(entry.url_patterns, path, inner)
        else:
            yield path, entry, namespaces


def refuse_undeclared_routes() -> None:
    """Stop the start-up when a route has no declared permission.

    Raises:
        ImproperlyConfigured: naming every such route.
    """
    missing = [
        path
        for path, pattern, namespaces in walk_routes()
        if rule_of(pattern.callback) is None and not OWN_CHECK_NAMESPACES & set(namespaces)
    ]
    if missing:
        raise ImproperlyConfigured("routes without a declared permission: " + ", ".join(missing))
