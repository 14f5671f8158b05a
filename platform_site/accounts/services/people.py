"""Add people, change what is known about them, and shut them out."""

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from platform_site.accounts.models import ApiToken, User
from platform_site.core.errors import Conflict, Forbidden, Invalid
from platform_site.core.transactions import write_transaction

PROFILE_FIELDS = ("first_name", "last_name", "email", "language", "theme")


def create_person(
    *,
    username: str,
    email: str = "",
    first_name: str = "",
    last_name: str = "",
    is_superuser: bool = False,
    password: str | None = None,
) -> User:
    """Return a new person; without a password, one who still has to choose it by a link.

    Raises:
        Invalid: naming the field that does not fit.
        Conflict: when the user name is taken.
    """
    user = User(
        username=User.normalize_username(username),
        email=User.objects.normalize_email(email),
        first_name=first_name,
        last_name=last_name,
        is_superuser=is_superuser,
        is_staff=is_superuser,
    )
    _check_fields(user)
    if password is None:
        user.set_unusable_password()
    else:
        _check_password(password, user)
        user.set_password(password)
    try:
        with write_transaction():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict("This user name is taken.", code="name_taken") from error
    return user


def set_password_path(user: User) -> str:
    """Return the path of the page on which this person chooses a password, good for one use."""
    return reverse(
        "accounts:set-password",
        kwargs={
            "uidb64": urlsafe_base64_encode(force_bytes(user.pk)),
            "token": default_token_generator.make_token(user),
        },
    )


def reset_person(*, user: User) -> str:
    """End all sessions and tokens of a person; return the path to choose a new password.

    Raises:
        Conflict: for a person who is shut out.
    """
    if not user.is_active:
        raise Conflict("This person is deactivated; activate the account first.")
    user.set_unusable_password()  # sessions carry a digest of the password and end with it
    with write_transaction():
        user.save(update_fields=["password"])
        ApiToken.objects.filter(user=user).delete()
    return set_password_path(user)


def set_active(*, user: User, is_active: bool, by: User) -> None:
    """Shut a person out, or let them in again; tokens do not come back.

    Raises:
        Forbidden: for oneself.
    """
    if user.pk == by.pk:
        raise Forbidden("You cannot deactivate your own account.")
    with write_transaction():
        User.objects.filter(pk=user.pk).update(is_active=is_active)
        if not is_active:
            ApiToken.objects.filter(user=user).delete()


def update_profile(*, user: User, changes: dict[str, str]) -> User:
    """Return the person with name, e-mail, language or theme changed.

    Raises:
        Invalid: naming the field that does not fit.
    """
    for field in PROFILE_FIELDS:
        if field in changes:
            setattr(user, field, changes[field])
    _check_fields(user)
    with write_transaction():
        user.save(update_fields=list(PROFILE_FIELDS))
    return user


def change_password(*, user: User, password: str, revoke_tokens: bool) -> None:
    """Store a new password; all other sessions end, tokens too if asked.

    Raises:
        Invalid: when the password is too weak.
    """
    _check_password(password, user)
    user.set_password(password)
    with write_transaction():
        user.save(update_fields=["password"])
        if revoke_tokens:
            ApiToken.objects.filter(user=user).delete()


def _check_fields(user: User) -> None:
    try:
        user.clean_fields(exclude={"password"})
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise Invalid(f"{field}: {messages[0]}", field=field) from error


def _check_password(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="password") from error
