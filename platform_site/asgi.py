"""The ASGI application: pages and API over HTTP, live events over WebSocket."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "platform_site.settings")
http_application = get_asgi_application()

from experiments.mlflow_api.kit.asgi import ProtocolFront  # noqa: E402  # after set-up
from experiments.mlflow_api.kit.unknown import unknown_calls  # noqa: E402  # after set-up
from platform_site.core.access_rules import refuse_undeclared_routes  # noqa: E402  # after set-up
from platform_site.protocol import TABLE  # noqa: E402  # after set-up
from platform_site.routing import websocket_application  # noqa: E402  # after set-up

refuse_undeclared_routes()
application = ProtocolTypeRouter(
    {
        "http": ProtocolFront(TABLE, http_application, unknown_calls.note),
        "websocket": websocket_application,
    }
)
