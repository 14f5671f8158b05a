"""Who calls: a token (``Bearer``, or as a ``Basic`` password) or a user name and a password."""

import base64
import binascii
import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.contrib.auth import authenticate
from django.http import HttpRequest

from platform_site.accounts.authentication import authenticate_token
from platform_site.accounts.callers import Caller, caller_for
from platform_site.accounts.lockout import MESSAGE, forgive
from platform_site.accounts.models import ApiToken, User
from platform_site.core.errors import Unauthenticated

TOKEN_PREFIX: Final = "assay_"  # noqa: S105  # how tokens begin
MAX_HEADER_CHARS: Final = 4096
VERIFIED_S: Final = 600.0
MAX_VERIFIED: Final = 1000
SIGN_IN: Final = (
    "Sign in: set MLFLOW_TRACKING_TOKEN to a token, or MLFLOW_TRACKING_USERNAME and"
    " MLFLOW_TRACKING_PASSWORD."
)


@dataclass(frozen=True, slots=True)
class Credential:
    """What the header Authorization says; a token has no user name."""

    secret: str
    username: str | None = None


def read_credential(header: str | None) -> Credential:
    """Return the credential of an Authorization header.

    Raises:
        Unauthenticated: when there is none that we know.
    """
    scheme, _, value = (header or "").partition(" ")
    value = value.strip()
    if not value or len(value) > MAX_HEADER_CHARS:
        raise Unauthenticated(SIGN_IN)
    if scheme.lower() == "bearer":
        return Credential(value)
    if scheme.lower() != "basic":
        raise Unauthenticated(SIGN_IN)
    try:
        username, colon, password = base64.b64decode(value).decode("utf-8").partition(":")
    except (binascii.Error, ValueError) as error:
        raise Unauthenticated("The header Authorization cannot be read.") from error
    if not colon or not password or "\x00" in username + password:
        raise Unauthenticated(SIGN_IN)
    if password.startswith(TOKEN_PREFIX):
        return Credential(password)
    return Credential(password, username)


def identify(credential: Credential, client_address: str | None, path: str) -> Caller:
    """Return the caller; wrong passwords count for every door. Uses the ORM.

    Raises:
        Unauthenticated: for a credential that is no good, and when it was tried too often.
    """
    if credential.username is None:
        user, token = authenticate_token(credential.secret)
        return caller_for(user, may_write=token.scope == ApiToken.Scope.WRITE)
    known = _verified_lately(credential)
    if known is not None:
        return caller_for(known, may_write=True)
    user = _check_password(credential, client_address, path)
    verified.remember(_name_of(credential), user.password)
    return caller_for(user, may_write=True)


class VerifiedPasswords:
    """Passwords found right in the last minutes, so that a program's every call is not hashed.

    Held are keyed digests and the stored hash they matched: a changed password or a closed
    account counts at once. A guess is never held, so it costs and counts as everywhere.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[bytes, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def remember(self, name: bytes, stored_hash: str) -> None:
        """Note that this credential matched this stored hash."""
        with self._lock:
            while len(self._held) >= MAX_VERIFIED:
                del self._held[next(iter(self._held))]
            self._held[name] = (stored_hash, self._clock() + VERIFIED_S)

    def hash_for(self, name: bytes) -> str | None:
        """Return the stored hash that this credential matched lately."""
        stored_hash, until_s = self._held.get(name, (None, 0.0))
        return stored_hash if self._clock() < until_s else None


verified: Final = VerifiedPasswords()
_process_key: Final = secrets.token_bytes(32)


def keyed_digest(text: str) -> bytes:
    """Return what may be held in memory instead of a secret; another one in each process."""
    return hashlib.blake2b(text.encode(), digest_size=16, key=_process_key).digest()


def _name_of(credential: Credential) -> bytes:
    return keyed_digest(f"{credential.username}:{credential.secret}")


def _verified_lately(credential: Credential) -> User | None:
    stored_hash = verified.hash_for(_name_of(credential))
    if stored_hash is None:
        return None
    user = User.objects.filter(username=credential.username, is_active=True).first()
    return user if user is not None and user.password == stored_hash else None


def _check_password(credential: Credential, client_address: str | None, path: str) -> User:
    request = HttpRequest()
    request.path = path
    request.method = "POST"
    request.META["REMOTE_ADDR"] = client_address or ""
    username = credential.username or ""
    user = authenticate(request, username=username, password=credential.secret)
    if getattr(request, "axes_locked_out", False):
        # Not 429: clients of the protocol would try again by themselves, for a quarter of an hour.
        raise Unauthenticated(str(MESSAGE), code="too_many")
    if not isinstance(user, User):
        raise Unauthenticated("This user name and password do not match.", code="bad_credentials")
    forgive(request, username)
    return user
