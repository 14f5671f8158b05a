"""What the account endpoints share."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from platform_site.accounts.access import signed_in
from platform_site.accounts.models import ApiToken, User


class AccountView(APIView):
    """An endpoint of the API: signed-in people only, unless it says otherwise."""

    access_rule = "api"

    @property
    def person(self) -> User:
        """The person who calls."""
        return signed_in(self.request.user)

    @property
    def token(self) -> ApiToken | None:
        """The token of this call, or None for a session."""
        auth = self.request.auth
        return auth if isinstance(auth, ApiToken) else None


def read_body(
    request: Request,
    serializer_class: type[serializers.Serializer[Any]],
    *,
    partial: bool = False,
) -> dict[str, Any]:
    """Return the checked body.

    Raises:
        ValidationError: naming every field that does not fit.
    """
    serializer = serializer_class(data=request.data, partial=partial)
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values
