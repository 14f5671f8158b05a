"""API of registered models."""

from django.urls import URLPattern, URLResolver, path

from registry.api import views

VERSION = "ml-platform/models/<str:name>/versions/<int:number>/"
BATCH = "ml-platform/predictions/<int:batch_id>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path("ml-platform/models/", views.ModelsView.as_view(), name="api-models"),
    path("ml-platform/models/<str:name>/", views.ModelView.as_view(), name="api-model"),
    path(
        "ml-platform/models/<str:name>/versions/",
        views.ModelVersionsView.as_view(),
        name="api-model-versions",
    ),
    path(VERSION, views.VersionView.as_view(), name="api-version"),
    path(f"{VERSION}file/", views.VersionFileView.as_view(), name="api-version-file"),
    path(f"{VERSION}predict/", views.PredictView.as_view(), name="api-predict"),
    path(f"{VERSION}predictions/", views.BatchesView.as_view(), name="api-batches"),
    path(BATCH, views.BatchView.as_view(), name="api-batch"),
    path(f"{BATCH}result/", views.BatchResultView.as_view(), name="api-batch-result"),
]
