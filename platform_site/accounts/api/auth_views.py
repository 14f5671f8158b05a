"""Endpoints of one's own account: tokens, sign-out, profile, password."""

from typing import Any

from django.contrib.auth import authenticate, logout, update_session_auth_hash
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from platform_site.accounts.api import serializers as shapes
from platform_site.accounts.api.base import AccountView, read_body
from platform_site.accounts.lockout import MESSAGE, forgive
from platform_site.accounts.models import ApiToken, User
from platform_site.accounts.selectors import project_rows, token_row, token_rows
from platform_site.accounts.services import people, tokens
from platform_site.core.errors import Invalid, NotFound, TooMany, Unauthenticated


def check_password(request: Request, username: str, password: str) -> User:
    """Return the person whose name and password these are; wrong ones count for every door.

    Raises:
        TooMany: when this account or address tried too often.
        Unauthenticated: with one message whatever is wrong.
    """
    plain = request._request  # axes keeps its marks on Django's request
    user = authenticate(plain, username=username, password=password)
    if getattr(plain, "axes_locked_out", False):
        raise TooMany(str(MESSAGE))
    if not isinstance(user, User):
        raise Unauthenticated("This user name and password do not match.", code="bad_credentials")
    forgive(plain, username)
    return user


def new_token_body(token: ApiToken, secret: str) -> dict[str, Any]:
    """Return the answer that shows a secret, once."""
    return dict(
        shapes.NewTokenOut(
            {
                "token": secret,
                "key": token.token_key,
                "name": token.name,
                "scope": token.scope,
                "expires_at": token.expiry,
            }
        ).data
    )


class PasswordTokenView(AccountView):
    """A token for a user name and a password."""

    authentication_classes = []
    permission_classes = []

    @extend_schema(
        tags=["auth"],
        auth=[],
        request=shapes.CredentialsIn,
        responses={
            200: shapes.NewTokenOut,
            400: shapes.ErrorOut,
            401: shapes.ErrorOut,
            429: shapes.ErrorOut,
        },
    )
    def post(self, request: Request) -> Response:
        """Sign in: returns a token that may read and write and works for 30 days."""
        body = read_body(request, shapes.CredentialsIn)
        user = check_password(request, body["username"], body["password"])
        token, secret = tokens.issue_password_token(user=user)
        return Response(new_token_body(token, secret))


class SignOutView(AccountView):
    """The end of this token or session."""

    @extend_schema(tags=["auth"], request=None, responses={204: None, 401: shapes.ErrorOut})
    def post(self, request: Request) -> Response:
        """Revoke the token of this call, or end the session."""
        if self.token is not None:
            tokens.revoke_token(user=self.person, token_key=self.token.token_key)
        else:
            logout(request._request)  # the session belongs to Django's request
        return Response(status=204)

    @extend_schema(tags=["auth"], request=None, responses={204: None, 401: shapes.ErrorOut})
    def delete(self, request: Request) -> Response:
        """Do the same as POST."""
        return self.post(request)


class MeView(AccountView):
    """Oneself."""

    @extend_schema(tags=["auth"], responses={200: shapes.MeOut, 401: shapes.ErrorOut})
    def get(self, request: Request) -> Response:
        """Who am I, in which projects, and what may this token do?"""
        return Response(self._body())

    @extend_schema(
        tags=["auth"],
        request=shapes.ProfileIn,
        responses={200: shapes.MeOut, 400: shapes.ErrorOut},
    )
    def patch(self, request: Request) -> Response:
        """Change name, e-mail, language or theme."""
        body = read_body(request, shapes.ProfileIn, partial=True)
        people.update_profile(user=self.person, changes=body)
        return Response(self._body())

    def _body(self) -> dict[str, Any]:
        person = self.person
        basics = dict(shapes.PersonOut(person).data)
        token = None if self.token is None else shapes.TokenOut(token_row(self.token)).data
        return {
            **basics,
            "language": person.language,
            "theme": person.theme,
            "projects": shapes.ProjectOut(project_rows(person), many=True).data,
            "token": token,
        }


class PasswordView(AccountView):
    """One's own password."""

    @extend_schema(
        tags=["auth"],
        request=shapes.PasswordIn,
        responses={204: None, 400: shapes.ErrorOut, 429: shapes.ErrorOut},
    )
    def post(self, request: Request) -> Response:
        """Change the password; all other sessions end, and all tokens unless told otherwise."""
        body = read_body(request, shapes.PasswordIn)
        try:
            check_password(request, self.person.username, body["old_password"])
        except Unauthenticated as error:
            raise Invalid("The current password is wrong.", field="old_password") from error
        people.change_password(
            user=self.person, password=body["new_password"], revoke_tokens=body["revoke_tokens"]
        )
        if self.token is None:
            update_session_auth_hash(request._request, self.person)
        return Response(status=204)


class TokenListView(AccountView):
    """One's own tokens."""

    @extend_schema(
        operation_id="tokens_list", tags=["tokens"], responses={200: shapes.TokenPageOut}
    )
    def get(self, request: Request) -> Response:
        """List one's tokens without their secrets."""
        rows = token_rows(self.person)
        return Response({"count": len(rows), "results": shapes.TokenOut(rows, many=True).data})

    @extend_schema(
        tags=["tokens"],
        request=shapes.TokenIn,
        responses={201: shapes.NewTokenOut, 400: shapes.ErrorOut, 409: shapes.ErrorOut},
    )
    def post(self, request: Request) -> Response:
        """Make a token; its secret is in this answer and nowhere else.

        A token made with a token does not outlive it.
        """
        body = read_body(request, shapes.TokenIn)
        token, secret = tokens.issue_token(
            user=self.person,
            name=body["name"],
            scope=body["scope"],
            lifetime_days=body["expires_in_days"],
            not_after=None if self.token is None else self.token.expiry,
        )
        return Response(new_token_body(token, secret), status=201)


class TokenDetailView(AccountView):
    """One of one's own tokens."""

    @extend_schema(tags=["tokens"], responses={200: shapes.TokenOut, 404: shapes.ErrorOut})
    def get(self, request: Request, token_key: str) -> Response:
        """Show one token without its secret."""
        token = ApiToken.objects.filter(user=self.person, token_key=token_key).first()
        if token is None:
            raise NotFound("No such token.")
        return Response(shapes.TokenOut(token_row(token)).data)

    @extend_schema(tags=["tokens"], responses={204: None, 404: shapes.ErrorOut})
    def delete(self, request: Request, token_key: str) -> Response:
        """Make the token useless at once."""
        tokens.revoke_token(user=self.person, token_key=token_key)
        return Response(status=204)
