"""Calls of the tracking protocol through Django's test client, as a client with a token makes them."""

import base64
import json
from typing import Any

from django.test import Client

from platform_site.accounts.models import ApiToken
from tests.people import PASSWORD


class ProtocolClient:
    """A person with a token; paths are below /api/2.0/mlflow/ unless they begin with a slash."""

    def __init__(self, user=None, *, scope: str = "write", **headers: str) -> None:
        self.headers = dict(headers)
        if user is not None:
            _, self.secret = ApiToken.objects.create(user=user, name="test", scope=scope)
            self.headers["Authorization"] = f"Bearer {self.secret}"
        self.client = Client(raise_request_exception=True)

    def call(self, method: str, path: str, body: bytes = b"", **more: Any):
        address = path if path.startswith("/") else f"/api/2.0/mlflow/{path}"
        more = {"content_type": "application/json", **more}
        return self.client.generic(
            method, address, body, headers={**self.headers, **more.pop("headers", {})}, **more
        )

    def get(self, path: str, params: dict[str, Any] | None = None, **more: Any):
        return self.call("GET", path, query_params=params or {}, **more)

    def post(self, path: str, content: Any = None, **more: Any):
        return self.call("POST", path, json.dumps(content or {}).encode(), **more)

    def patch(self, path: str, content: Any = None, **more: Any):
        return self.call("PATCH", path, json.dumps(content or {}).encode(), **more)

    def delete(self, path: str, content: Any = None, **more: Any):
        return self.call("DELETE", path, json.dumps(content or {}).encode(), **more)


def basic(username: str, password: str = PASSWORD) -> str:
    """Return the header's value for a user name and a password."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
