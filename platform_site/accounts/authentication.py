"""API tokens as ``Authorization: Bearer``, for HTTP and for whoever else holds a secret."""

import hashlib
from datetime import timedelta

from django.db.models import Q
from knox.auth import TokenAuthentication
from rest_framework import exceptions

from platform_site.accounts.models import ApiToken, User
from platform_site.core.clock import now
from platform_site.core.errors import Unauthenticated

NOTE_USE_EVERY = timedelta(minutes=1)
MAX_SECRET_CHARS = 200
REFUSED = "The token is wrong, expired or revoked."


def authenticate_token(secret: str) -> tuple[User, ApiToken]:
    """Return the person and the token behind a secret; one query, at most one write a minute.

    Raises:
        Unauthenticated: with one message for every reason.
    """
    token = None
    if secret.isascii() and len(secret) <= MAX_SECRET_CHARS:
        token = ApiToken.objects.select_related("user").filter(pk=digest_of(secret)).first()
    moment = now()
    if token is None or token.is_expired(moment) or not token.user.is_active:
        raise Unauthenticated(REFUSED, code="bad_token")
    if token.last_used_at is None or token.last_used_at <= moment - NOTE_USE_EVERY:
        _note_use(token)
    return token.user, token


def digest_of(secret: str) -> str:
    """Return what is stored instead of the secret, as knox computes it."""
    return hashlib.sha512(secret.encode()).hexdigest()


def _note_use(token: ApiToken) -> None:
    moment = now()
    # Conditional, so that of many calls at once one writes.
    ApiToken.objects.filter(pk=token.pk).filter(
        Q(last_used_at=None) | Q(last_used_at__lte=moment - NOTE_USE_EVERY)
    ).update(last_used_at=moment)
    token.last_used_at = moment


class ApiTokenAuthentication(TokenAuthentication):  # type: ignore[misc]  # untyped library
    """knox's reading of the header over our check of the token."""

    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiToken]:
        """Return person and token.

        Raises:
            AuthenticationFailed: for a token that is no good.
        """
        try:
            return authenticate_token(token.decode("ascii", errors="replace"))
        except Unauthenticated as error:
            raise exceptions.AuthenticationFailed(error.message) from error
