"""Routes of `tests.live_app`."""

from django.urls import include, path

urlpatterns = [path("api/v1/", include("platform_site.events.urls"))]
