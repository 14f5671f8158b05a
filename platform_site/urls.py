"""Every address of the product, by room."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.i18n import set_language

from platform_site.core.access_rules import public
from platform_site.protocol import protocol_urls
from platform_site.web import health, home

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("health", health.health, name="health"),
    path("i18n/", public(set_language), name="set_language"),
    path("", include("platform_site.web.urls")),
    path("", include("platform_site.accounts.urls")),
    path("", include("experiments.web.urls")),
    path("", include("registry.web.urls")),
    path("api/v1/", include("platform_site.accounts.api.urls")),
    path("api/v1/", include("platform_site.events.urls")),
    path("api/v1/", include("experiments.api.urls")),
    path("api/v1/", include("registry.api.urls")),
    path("api/v1/", include("platform_site.web.api_urls")),
    path("admin/", admin.site.urls),
    *protocol_urls(),
]
if settings.DEBUG:
    urlpatterns.insert(0, path("styleguide/", home.styleguide, name="styleguide"))
handler400 = "platform_site.web.error_pages.bad_request"
handler403 = "platform_site.web.error_pages.permission_denied"
handler404 = "platform_site.web.error_pages.not_found"
handler500 = "platform_site.web.error_pages.server_error"
