"""Datasets in the console: to look at; services change them."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from experiments.models import Dataset, DatasetVersion

if TYPE_CHECKING:
    from django.db.models import QuerySet


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]  # unfold publishes no types
    """Nobody adds, changes or deletes here."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False


@admin.register(Dataset)
class DatasetAdmin(ReadOnlyAdmin):
    """Datasets of all projects."""

    list_display = ("name", "project", "source", "created_by", "created_at", "archived_at")
    list_filter = ("source",)
    list_select_related = ("project", "created_by")
    search_fields = ("name",)
    ordering = ("-id",)
    list_per_page = 50


@admin.register(DatasetVersion)
class DatasetVersionAdmin(ReadOnlyAdmin):
    """Versions, without their large documents."""

    list_display = ("dataset", "number", "status", "file_name", "n_rows", "n_columns", "created_at")
    list_filter = ("status",)
    list_select_related = ("dataset",)
    search_fields = ("dataset__name", "file_name", "blob__sha256")
    ordering = ("-id",)
    list_per_page = 50
    fields = (
        "dataset", "number", "status", "file_name", "blob", "table_blob", "read_options", "n_rows",
        "n_columns", "n_warnings", "report", "difference", "error_code", "error_message", "job",
        "created_by", "created_at", "ready_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> "QuerySet[DatasetVersion]":
        """Leave the documents that no field here shows in the database."""
        rows: QuerySet[DatasetVersion] = super().get_queryset(request)
        return rows.defer("profile", "table_schema")
