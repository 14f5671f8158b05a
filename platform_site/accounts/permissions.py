"""What a token's scope allows, for every API view."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from platform_site.accounts.models import ApiToken


class TokenScopeAllows(BasePermission):
    """A read token may not change anything."""

    message = "This token may only read."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the request's token, if any, covers its method."""
        token = request.auth
        if not isinstance(token, ApiToken) or request.method in SAFE_METHODS:
            return True
        return token.scope == ApiToken.Scope.WRITE
