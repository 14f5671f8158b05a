"""How the first administrator enters a new installation: one secret, one use, one day."""

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import IntegrityError
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from platform_site.accounts.models import FirstSignIn, User
from platform_site.accounts.models.first_sign_in import ONLY_ROW
from platform_site.core.clock import now
from platform_site.core.errors import Conflict, NotFound
from platform_site.core.transactions import write_transaction

VALID_FOR = timedelta(hours=24)
GONE = "This link was used already, is older than a day, or was replaced by a newer one."


def first_sign_in_path() -> str | None:
    """Return the path of a fresh one-time sign-in, or None once there is an administrator."""
    secret = issue_first_sign_in()
    return None if secret is None else reverse("accounts:first-sign-in", args=[secret])


def issue_first_sign_in() -> str | None:
    """Return a new secret, which replaces the one before, or None if there is an administrator."""
    if _has_administrator():
        return None
    secret = secrets.token_urlsafe(32)
    with write_transaction():
        FirstSignIn.objects.update_or_create(
            pk=ONLY_ROW,
            defaults={
                "digest": _digest(secret),
                "expires_at": now() + VALID_FOR,
                "used_at": None,
            },
        )
    return secret


def check_first_sign_in(secret: str) -> None:
    """Refuse unless this secret would work now.

    Raises:
        NotFound: when it is wrong, used, expired, or no longer needed.
    """
    row = FirstSignIn.objects.filter(pk=ONLY_ROW, used_at=None, expires_at__gt=now()).first()
    if row is None or not constant_time_compare(row.digest, _digest(secret)):
        raise NotFound(GONE, code="link_gone")
    if _has_administrator():
        raise NotFound(GONE, code="link_gone")


def complete_first_sign_in(*, secret: str, username: str, password: str) -> User:
    """Return the first administrator, made with the chosen name and password; spends the secret.

    The caller has checked the password against the validators.

    Raises:
        NotFound: when the secret does not work, also when somebody else was faster.
        Conflict: when the user name is taken.
    """
    user = User(
        username=User.normalize_username(username), is_superuser=True, is_staff=True, is_active=True
    )
    user.set_password(password)
    try:
        with write_transaction():
            spent = FirstSignIn.objects.filter(
                pk=ONLY_ROW, digest=_digest(secret), used_at=None, expires_at__gt=now()
            ).update(used_at=now())
            if not spent or _has_administrator():
                raise NotFound(GONE, code="link_gone")
            user.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict("This user name is taken.", code="name_taken") from error
    return user


def _has_administrator() -> bool:
    return (
        User.objects.filter(is_superuser=True, is_active=True)
        .exclude(password="")
        .exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)
        .exists()
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
