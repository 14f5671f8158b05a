"""What pages and API read of registered models."""

from django.db.models import Count, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce

from platform_site.accounts.models import Project
from registry.models import ModelVersion, PredictionBatch, RegisteredModel

SORT_FIELDS = {
    "name": "name",
    "-name": "-name",
    "created": "id",
    "-created": "-id",
    "-updated": "-newest_at",
    "updated": "newest_at",
}
HEAVY = ("manifest", "card", "run__model_manifest", "run__spec", "run__environment")


LISTED = (
    "model_id",
    "number",
    "metrics",
    "created_at",
    "run__uuid",
    "run__name",
    "run__job_id",
    "run__model_type",
    "run__task",
    "run__target",
    "run__dataset_version__dataset_id",
    "run__dataset_version__number",
    "run__dataset_version__dataset__name",
    "model_blob__sha256",
    "model_blob__size_bytes",
    "created_by__username",
)


def light_versions() -> QuerySet[ModelVersion]:
    """Return versions without manifests and cards, with run, dataset version and author."""
    return (
        ModelVersion.objects.select_related(
            "run__dataset_version__dataset", "created_by", "model_blob"
        )
        .defer(
            *HEAVY,
            "run__dataset_version__profile",
            "run__dataset_version__table_schema",
            "run__dataset_version__report",
            "run__dataset_version__difference",
        )
        .order_by("-number")
    )


def model_rows(
    projects: QuerySet[Project], *, search: str = "", sort: str = "-updated"
) -> QuerySet[RegisteredModel]:
    """Return the models of these projects with number and time of their newest version."""
    models = RegisteredModel.objects.filter(project__in=projects)
    if search:
        models = models.filter(name__icontains=search)
    # Counts come from the key (model, number) alone; a join would read every manifest.
    versions = ModelVersion.objects.filter(model=OuterRef("pk")).order_by("-number")
    count = versions.order_by().values("model").annotate(n=Count("pk"))
    return (
        models.select_related("project", "created_by")
        .annotate(
            n_versions=Coalesce(Subquery(count.values("n")), 0),
            newest_number=Subquery(versions.values("number")[:1]),
            newest_at=Subquery(versions.values("created_at")[:1]),
        )
        .order_by(SORT_FIELDS.get(sort, "-newest_at"), "-id")
    )


def with_versions(models: QuerySet[RegisteredModel]) -> QuerySet[RegisteredModel]:
    """Fetch the versions of all models of the page in one more query."""
    versions = light_versions().only(*LISTED)  # half the time of whole rows of five tables
    return models.prefetch_related(Prefetch("versions", queryset=versions))


def versions_of(model: RegisteredModel) -> QuerySet[ModelVersion]:
    """Return the model's versions, newest first."""
    return light_versions().filter(model=model)


def batches_of(version: ModelVersion, *, limit: int = 20) -> list[PredictionBatch]:
    """Return the newest files of predictions of the version."""
    return list(
        PredictionBatch.objects.filter(version=version)
        .select_related("job", "created_by", "output_blob")
        .order_by("-id")[:limit]
    )
