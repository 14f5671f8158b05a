"""Live events over SSE and polling."""

from django.urls import URLPattern, URLResolver, path

from platform_site.events import api

urlpatterns: list[URLPattern | URLResolver] = [
    path("live/stream/", api.live_stream, name="live-stream"),
    path("live/events/", api.live_events, name="live-events"),
]
