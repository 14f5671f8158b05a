"""The ASGI application: pages and API over HTTP, live events over WebSocket."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "platform_site.settings")
http_application = get_asgi_application()

from platform_site.core.access_rules import refuse_undeclared_routes  # noqa: E402  # after set-up
from platform_site.routing import websocket_application  # noqa: E402  # after set-up

refuse_undeclared_routes()
application = ProtocolTypeRouter({"http": http_application, "websocket": websocket_application})
