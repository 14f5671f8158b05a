"""Pages of registered models."""

from django.urls import URLPattern, URLResolver, path

from registry.web import models, versions

app_name = "registry"
MODEL = "models/<str:name>/"
VERSION = f"{MODEL}versions/<int:number>/"
urlpatterns: list[URLPattern | URLResolver] = [
    path("models/", models.model_list, name="model-list"),
    path(MODEL, models.model_detail, name="model-detail"),
    path(f"{MODEL}edit/", models.model_edit, name="model-edit"),
    path(VERSION, versions.version_detail, name="version-detail"),
    path(f"{VERSION}card/", versions.version_card, name="version-card"),
    path(f"{VERSION}file/", versions.version_file, name="version-file"),
    path(f"{VERSION}try/", versions.version_try, name="version-try"),
    path(f"{VERSION}files/", versions.version_files, name="version-files"),
    path(f"{VERSION}programs/", versions.version_programs, name="version-programs"),
    path("predictions/<int:batch_id>/", versions.batch_download, name="batch-download"),
    path("runs/<str:uuid>/register/", models.register, name="register"),
]
