"""Addresses of the protocol: which endpoint answers a method and a path, and who may call it."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

PREFIXES: Final = ("/api/", "/ajax-api/")
READING_METHODS: Final = frozenset({"GET", "HEAD"})
_SLASHES: Final = re.compile("//+")
_PARAMETER: Final = re.compile(r"\{(\w+)(:rest)?\}")


@dataclass(frozen=True, slots=True)
class Route:
    """An address and its endpoint.

    `path` is below ``/api/`` (and its twin ``/ajax-api/``), for example
    ``2.0/mlflow/runs/get``; with a leading slash it is taken from the root. ``{name}`` takes one
    segment, ``{name:rest}`` all that follows.

    An endpoint is ``f(call)``, run in a thread, which may use the ORM and services and returns an
    `Answer`, a `FileAnswer` or a dict. `hot` ones are ``f(call, db)`` over a raw connection;
    `long` moves a hot read off the event loop, `blind` says that it reads nothing. `stream` ones are ``async f(call, receive)``.

    `reads` says that a POST changes nothing, so that read-only tokens may call it; `raw_body`
    that the body need not be JSON; `public` that nobody has to sign in.
    """

    method: str
    path: str
    endpoint: Callable[..., Any]
    hot: bool = False
    long: bool = False
    blind: bool = False
    stream: bool = False
    reads: bool = False
    raw_body: bool = False
    public: bool = False

    @property
    def changes(self) -> bool:
        """Whether the caller's credential must allow writing."""
        return not self.reads and self.method not in READING_METHODS


@dataclass(frozen=True, slots=True)
class Found:
    """A route and the parameters in its path."""

    route: Route
    params: dict[str, str]


class RouteTable:
    """All routes, found by method and path; a plain path costs one look-up."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = list(routes)
        self._plain: dict[str, dict[str, Found]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Route]]] = []
        patterns: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            for path in full_paths(route.path):
                if "{" in path:
                    _add(patterns.setdefault(_pattern(path), {}), route, route, path)
                else:
                    _add(self._plain.setdefault(path, {}), route, Found(route, {}), path)
        # More literal characters win, so that /traces/search is not a trace called "search".
        for text in sorted(patterns, key=lambda text: (-len(re.sub(r"\(.*?\)", "", text)), text)):
            self._patterns.append((re.compile(text, re.DOTALL), patterns[text]))

    def find(self, method: str, path: str) -> Found | None:
        """Return the route of this call, None when there is none; HEAD finds what GET finds."""
        wanted = "GET" if method == "HEAD" else method
        found = self._plain.get(path)
        if found is not None and wanted in found:
            return found[wanted]
        path = tidy(path)
        found = self._plain.get(path)
        if found is not None and wanted in found:
            return found[wanted]
        for pattern, by_method in self._patterns:
            route = by_method.get(wanted)
            match = pattern.fullmatch(path) if route is not None else None
            if route is not None and match is not None:
                return Found(route, match.groupdict())
        return None

    def methods(self, path: str) -> list[str]:
        """Return the methods that this path answers."""
        path = tidy(path)
        found = set(self._plain.get(path, ()))
        for pattern, by_method in self._patterns:
            if pattern.fullmatch(path):
                found |= set(by_method)
        return sorted(found | {"HEAD"} if "GET" in found else found)


def full_paths(path: str) -> tuple[str, ...]:
    """Return the addresses of a route's path."""
    return (path,) if path.startswith("/") else tuple(prefix + path for prefix in PREFIXES)


def tidy(path: str) -> str:
    """Return the path with single slashes and none at its end."""
    return _SLASHES.sub("/", path).rstrip("/") or "/"


def _add(by_method: dict[str, Any], route: Route, value: Any, path: str) -> None:
    if route.method in by_method:
        raise ValueError(f"two routes for {route.method} {path}")
    by_method[route.method] = value


def _pattern(path: str) -> str:
    parts: list[str] = []
    at = 0
    for match in _PARAMETER.finditer(path):
        parts.append(re.escape(path[at : match.start()]))
        parts.append(f"(?P<{match[1]}>.+)" if match[2] else f"(?P<{match[1]}>[^/]+)")
        at = match.end()
    return "".join([*parts, re.escape(path[at:])])
