"""Who is on the line: by session cookie from an allowed origin, or by token; asked again later."""

import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.settings import api_settings

from platform_site.core.errors import DomainError, Forbidden, Invalid, Unauthenticated
from platform_site.events.topics import check_may_follow

logger = logging.getLogger("assay.live")
TOKEN_PROTOCOL = "assay.token."  # noqa: S105  # a prefix, not a secret
PLAIN_PROTOCOL = "assay.live"
MAX_TOKEN_CHARS = 200
SECRET_PARAMETERS = frozenset(
    {"token", "access_token", "auth_token", "api_key", "apikey", "authorization", "auth", "secret"}
)
Headers = Mapping[bytes, bytes]


@dataclasses.dataclass(frozen=True, slots=True)
class Visitor:
    """A person on a live connection.

    Attributes:
        user_id: whose sockets are counted together.
        load: returns the person as the database knows them now, or None when the session or
            token is no longer good; makes queries.
    """

    user_id: int
    load: Callable[[], Any]

    def check(self, topics: Iterable[str]) -> None:
        """Refuse unless the person is still signed in and may follow all of the topics.

        Raises:
            Unauthenticated: the session ended, the token was revoked, the person deactivated.
            NotFound: for the first topic the person may not see.
        """
        user = self.load()
        if user is None:
            raise Unauthenticated("The session or token is no longer valid.")
        for topic in topics:
            check_may_follow(user, topic)


def by_token(secret: str) -> Visitor | None:
    """Return the token's person, or None for a token that is not good."""
    user = _token_user(secret)
    return None if user is None else Visitor(user.pk, lambda: _token_user(secret))


def by_session(session_key: str | None) -> Visitor | None:
    """Return the session's person, or None when nobody is signed in."""
    user = _session_user(session_key)
    return None if user is None else Visitor(user.pk, lambda: _session_user(session_key))


def of_request(request: Any) -> Visitor:
    """Return the person of an authenticated page or API request, for long answers.

    Raises:
        Unauthenticated: nobody is signed in.
    """
    if not request.user.is_authenticated:
        raise Unauthenticated("Sign in, or send an API token.")
    if getattr(request, "auth", None) is None:
        key = request.session.session_key
        return Visitor(request.user.pk, lambda: _session_user(key))
    _, _, secret = request.headers.get("Authorization", "").partition(" ")
    return Visitor(request.user.pk, lambda: _token_user(secret.strip()))


def _token_user(secret: str) -> Any:
    if not secret or len(secret) > MAX_TOKEN_CHARS or not secret.isascii():
        return None
    # The API's own check, whichever class settings name: this room lies below the accounts.
    checks: Any = api_settings.DEFAULT_AUTHENTICATION_CLASSES
    for check in checks:
        if issubclass(check, TokenAuthentication):
            try:
                user, _ = check().authenticate_credentials(secret.encode())
            except AuthenticationFailed:
                return None
            return user
    return None


def _session_user(session_key: str | None) -> Any:
    if not session_key:
        return None
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)  # checks the password's hash as well: a changed one signs out
    return user if user.is_authenticated and user.is_active else None


def check_door(headers: Headers) -> None:
    """Refuse a handshake for a host or from an origin that is not ours.

    Raises:
        Forbidden: host not in ALLOWED_HOSTS; origin present but neither the host itself nor in
            CSRF_TRUSTED_ORIGINS. A port of the same machine is another origin.
    """
    host = headers.get(b"host", b"").decode("latin-1").lower()
    domain, _ = split_domain_port(host)
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        raise Forbidden("This host name is not served here.")
    origin = headers.get(b"origin")
    if origin is not None and not _is_ours(origin.decode("latin-1").lower(), host):
        raise Forbidden("Live connections from this origin are not allowed.")


def _is_ours(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return False
    schemes = {"https"} if settings.BEHIND_TLS else {"http", "https"}
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    netlocs = {parts.netloc} | ({f"{parts.hostname}:{usual}"} if port is None else set())
    if port is not None and port == usual:
        netlocs.add(str(parts.hostname))
    if parts.scheme in schemes and host in netlocs:
        return True
    return any(_matches(parts.scheme, parts.netloc, ours) for ours in settings.CSRF_TRUSTED_ORIGINS)


def _matches(scheme: str, netloc: str, trusted: str) -> bool:
    ours = urlsplit(trusted.lower())
    if scheme != ours.scheme:
        return False
    if ours.netloc.startswith("*."):
        return netloc.endswith(ours.netloc[1:])
    return netloc == ours.netloc


def check_address(query: str) -> None:
    """Refuse a secret in the address, where proxies and logs would keep it.

    Raises:
        Invalid: whatever the secret is worth.
    """
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name.lower() in SECRET_PARAMETERS or value.startswith(_token_prefix()):
            raise Invalid(
                "A token never belongs in an address. Send it as Authorization: Bearer, as the"
                f" sub-protocol {TOKEN_PROTOCOL}<secret>, or as the first message.",
                code="token_in_url",
            )


def _token_prefix() -> str:
    return str(settings.REST_KNOX["TOKEN_PREFIX"])


def offered_token(subprotocols: Iterable[str]) -> tuple[str | None, str | None]:
    """Return (secret, sub-protocol to accept) of a handshake; browsers insist on an accepted one.

    The token may stand alone or behind `assay.token.`; a sub-protocol without it is accepted first.
    """
    offered = list(subprotocols)
    secrets = [name for name in offered if name.startswith((TOKEN_PROTOCOL, _token_prefix()))]
    with_token = next(iter(secrets), None)
    chosen = PLAIN_PROTOCOL if PLAIN_PROTOCOL in offered else with_token
    if with_token is not None:
        chosen = next((name for name in offered if name not in secrets), with_token)
    return (with_token.removeprefix(TOKEN_PROTOCOL) if with_token else None), chosen


def of_handshake(headers: Headers, secret: str | None) -> Visitor | None:
    """Return who opened the socket; a cookie counts only with an (allowed) origin. Queries."""
    if secret is not None:
        return by_token(secret)
    if b"origin" not in headers:
        return None
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get(b"cookie", b"").decode("latin-1"))
    except CookieError:
        return None
    morsel = cookies.get(settings.SESSION_COOKIE_NAME)
    return by_session(morsel.value) if morsel is not None else None


def close_code(error: DomainError) -> int:
    """Return the WebSocket close code of a refusal."""
    return {401: 4401, 403: 4403, 404: 4404, 410: 4410, 429: 1013}.get(error.status, 4403)
