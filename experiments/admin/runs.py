"""Console of experiments and runs: to look at; what a run did is never edited or deleted."""

from django.contrib import admin

from experiments.models import Experiment, Run
from platform_site.accounts.admin import ReadOnlyAdmin


@admin.register(Experiment)
class ExperimentAdmin(ReadOnlyAdmin):
    """Series of runs."""

    list_display = ("name", "project", "created_by", "created_at")
    list_select_related = ("project", "created_by")
    list_filter = ("project",)
    search_fields = ("name",)
    ordering = ("-id",)
    fields = (
        "name",
        "project",
        "lifecycle",
        "artifact_location",
        "description",
        "created_by",
        "created_at",
        "updated_at",
    )


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    """Runs with their state and what made them."""

    list_display = ("name", "status", "model_type", "target", "project", "created_by", "created_at")
    list_select_related = ("project", "created_by")
    list_filter = ("status", "model_type", "project")
    search_fields = ("name", "uuid", "target")
    ordering = ("-id",)
    fields = (
        "uuid",
        "name",
        "status",
        "project",
        "experiment",
        "dataset_version",
        "test_version",
        "model_type",
        "task",
        "target",
        "seed",
        "spec_digest",
        "code_version",
        "host",
        "headline_metric",
        "headline_value",
        "notes",
        "created_by",
        "created_at",
        "user_name",
        "lifecycle",
        "start_ms",
        "end_ms",
    )
