"""What every request must pass before its endpoint: body, content type, origin, credential's scope."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.errors import ProtocolError
from experiments.mlflow_api.kit.routes import Route, RouteTable
from platform_site.accounts.callers import READ_ONLY_TOKEN
from platform_site.core.errors import Forbidden, TooLarge
from platform_site.core.json_parser import MAX_BODY_BYTES

JSON_METHODS: Final = frozenset({"POST", "PUT"})


def no_route(table: RouteTable, method: str, path: str) -> ProtocolError:
    """Return the refusal of a call without a route: 405 when the path has other methods."""
    methods = table.methods(path)
    if methods:
        error = ProtocolError(
            "BAD_REQUEST", f"The method {method[:20]} is not allowed here.", status=405
        )
        error.details["allow"] = ", ".join(methods)
        return error
    return ProtocolError(
        "ENDPOINT_NOT_FOUND", f"No endpoint for {method[:20]} {path[:200]} on this server."
    )


def check_headers(route: Route, method: str, headers: Mapping[str, str]) -> None:
    """Refuse what no client of the protocol sends; before the body is read.

    Raises:
        ProtocolError: for a wrong content type or a compressed body (415).
        TooLarge: for a declared length beyond the limit.
        Forbidden: for a change that a page of another site asks a browser for.
    """
    if method in {"GET", "HEAD"}:
        return
    check_origin(headers)
    if route.raw_body or route.stream:
        return
    check_length(headers)
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE", "Compressed bodies are not accepted here.", status=415
        )
    if method in JSON_METHODS:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise ProtocolError(
                "INVALID_PARAMETER_VALUE", "The header Content-Type must be application/json."
            )


def check_length(headers: Mapping[str, str], limit_bytes: int = MAX_BODY_BYTES) -> None:
    """Refuse a declared length beyond the limit.

    Raises:
        TooLarge: when it is.
    """
    text = headers.get("content-length", "")
    if text.isascii() and text.isdigit() and (len(text) > 15 or int(text) > limit_bytes):
        raise TooLarge(f"The body is larger than {limit_bytes} bytes.")


def check_origin(headers: Mapping[str, str]) -> None:
    """Refuse a change that a page of another site asks a browser for; programs say no origin.

    Raises:
        Forbidden: when the origin is neither this host nor one that settings trust.
    """
    origin = headers.get("origin")
    if origin is None or origin in settings.CSRF_TRUSTED_ORIGINS:
        return
    if urlsplit(origin).netloc != headers.get("host"):
        raise Forbidden("Pages of other sites may not call this.")


def check_scope(route: Route, call: Call) -> None:
    """Refuse a change by a credential that may only read.

    Raises:
        Unauthenticated: when nobody is signed in and the route is not public.
        Forbidden: for a read-only token.
    """
    if not route.public and not call.caller.may_write and route.changes:
        raise Forbidden(READ_ONLY_TOKEN, need="write")
