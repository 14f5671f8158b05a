"""Who calls: a token (``Bearer``, or as a ``Basic`` password) or a user name and a password."""

import base64
import binascii
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
    user = _check_password(credential, client_address, path)
    return caller_for(user, may_write=True)


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
