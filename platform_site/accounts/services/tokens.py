"""Issue and revoke personal API tokens."""

from datetime import datetime, timedelta

from django.db.models import Q

from platform_site.accounts.models import ApiToken, User
from platform_site.core.clock import now
from platform_site.core.errors import Conflict, Invalid, NotFound
from platform_site.core.names import canonical_name
from platform_site.core.transactions import write_transaction

LIFETIME_CHOICES_DAYS = (7, 30, 90, 365)
MAX_LIFETIME_DAYS = 365
DEFAULT_LIFETIME_DAYS = 30
MAX_LIVE_TOKENS = 200
KEEP_EXPIRED_DAYS = 30
PASSWORD_SIGN_IN_NAME = "password sign-in"  # noqa: S105  # a label, not a secret


def issue_token(
    *,
    user: User,
    name: str,
    scope: str,
    lifetime_days: int = DEFAULT_LIFETIME_DAYS,
    not_after: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Return a new token and its secret, which is stored nowhere.

    Args:
        user: the person for whom the token acts.
        name: what the person calls it.
        scope: one of `ApiToken.Scope`.
        lifetime_days: from 1 to 365.
        not_after: expiry of the token that asked for this one, which must not outlive it.

    Raises:
        Invalid: for a bad name, scope or lifetime.
        Conflict: when the person has too many live tokens.
    """
    name = canonical_name(name)
    if scope not in ApiToken.Scope.values:
        raise Invalid("'scope' must be 'read' or 'write'.", field="scope")
    if not 1 <= lifetime_days <= MAX_LIFETIME_DAYS:
        raise Invalid(
            f"'expires_in_days' must be between 1 and {MAX_LIFETIME_DAYS}.",
            field="expires_in_days",
        )
    lifetime = timedelta(days=lifetime_days)
    with write_transaction():
        _forget_expired(user)
        live = ApiToken.objects.filter(user=user).filter(Q(expiry=None) | Q(expiry__gt=now()))
        if live.count() >= MAX_LIVE_TOKENS:
            raise Conflict(
                f"You have {MAX_LIVE_TOKENS} live tokens; revoke some first.",
                code="too_many_tokens",
            )
        token, secret = ApiToken.objects.create(user, expiry=lifetime, name=name, scope=scope)
        if not_after is not None and token.expiry > not_after:
            token.expiry = not_after
            token.save(update_fields=["expiry"])
    return token, secret


def issue_password_token(*, user: User) -> tuple[ApiToken, str]:
    """Return a 30-day token for somebody who just gave the right password.

    Scripts sign in again and again: the oldest such tokens make room for the newest.
    """
    with write_transaction():
        _forget_expired(user)
        mine = ApiToken.objects.filter(user=user, name=PASSWORD_SIGN_IN_NAME)
        keep = mine.order_by("-created").values_list("pk", flat=True)[: MAX_LIVE_TOKENS // 4 - 1]
        mine.exclude(pk__in=list(keep)).delete()
        token, secret = ApiToken.objects.create(
            user,
            expiry=timedelta(days=DEFAULT_LIFETIME_DAYS),
            name=PASSWORD_SIGN_IN_NAME,
            scope=ApiToken.Scope.WRITE,
        )
    return token, secret


def revoke_token(*, user: User, token_key: str) -> None:
    """Make one of the person's own tokens useless at once.

    Raises:
        NotFound: when the person has no such token.
    """
    with write_transaction():
        deleted, _ = ApiToken.objects.filter(user=user, token_key=token_key).delete()
    if not deleted:
        raise NotFound("No such token.")


def revoke_all_tokens(*, user: User) -> int:
    """Make all of the person's tokens useless; return how many there were."""
    with write_transaction():
        deleted, _ = ApiToken.objects.filter(user=user).delete()
    return int(deleted)


def _forget_expired(user: User) -> None:
    """Drop what expired long ago; what expired lately stays visible in the list."""
    limit = now() - timedelta(days=KEEP_EXPIRED_DAYS)
    ApiToken.objects.filter(user=user, expiry__lt=limit).delete()
