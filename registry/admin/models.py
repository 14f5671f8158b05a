"""Console of registered models: to look at; lineage is never edited or deleted."""

from django.contrib import admin

from platform_site.accounts.admin import ReadOnlyAdmin
from registry.models import ModelVersion, PredictionBatch, RegisteredModel


@admin.register(RegisteredModel)
class RegisteredModelAdmin(ReadOnlyAdmin):
    """Names of models."""

    list_display = ("name", "project", "created_by", "created_at")
    list_select_related = ("project", "created_by")
    list_filter = ("project",)
    search_fields = ("name", "description")
    ordering = ("-id",)
    fields = (
        "name",
        "project",
        "description",
        "last_number",
        "created_by",
        "created_at",
        "updated_at",
    )


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """Versions with what they rest on."""

    list_display = ("model", "number", "stage", "run", "source", "created_by", "created_at")
    list_select_related = ("model", "run", "created_by")
    list_filter = ("stage",)
    search_fields = ("model__name", "run__uuid", "run__name", "source")
    ordering = ("-id",)
    fields = (
        "model",
        "number",
        "stage",
        "description",
        "source",
        "storage_location",
        "run",
        "run_text",
        "run_link",
        "logged_model",
        "model_blob",
        "metrics",
        "card",
        "created_by",
        "created_at",
        "updated_at",
    )


@admin.register(PredictionBatch)
class PredictionBatchAdmin(ReadOnlyAdmin):
    """Files of predictions."""

    list_display = ("file_name", "version", "n_rows", "created_by", "created_at")
    list_select_related = ("version", "created_by")
    search_fields = ("file_name", "version__model__name")
    ordering = ("-id",)
    fields = (
        "file_name",
        "version",
        "job",
        "input_blob",
        "output_blob",
        "n_rows",
        "created_by",
        "created_at",
    )
