"""The API's own description and its browsable page, served from local files."""

from django.urls import path
from drf_spectacular.views import (
    SpectacularAPIView,
    SpectacularSwaggerSplitView,
)


class SchemaView(SpectacularAPIView):
    """The OpenAPI description."""

    access_rule = "api"


class DocsView(SpectacularSwaggerSplitView):
    """The browsable page; its script is a file of its own, so the content policy holds."""

    access_rule = "api"


urlpatterns = [
    path("schema/", SchemaView.as_view(), name="api-schema"),
    path("docs/", DocsView.as_view(url_name="api-schema"), name="api-docs"),
]
