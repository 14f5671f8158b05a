"""Bodies of the account endpoints, in and out; services write."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from platform_site.accounts.models import ApiToken, Membership, User
from platform_site.accounts.services.projects import MAX_DESCRIPTION_CHARS
from platform_site.accounts.services.tokens import DEFAULT_LIFETIME_DAYS, MAX_LIFETIME_DAYS
from platform_site.core.serializers import StrictSerializer

Out = serializers.Serializer[Any]


class ErrorOut(Out):
    """Every refusal of the API has this shape."""

    error_code = serializers.CharField()
    message = serializers.CharField()
    details = serializers.DictField()
    request_id = serializers.CharField(allow_null=True)


class CredentialsIn(StrictSerializer):
    """User name and password."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=4096, trim_whitespace=False)


class NewTokenOut(Out):
    """A secret, shown this once."""

    token = serializers.CharField(help_text="The secret. It is stored nowhere; keep it.")
    key = serializers.CharField(help_text="The first characters: name of the token from now on.")
    name = serializers.CharField()
    scope = serializers.ChoiceField(choices=ApiToken.Scope.choices)
    expires_at = serializers.DateTimeField(allow_null=True)


class TokenIn(StrictSerializer):
    """A token to make."""

    name = serializers.CharField(max_length=100)
    scope = serializers.ChoiceField(
        choices=ApiToken.Scope.choices, default=ApiToken.Scope.READ.value
    )
    expires_in_days = serializers.IntegerField(
        min_value=1, max_value=MAX_LIFETIME_DAYS, default=DEFAULT_LIFETIME_DAYS
    )


class TokenOut(Out):
    """A token without its secret."""

    key = serializers.CharField()
    name = serializers.CharField()
    scope = serializers.ChoiceField(choices=ApiToken.Scope.choices)
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    is_expired = serializers.BooleanField()


class TokenPageOut(Out):
    """All tokens of the person."""

    count = serializers.IntegerField()
    results = TokenOut(many=True)


class ProjectIn(StrictSerializer):
    """A project to make or to change."""

    name = serializers.CharField(max_length=100)
    description = serializers.CharField(
        max_length=MAX_DESCRIPTION_CHARS, required=False, allow_blank=True
    )


class ProjectOut(Out):
    """A project with one's own role in it."""

    id = serializers.IntegerField()
    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    role = serializers.ChoiceField(choices=Membership.Role.choices)
    n_members = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class ProjectPageOut(Out):
    """One page of the projects."""

    count = serializers.IntegerField()
    results = ProjectOut(many=True)


class MemberIn(StrictSerializer):
    """A person to add to a project."""

    username = serializers.CharField(max_length=150)
    role = serializers.ChoiceField(choices=Membership.Role.choices)


class RoleIn(StrictSerializer):
    """A new role of a member."""

    role = serializers.ChoiceField(choices=Membership.Role.choices)


class MemberOut(Out):
    """A member of a project."""

    user = serializers.IntegerField(source="user_id")
    username = serializers.CharField(source="user.username")
    name = serializers.CharField(source="user.get_full_name")
    role = serializers.ChoiceField(choices=Membership.Role.choices)
    is_active = serializers.BooleanField(source="user.is_active")
    added_at = serializers.DateTimeField(source="created_at")


class MemberPageOut(Out):
    """One page of the members of a project."""

    count = serializers.IntegerField()
    results = MemberOut(many=True)


class ProfileIn(StrictSerializer):
    """What people may change about themselves."""

    first_name = serializers.CharField(max_length=150, required=False, allow_blank=True)
    last_name = serializers.CharField(max_length=150, required=False, allow_blank=True)
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True)
    language = serializers.ChoiceField(choices=settings.LANGUAGES, required=False, allow_blank=True)
    theme = serializers.ChoiceField(choices=User.Theme.choices, required=False)


class PersonOut(Out):
    """A person as administrators see them; never anything about the password."""

    id = serializers.IntegerField()
    username = serializers.CharField()
    first_name = serializers.CharField()
    last_name = serializers.CharField()
    email = serializers.CharField()
    is_active = serializers.BooleanField()
    is_superuser = serializers.BooleanField()
    last_login = serializers.DateTimeField(allow_null=True)


class MeOut(PersonOut):
    """Oneself, with one's projects and the token of this call."""

    language = serializers.CharField()
    theme = serializers.CharField()
    projects = ProjectOut(many=True)
    token = TokenOut(allow_null=True)


class PasswordIn(StrictSerializer):
    """The old and the new password."""

    old_password = serializers.CharField(max_length=4096, trim_whitespace=False)
    new_password = serializers.CharField(max_length=4096, trim_whitespace=False)
    revoke_tokens = serializers.BooleanField(default=True)


class PersonIn(StrictSerializer):
    """A person to add."""

    username = serializers.CharField(max_length=150)
    first_name = serializers.CharField(max_length=150, required=False, allow_blank=True)
    last_name = serializers.CharField(max_length=150, required=False, allow_blank=True)
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True)
    is_superuser = serializers.BooleanField(default=False)


class InvitedOut(PersonOut):
    """A person with the one-time link on which they choose a password."""

    set_password_url = serializers.CharField()


class ActiveIn(StrictSerializer):
    """Shut out or let in."""

    is_active = serializers.BooleanField()


class PersonPageOut(Out):
    """One page of the people."""

    count = serializers.IntegerField()
    results = PersonOut(many=True)
