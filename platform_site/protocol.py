"""The tracking protocol's whole table of routes, and its addresses in Django."""

from typing import Final

from django.urls import URLPattern, path

from experiments.mlflow_api.kit.django_view import protocol_view
from experiments.mlflow_api.kit.routes import PREFIXES, RouteTable
from experiments.mlflow_api.kit.unknown import unknown_calls
from experiments.mlflow_api.routes import ROUTES as TRACKING_ROUTES
from platform_site.core.access_rules import declare, public
from registry.mlflow_api.routes import ROUTES as REGISTRY_ROUTES

VERSIONS: Final = ("2.0/", "3.0/")
TABLE: Final = RouteTable([*TRACKING_ROUTES, *REGISTRY_ROUTES])
ROOT_ROUTES: Final = [route for route in TABLE.routes if route.path.startswith("/")]

_view = declare("api")(protocol_view(TABLE, unknown_calls.note))
_public_view = public(protocol_view(TABLE, unknown_calls.note))


def protocol_urls() -> list[URLPattern]:
    """Return the addresses that lead to the protocol's view."""
    below = [
        path(f"{prefix[1:]}{version}<path:rest>", _view)
        for prefix in PREFIXES
        for version in VERSIONS
    ]
    open_to_all = {route.path: route.public for route in ROOT_ROUTES}
    return [
        *below,
        *(
            path(root[1:], _public_view if is_public else _view)
            for root, is_public in open_to_all.items()
        ),
    ]
