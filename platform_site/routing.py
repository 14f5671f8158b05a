"""WebSocket addresses; the consumer itself checks host and origin, as token clients have none."""

from typing import Any

from channels.security.websocket import WebsocketDenier

from platform_site.events.consumers import LiveConsumer

SOCKETS: dict[str, Any] = {"/ws/": LiveConsumer.as_asgi()}
refuse = WebsocketDenier.as_asgi()


async def websocket_application(scope: Any, receive: Any, send: Any) -> None:
    """Open the socket that lives at this address, or refuse the handshake."""
    await SOCKETS.get(scope["path"], refuse)(scope, receive, send)
