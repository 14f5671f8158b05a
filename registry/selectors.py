"""What pages and API read of registered models."""

from collections.abc import Iterable
from typing import Final

from django.db.models import Count, Exists, F, OuterRef, Prefetch, QuerySet, Subquery, Window
from django.db.models.functions import Coalesce, RowNumber

from platform_site.accounts.models import Project
from platform_site.core.errors import Invalid
from platform_site.core.names import model_name
from registry.models import (
    ModelAlias,
    ModelVersion,
    PredictionBatch,
    RegisteredModel,
    RegisteredModelTag,
)
from registry.selectors_search import PROMPT_TAG

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
    "source",
    "stage",
    "description",
    "run_text",
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
    "logged_model__model_id",
    "logged_model__name",
    "logged_model__model_type",
    "created_by__username",
)


def light_versions() -> QuerySet[ModelVersion]:
    """Return versions without manifests and cards, with run, dataset version and author."""
    return (
        ModelVersion.objects.select_related(
            "run__dataset_version__dataset", "created_by", "model_blob", "logged_model"
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
            is_prompt=Exists(prompt_tags().filter(model=OuterRef("pk"))),
        )
        .order_by(SORT_FIELDS.get(sort, "-newest_at"), "-id")
    )


def with_versions(models: QuerySet[RegisteredModel]) -> QuerySet[RegisteredModel]:
    """Fetch the versions of all models of the page in one more query."""
    # Chosen columns take half the time of whole rows of five tables.
    versions = light_versions().prefetch_related("tags", "aliases").only(*LISTED)
    return models.prefetch_related(Prefetch("versions", queryset=versions))


def versions_of(model: RegisteredModel) -> QuerySet[ModelVersion]:
    """Return the model's versions, newest first."""
    return light_versions().prefetch_related("tags", "aliases").filter(model=model)


def batches_of(version: ModelVersion, *, limit: int = 20) -> list[PredictionBatch]:
    """Return the newest files of predictions of the version."""
    return list(
        PredictionBatch.objects.filter(version=version)
        .select_related("job", "created_by", "output_blob")
        .order_by("-id")[:limit]
    )


def find_model(project_id: int, name: str) -> RegisteredModel | None:
    """Return the project's model of this name in any spelling of it, None without."""
    try:
        clean = model_name(name)
    except Invalid:
        return None
    return RegisteredModel.objects.named(clean).filter(project_id=project_id).first()


def protocol_versions() -> QuerySet[ModelVersion]:
    """Return versions as clients of the protocol see them: with tags and aliases, in three queries."""
    return (
        ModelVersion.objects.select_related("model", "run", "logged_model", "model_blob")
        .only(*PROTOCOL_FIELDS)
        .prefetch_related("tags", "aliases")
    )


PROTOCOL_FIELDS: Final = (
    "number",
    "source",
    "storage_location",
    "run_text",
    "run_link",
    "description",
    "stage",
    "created_at",
    "updated_at",
    "model__name",
    "model__project_id",
    "run__uuid",
    "logged_model__model_id",
    "model_blob__sha256",
)


def find_version(project_id: int, name: str, which: str) -> ModelVersion | None:
    """Return the version with this number, alias (``@champion``) or stage, or the ``latest``."""
    model = find_model(project_id, name)
    if model is None:
        return None
    versions = ModelVersion.objects.select_related("run__experiment", "logged_model", "model_blob")
    versions = versions.filter(model=model).order_by("-number")
    if which.startswith("@"):
        aliased = ModelAlias.objects.filter(model=model, name=which[1:]).values("version")
        found = versions.filter(pk__in=aliased).first()
    elif which.isascii() and which.isdigit():
        found = versions.filter(number=int(which)).first() if len(which) <= 9 else None
    elif which.lower() == "latest":
        found = versions.first()
    else:
        found = versions.filter(stage__iexact=which).first()
    if found is not None:
        found.model = model
    return found


def latest_per_stage(models: Iterable[RegisteredModel]) -> dict[int, list[ModelVersion]]:
    """Return the newest version of each stage of these models, by the model's key."""
    place = Window(
        RowNumber(), partition_by=[F("model_id"), F("stage")], order_by=F("number").desc()
    )
    ranked = (
        ModelVersion.objects.filter(model__in=list(models))
        .annotate(place=place)
        .filter(place=1)
        .values("pk")
    )
    found: dict[int, list[ModelVersion]] = {}
    for version in protocol_versions().filter(pk__in=ranked).order_by("number"):
        found.setdefault(version.model_id, []).append(version)
    return found


def is_prompt(model: RegisteredModel) -> bool:
    """Whether clients keep a prompt under this name instead of a model."""
    return prompt_tags().filter(model=model).exists()


def prompt_tags() -> QuerySet[RegisteredModelTag]:
    """Return the tags that say that a model is a prompt."""
    return RegisteredModelTag.objects.filter(key=PROMPT_TAG, value__iexact="true")
